"""The report's page in a real browser: what a person does with it, and what must never happen."""

import io
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect, sync_playwright
from report_samples import HOSTILE, sample_records, write_records, write_root

from spatial_engine.report import make_report, record_view, sheets

ARGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDE, PHONE = {"width": 1400, "height": 900}, {"width": 390, "height": 844}
NUM_RECORDS, NUM_TASKS = 40, 5  # in each of two splits
# A record with its points in the second half of the gallery, so that its page must be turned to.
POINT = "correspondence_coor_val_1"


@pytest.fixture(scope="module")
def browser():
    """A Chromium that is there. Without one tests are skipped, but never where CI runs them."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        problem = f"no browser: none of {', '.join(BROWSERS)} is on the PATH"
        if os.environ.get("CI"):
            pytest.fail(problem)
        pytest.skip(problem)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=ARGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> str:
    """The page of a small root with all its records, one of them hostile."""
    root = write_root(tmp_path_factory.mktemp("root"), NUM_RECORDS)
    flags = ["--records-per-file", "50", "--num-workers", "1"]
    assert make_report.main(["--root", str(root), *flags]) == 0
    return (root / "report/index.html").as_uri()


CLOSED = re.compile(r"index\.html#?$")  # the address while no record is shown large


class Visit:
    """A page that is open, and what it asked for and complained about."""

    def __init__(self, browser, size: dict, scheme: str = "light"):
        self.page = browser.new_page(viewport=size, color_scheme=scheme)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))

    def to(self, address: str, view: str = "records"):
        self.page.goto(address)
        if view:
            self.page.click(f"nav [data-view={view}]")
        return self.page


@pytest.fixture
def visit(browser) -> Iterator[Visit]:
    """A wide page; at the end it must have been quiet and have asked for files only."""
    visit = Visit(browser, WIDE)
    yield visit
    assert visit.complaints == []
    assert visit.requests
    assert {url.partition(":")[0] for url in visit.requests} <= {"file", "data"}
    visit.page.close()


def ids(page) -> list[str]:
    return page.locator(".card .head a").all_text_contents()


def count(page) -> str:
    return page.locator(".bar b").text_content()


def test_it_opens_with_the_overview_and_shows_all_parts(visit, address):
    page = visit.to(address, view="")
    assert page.locator("#view-overview").is_visible()
    assert page.locator("#view-records").is_hidden()
    assert page.locator("table.tasks tbody td.number").first.text_content() == "40"
    assert "frames that see nothing" in page.locator("td.reasons").first.text_content()
    page.click("nav [data-view=plots]")
    drawn = page.locator(".panels img")
    drawn.first.scroll_into_view_if_needed()
    expect(drawn.first).not_to_have_js_property("naturalWidth", 0)
    assert drawn.count() >= 2 * NUM_TASKS
    page.click("nav [data-view=records]")
    assert count(page) == "400 records"
    assert page.locator(".card").count() == 24
    for image in page.locator(".card img").all():
        expect(image).to_have_js_property("naturalWidth", 480)


def test_filters_filter(visit, address):
    page = visit.to(address)
    page.select_option("#filter-task", "camera_x_movement")
    assert count(page) == "80 of 400 records"
    assert all(name.startswith("camera_x_movement_") for name in ids(page))
    page.select_option("#filter-split", "val")
    assert count(page) == "40 of 400 records"
    page.select_option("#filter-scene", "scene0001_00")
    assert count(page) == "20 of 400 records"
    page.fill("#filter-text", "QUESTION 7?")
    expect(page.locator(".bar b")).to_have_text("4 of 400 records")
    assert {name.removeprefix("camera_x_movement_val_") for name in ids(page)} == set(
        ("7", "17", "27", "37")
    )
    page.fill("#filter-text", "no such words")
    page.locator("text=No record fits").wait_for(state="visible")
    assert ids(page) == []
    page.click("text=clear")
    expect(page.locator(".bar b")).to_have_text("400 records")
    assert page.input_value("#filter-text") == ""


def test_a_task_of_the_overview_leads_to_its_records(visit, address):
    page = visit.to(address, view="overview")
    page.click("table.tasks button[data-task=object_height]")
    assert page.locator("#view-records").is_visible()
    assert count(page) == "80 of 400 records"


def test_the_keyboard_moves_through_records_and_pages(visit, address):
    page = visit.to(address)
    everything = ids(page)
    chosen = page.locator(".card.chosen .head a")
    page.keyboard.press("j")
    assert chosen.text_content() == everything[0]
    page.keyboard.press("ArrowRight")
    page.keyboard.press("j")
    assert chosen.text_content() == everything[2]
    page.keyboard.press("k")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert chosen.text_content() == everything[0]
    for _ in range(24):
        page.keyboard.press("j")
    assert "page 2 of 17" in page.locator(".pager").first.text_content()
    assert chosen.text_content() == ids(page)[0] != everything[0]
    page.keyboard.press("/")
    page.keyboard.type("jk")
    assert page.input_value("#filter-text") == "jk"


def test_a_click_shows_a_record_large_and_escape_closes_it(visit, address):
    page = visit.to(address)
    names = ids(page)
    page.locator(".card button.picture").nth(1).click()
    dialog = page.locator("dialog")
    assert dialog.is_visible()
    assert dialog.locator(".head a").text_content() == names[1]
    image = dialog.locator("img").first
    expect(dialog.locator("img").first).to_have_js_property("naturalWidth", 640)
    assert image.get_attribute("src").endswith(
        "/data/scannet/posed_images/scene0000_00/00000.jpg"
    ) or (image.get_attribute("src").endswith("/data/scannet/posed_images/scene0001_00/00000.jpg"))
    page.keyboard.press("ArrowRight")
    assert dialog.locator(".head a").text_content() == names[2]
    assert page.evaluate("decodeURIComponent(location.hash)") == f"#{names[2]}"
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page).to_have_url(CLOSED)
    assert page.locator(".card.chosen .head a").text_content() == names[2]
    page.keyboard.press("Enter")
    assert dialog.is_visible()


def test_a_link_to_a_record_opens_it(visit, address):
    page = visit.to(f"{address}#{POINT}", view="")
    assert page.locator("dialog .head a").text_content() == POINT
    assert page.locator("#view-records").is_visible()
    page.keyboard.press("Escape")
    expect(page).to_have_url(CLOSED)
    page.evaluate("location.hash = 'object_height_val_3'")
    page.locator("dialog").wait_for(state="visible")
    assert page.locator("dialog .head a").text_content() == "object_height_val_3"


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (PHONE, "dark")])
def test_the_toggle_draws_points_where_they_belong(browser, address, size, scheme):
    visit = Visit(browser, size, scheme)
    page = visit.to(address)
    page.fill("#filter-text", POINT)
    expect(page.locator(".card")).to_have_count(11)  # 1 and 10 to 19
    card = page.locator(".card").filter(has=page.get_by_text(POINT, exact=True))
    expected = [(0, "asked", 0.6, 0.3), (1, "answered", 0.4, 0.8)]

    def colors() -> list[tuple[int, int, int]]:
        found = []
        for number, _, x, y in expected:
            picture = card.locator(".picture").nth(number)
            image = Image.open(io.BytesIO(picture.screenshot())).convert("RGB")
            found.append(image.getpixel((round(x * image.width), round(y * image.height))))
        return found

    drawn = [tuple(bytes.fromhex(sheets.COLORS[kind][1:])) for _, kind, *_ in expected]
    assert colors() == drawn
    button = page.locator("#toggle-points")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert all(max(color) - min(color) < 12 for color in colors())  # the grey of the image
    page.locator(".head a").first.focus()
    page.keyboard.press("p")
    assert colors() == drawn
    assert "asked point  at 600, 300" in card.locator("img").first.get_attribute("alt")
    visit.page.close()


def test_hostile_text_stays_text(visit, address):
    page = visit.to(address)
    page.fill("#filter-text", "onerror")
    expect(page.locator(".card")).to_have_count(1)
    card = page.locator(".card")
    shown = record_view.visible(HOSTILE)
    assert card.locator(".head a").text_content() == shown
    assert card.locator(".question").text_content() == shown
    assert f"category {shown}" in card.locator(".facts").text_content()
    card.locator("summary").click()
    assert "onerror" in card.locator("pre").text_content()
    card.locator("button.picture").click()
    assert page.locator("dialog .head a").text_content() == shown
    assert page.evaluate("window.planted") is None
    assert page.locator("img[src=x], main b b, .card b").count() == 0
    page.keyboard.press("Escape")
    page.click("nav [data-view=overview]")
    page.locator("td.reasons summary").first.click()
    assert shown in page.locator("td.reasons").first.text_content()
    assert page.evaluate("window.planted") is None


def test_no_script_runs_even_where_markup_got_in(visit, address):
    """The page's own policy: a second wall behind escaping."""
    page = visit.to(address)
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=planted=1>')")
    page.wait_for_timeout(300)
    assert page.evaluate("window.planted") is None
    assert any("Content Security Policy" in text for text in visit.complaints)
    visit.complaints.clear()


@pytest.mark.parametrize("size", [PHONE, WIDE], ids=["phone", "wide"])
def test_nothing_is_wider_than_the_screen(browser, address, size):
    visit = Visit(browser, size)
    for view in ("overview", "plots", "records"):
        page = visit.to(address, view)
        assert page.evaluate("document.documentElement.scrollWidth") == size["width"], view
    page.locator(".card button.picture").first.click()
    assert page.evaluate("document.querySelector('dialog').scrollWidth") <= size["width"]
    assert visit.complaints == []
    visit.page.close()


def test_a_moved_report_falls_back_to_its_small_copies(browser, address, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(Path(address.removeprefix("file://")).parent, moved)
    visit = Visit(browser, WIDE)
    page = visit.to((moved / "index.html").as_uri())
    page.locator(".card button.picture").first.click()
    expect(page.locator("dialog img").first).to_have_js_property("naturalWidth", 480)
    assert page.locator("dialog img").first.get_attribute("src").startswith("thumbnails/")
    visit.page.close()


def test_planted_contradictions_are_found_by_one_click(visit, tmp_path):
    records = sample_records("val", 30)["correspondence_coor"]
    records[7]["gt_value"] = [100, 100]
    write_records(tmp_path, "correspondence_coor", "val", records)
    assert make_report.main(["--root", str(tmp_path), "--num-workers", "1"]) == 1  # no images
    page = visit.to((tmp_path / "report/index.html").as_uri())
    page.click("#only-doubtful")
    assert ids(page) == ["correspondence_coor_val_7"]
    assert "p2 and gt_value differ" in page.locator(".card .warning").all_text_contents()
    assert page.locator(".card .absent").first.is_visible()
