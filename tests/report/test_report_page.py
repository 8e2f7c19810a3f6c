"""The report's page in a real browser: what a person does with it, and what must never happen."""

import io
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import link_root
from PIL import Image
from playwright.sync_api import expect, sync_playwright
from report_samples import (
    HOSTILE,
    box_record,
    frame_records,
    record,
    sample_records,
    write_benchmark,
    write_predictions,
    write_records,
    write_root,
)

from spatial_engine.report import make_report, record_view
from spatial_engine.report.boxes import Line, ObjectBox, read_boxes
from spatial_engine.report.pictures import looks
from spatial_engine.utils.paths import clip_frames_dir
from spatial_engine.utils.questions.record_files import RecordFile, to_uniform
from spatial_engine.utils.questions.records import write_jsonl
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler

ARGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDE, PHONE = {"width": 1400, "height": 900}, {"width": 390, "height": 844}
COLOR = {kind: tuple(bytes.fromhex(code[1:])) for kind, code in looks.COLORS.items()}
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


PATIENCE = 180_000  # milliseconds, for what takes some on an idle machine
expect.set_options(timeout=PATIENCE)
CLOSED = re.compile(r"index\.html$")  # the address while no record is shown large


class Visit:
    """A page that is open, and what it asked for and complained about."""

    def __init__(self, browser, size: dict, scheme: str = "light"):
        self.page = browser.new_page(viewport=size, color_scheme=scheme)
        self.page.set_default_timeout(PATIENCE)
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

    def drawn() -> list[bool]:
        """Whether each point has its outline around it; its centre shows the image's grey."""
        found = []
        for number, kind, x, y in expected:
            image = pixels_of(card.locator(".picture").nth(number))
            x, y = round(x * image.width), round(y * image.height)
            assert is_grey(image.getpixel((x, y)))
            left, right = (
                {image.getpixel((x + sign * away, y)) for away in range(6, 15)} for sign in (-1, 1)
            )
            found.append(COLOR[kind] in left & right)
            assert found[-1] or all(map(is_grey, left | right))
        return found

    assert drawn() == [True, True]
    button = page.locator("#toggle-points")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert drawn() == [False, False]
    page.locator(".head a").first.focus()
    page.keyboard.press("p")
    assert drawn() == [True, True]
    assert "point asked about at 600, 300" in card.locator("img").first.get_attribute("alt")
    visit.page.close()


def pixels_of(picture) -> Image.Image:
    """What is on the screen."""
    return Image.open(io.BytesIO(picture.screenshot())).convert("RGB")


def is_grey(color: tuple[int, ...]) -> bool:
    """As the images of the samples are."""
    return max(color) - min(color) < 12


@pytest.fixture(scope="module")
def box_page(prepared_root, tmp_path_factory) -> tuple[str, dict, ObjectBox]:
    """The page of one record about an object of a prepared scene, the record, and its box."""
    folder = tmp_path_factory.mktemp("boxes")
    one, _ = box_record(prepared_root, "object_height")
    write_jsonl(folder / "one.jsonl", [one])
    flags = ["--records", str(folder / "one.jsonl"), "--output", str(folder), "--num-workers", "1"]
    assert make_report.main(["--root", str(prepared_root), *flags]) == 0
    (box,) = read_boxes(prepared_root, [one], {})
    return (folder / "index.html").as_uri(), one, box


@pytest.mark.parametrize("large", [False, True], ids=["card", "large"])
def test_the_box_of_an_object_lies_where_the_projection_says(visit, box_page, large):
    address, _, box = box_page
    page = visit.to(address)
    if large:
        page.locator(".card button.picture").click()
        expect(page.locator("dialog img")).not_to_have_js_property("naturalWidth", 0)
    picture = page.locator("dialog .picture" if large else ".card .picture")
    expect(picture.locator("img")).to_have_js_property("complete", True)

    def close(line: Line) -> bool:
        """Whether the middle of an edge has its colour."""
        image = pixels_of(picture)
        x = round((line.x1 + line.x2) / 2000 * image.width)
        y = round((line.y1 + line.y2) / 2000 * image.height)
        around = [image.getpixel((x + i, y + j)) for i in (-1, 0, 1) for j in (-1, 0, 1)]
        wanted = COLOR["side" if line.measured else "box"]
        far = [max(abs(a - b) for a, b in zip(color, wanted, strict=True)) for color in around]
        return min(far) < 40

    measured = [line for line in box.lines if line.measured]
    assert [close(line) for line in measured] == [True] * 4
    assert page.locator(".bar .legend").all_text_contents() == [
        "box of the object", "side that is asked for",
    ]  # fmt: skip
    page.keyboard.press("p")
    assert [close(line) for line in measured] == [False] * 4


def test_one_split_has_no_filter_of_splits(visit, box_page):
    page = visit.to(box_page[0], view="")
    assert page.locator(".totals dt").first.text_content() == "records"
    page.click("nav [data-view=records]")
    assert page.locator("#filter-split").count() == 0
    assert page.locator(".bar .quiet").first.text_content() == "showing 1-1 of 1"


def test_back_closes_the_large_view_and_keeps_the_filters(visit, address):
    page = visit.to(address)
    page.select_option("#filter-task", "correspondence_coor")
    page.fill("#filter-text", "question 7?")
    expect(page).to_have_url(re.compile(r"#task=correspondence_coor&text=question\+7%3F$"))
    listed, dialog = page.url, page.locator("dialog")
    page.locator(".card button.picture").first.click()
    page.keyboard.press("ArrowRight")
    assert dialog.locator(".position").text_content() == "2 of 8"
    for leave in (page.go_back, lambda: page.keyboard.press("Escape")):
        expect(dialog).to_be_visible()
        leave()
        expect(dialog).to_be_hidden()
        expect(page).to_have_url(listed)
        assert count(page) == "8 of 400 records"
        page.keyboard.press("Enter")
    expect(dialog).to_be_visible()  # what goes back is to be in the history first
    page.go_back()
    expect(dialog).to_be_hidden()
    expect(page).to_have_url(listed)  # gone back for good, before it goes forward
    page.go_forward()
    expect(page).not_to_have_url(listed)
    expect(dialog).to_be_visible()
    page.click("dialog button.close")
    expect(page).to_have_url(listed)
    page.click("text=clear")
    expect(page).to_have_url(CLOSED)


def test_a_filtered_list_can_be_shared(visit, address):
    page = visit.to(f"{address}#task=object_height&split=val&scene=scene0001_00", view="")
    assert page.locator("#view-records").is_visible()
    assert count(page) == "20 of 400 records"
    assert page.input_value("#filter-split") == "val"


def test_the_buttons_of_the_large_view_stay_where_they_are(visit, address):
    page = visit.to(address)
    page.locator(".card button.picture").first.click()
    places = []
    for _ in range(12):
        places.append(page.locator("dialog [aria-label='next record']").bounding_box())
        page.click("dialog [aria-label='next record']")
    assert places == places[:1] * 12
    assert page.locator("dialog .position").text_content() == "13 of 400"


def test_a_click_zooms_and_a_point_stays_in_its_place(visit, address):
    page = visit.to(f"{address}#{POINT}", view="")
    frame, picture = (page.locator(f"dialog .{name}").first for name in ("frame", "picture"))
    before = frame.bounding_box()
    picture.click(position={"x": 0.6 * before["width"], "y": 0.3 * before["height"]})
    assert picture.bounding_box()["width"] == pytest.approx(2 * before["width"], abs=1)
    assert frame.bounding_box() == before
    mark = page.locator("dialog .mark.asked").first.bounding_box()
    across = (mark["x"] + mark["width"] / 2 - before["x"]) / before["width"]
    assert across == pytest.approx(0.6, abs=0.01)
    picture.click(position={"x": before["width"], "y": before["height"]})
    assert picture.bounding_box() == before


def test_the_legend_names_what_the_list_shows(visit, address):
    page = visit.to(address)
    legend = page.locator(".bar .legend")
    assert legend.all_text_contents() == ["point asked about", "right answer"]
    page.select_option("#filter-task", "camera_x_movement")
    expect(legend).to_have_count(0)
    page.fill("#filter-text", "no such words")
    expect(page.locator(".card")).to_have_count(0)
    assert page.locator(".bar .pager").is_hidden()


def test_pictures_with_dots_have_rings_without_letters(visit, tmp_path):
    options = {"A": [100, 100], "B": [400, 800], "C": [700, 200]}
    dotted = record(
        "correspondence_multichoice", 0, "train", "B", 2,
        p1=[600, 300], p2=[400, 800], options=options,
    )  # fmt: skip
    moved = record("movement_coord_distance_adt", 1, "train", 5, 2, p1=[1, 2], p2=[3, 4])
    write_root(tmp_path, 1)
    write_jsonl(tmp_path / "mine.jsonl", [dotted, moved])
    flags = ["--records", str(tmp_path / "mine.jsonl"), "--num-workers", "1"]
    assert make_report.main(["--root", str(tmp_path), *flags]) == 1  # no images
    page = visit.to((tmp_path / "report/index.html").as_uri())
    page.select_option("#filter-task", "correspondence_multichoice")
    marks = page.locator(".card .mark")
    expect(marks).to_have_count(4)
    for mark in marks.all():
        style = "getComputedStyle(e, '::after').content"
        assert mark.evaluate(f"e => [{style}, getComputedStyle(e).borderRadius]") == ["none", "50%"]
        box = mark.bounding_box()
        assert box["width"] == pytest.approx(box["height"], abs=0.1)
    assert page.locator(".bar .legend").all_text_contents() == [
        "point asked about", "right answer", "other option",
    ]  # fmt: skip
    page.select_option("#filter-task", "movement_coord_distance_adt")
    expect(page.locator(".bar .legend").last).to_have_text("where the point is in Image-2")


def test_quoted_words_are_code_and_lists_stay_on_one_line(visit, address):
    page = visit.to(f"{address}#task=correspondence_coor&split=train", view="")
    code = page.locator(".card .answer .code").first
    assert code.text_content() == "[ 400 , 800 ]"
    assert code.evaluate("e => getComputedStyle(e).whiteSpace") == "nowrap"
    page.locator(".card summary").first.click()
    assert '"p1": [600, 300]' in page.locator(".card pre").first.text_content()


def test_hostile_text_stays_text(visit, address):
    page = visit.to(address)
    page.fill("#filter-text", "onerror")
    expect(page.locator(".card")).to_have_count(1)
    card = page.locator(".card")
    shown = record_view.escaped(HOSTILE)
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
    planted = "<img src=x onerror=planted=1>"
    with page.expect_console_message(lambda message: "Content Security Policy" in message.text):
        page.evaluate("text => document.body.insertAdjacentHTML('beforeend', text)", planted)
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
    assert any("p2 is" in text for text in page.locator(".card .warning").all_text_contents())
    assert page.locator(".card .absent").first.is_visible()


# Three to eight frames.


@pytest.fixture(scope="module")
def frames_page(prepared_root, tmp_path_factory) -> str:
    """A page of a record of each task of many frames in a prepared scene, some texts of which are
    hostile; one is of a scene that is gone."""
    scenes = SceneInfoHandler.load(prepared_root, "train")
    scene_id = scenes.scene_ids[0]
    ids, _ = scenes.valid_frames(scene_id)
    folder = tmp_path_factory.mktemp("frames")
    records = []
    for task, one in frame_records("train").items():
        if not TASKS[task].marked and not TASKS[task].of_clips:
            one |= {"frames": ids[:3], "image": [f"{scene_id}/{i}.jpg" for i in ids[:3]]}
            records.append(one)
    by_task = {one["task"]: one for one in records}
    nearest = by_task["relation_nearest_object"]
    nearest["choices"] = {"A": HOSTILE, "B": HOSTILE}
    nearest["categories"] = [HOSTILE] * 3
    there = [i for i in scenes.object_ids(scene_id) if scenes.aligned_box(scene_id, i)[3:6].any()]
    nearest["object_ids"] = there[:3]
    nearest["seen_objects"] = [there[:3]] * 3
    by_task["camera_net_turn"]["image"] = ["scene9999_00/00000.jpg"] * 3
    eight = frame_records("train")["movement_fastest_step"]
    eight["image"] = [f"{scene_id}/{i}.jpg" for i in ids[:8]]
    eight["frames"], eight["positions_mm"] = ids[:8], [[k * k * 100, 0, 0] for k in range(8)]
    lost = {name: value for name, value in eight.items() if name != "clip_set"}
    path = folder / "frames.jsonl"
    write_jsonl(path, [*records, eight, lost | {"id": "lost"}])
    images = [
        (prepared_root / "data/scannet/posed_images" / scene_id / f"{i}.jpg") for i in ids[:8]
    ]
    root = link_root(prepared_root, folder / "root")
    for image in images:  # of the clip
        copy = clip_frames_dir(root) / scene_id / image.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.symlink_to(image)
    flags = ["--root", str(root), "--output", str(folder), "--records", str(path)]
    assert make_report.main([*flags, "--num-workers", "1"]) == 1  # the scene that is gone
    return (folder / "index.html").as_uri()


def card_of(page, task: str):
    page.select_option("#filter-task", task)
    return page.locator(".card").first


def test_records_of_many_frames_show_right_images_choices_and_a_plan(visit, frames_page):
    page = visit.to(frames_page)
    card = card_of(page, "movement_fastest_step")
    assert card.locator(".frame img").count() == 8
    assert [i for i, at in enumerate(card.locator("i.right").all()) if at.is_visible()] == [1, 2]
    assert card.locator(".choices li").all_text_contents() == [
        "A. from Image-1 to Image-2 ", "B. from Image-2 to Image-3 ",
    ]  # fmt: skip
    assert card.locator(".choices li.right").count() == 1
    assert card.locator(".fact").nth(2).text_content() == "300 mm from Image-2"
    assert "Image-8, frame" in card.locator(".frame + figcaption").nth(7).text_content()
    expect(card.locator(".plan img")).not_to_have_js_property("naturalWidth", 0)
    page.keyboard.press("p")
    assert not any(at.is_visible() for at in card.locator("i.right").all())


@pytest.mark.parametrize("size", [WIDE, PHONE])
def test_eight_images_wrap_within_the_screen_at_one_size(browser, frames_page, size):
    visit = Visit(browser, size)
    card = card_of(visit.to(frames_page), "movement_fastest_step")
    boxes = [frame.bounding_box() for frame in card.locator(".frame").all()]
    assert max(box["width"] for box in boxes) - min(box["width"] for box in boxes) < 1
    assert max(box["x"] + box["width"] for box in boxes) <= size["width"]
    assert min(box["width"] for box in boxes) > 130
    width = visit.page.evaluate("document.documentElement.scrollWidth")
    assert width <= size["width"]
    assert visit.complaints == []
    visit.page.close()


def test_names_of_objects_stay_text_within_their_images(visit, frames_page):
    page = visit.to(frames_page)
    card = card_of(page, "relation_nearest_object")
    names = card.locator(".name").all()
    assert names
    assert all(HOSTILE[:20] in name.text_content() for name in names)
    for name in names:
        image = name.locator("xpath=ancestor::button").bounding_box()
        box = name.bounding_box()
        assert image["x"] - 1 <= box["x"]
        assert box["x"] + box["width"] <= image["x"] + image["width"] + 1
        assert image["y"] - 1 <= box["y"]
        assert box["y"] + box["height"] <= image["y"] + image["height"] + 1
    assert page.evaluate("window.planted") is None
    assert card.locator("b").count() == 0
    drawn = "paths => paths.filter(path => path.getAttribute('d'))"
    lines = card.locator("path[class^=object]").evaluate_all(
        f"{drawn}.map(path => getComputedStyle(path).stroke)"
    )
    colors = [tuple(bytes.fromhex(code[1:])) for code in looks.OBJECT_COLORS]
    assert lines
    assert {tuple(map(int, re.findall(r"\d+", line))) for line in lines} <= set(colors[:3])


def test_a_record_without_a_plan_says_why_on_the_page(visit, frames_page):
    page = visit.to(frames_page)
    card = card_of(page, "camera_net_turn")
    assert card.locator(".plan").count() == 0
    told = card.locator("p.note:visible").text_content()
    assert told == "no plan: scene9999_00 is not among the prepared scenes"
    assert card.locator(".absent:visible").count() == 3
    page.select_option("#filter-task", "")
    page.fill("#filter-text", "lost")
    expect(page.locator(".bar b")).to_have_text(re.compile("^1 of"))
    assert page.locator(".card .warning").first.text_content() == "no field clip_set"


# Verdicts on what one model said, or two.


@pytest.fixture(scope="module")
def verdicts(address, tmp_path_factory) -> dict[str, str]:
    """Pages of verdicts on one model, and on two, over the images of the small root."""
    root = link_root(Path(address.removeprefix("file://")).parents[1], tmp_path_factory.mktemp("v"))
    paths = write_predictions(root, write_benchmark(root, 8))
    made = {}
    for name, given in (("one", paths[:1]), ("two", paths)):
        flags = ["--output", str(root / name), "--num-workers", "1", "--predictions"]
        assert make_report.main(["--root", str(root), *flags, *map(str, given)]) == 0
        made[name] = (root / name / "index.html").as_uri()
    return made


def options_of(page, name: str) -> list[str]:
    return page.locator(f"#filter-{name} option").all_text_contents()


def test_verdicts_are_filtered_and_counted(visit, verdicts):
    page = visit.to(verdicts["one"])
    assert count(page) == "40 records"
    assert "(drawn from 40 questions)" in page.locator(".bar").text_content()
    wanted = ["right", "wrong", "unreadable", "missing"]
    assert options_of(page, "verdict1") == ["all", *(f"{kind} (10)" for kind in wanted)]
    assert page.locator("#filter-outcome, #filter-verdict2, [data-view=plots]").count() == 0
    page.select_option("#filter-verdict1", "wrong")
    assert count(page) == "10 of 40 records"
    assert set(page.locator(".card .verdict").all_text_contents()) == {"wrong"}
    assert options_of(page, "verdict1")[1] == "right (10)"  # as many as would be found
    page.select_option("#filter-task", "object_height")
    assert count(page) == "2 of 40 records"
    assert options_of(page, "verdict1") == ["all", *(f"{kind} (2)" for kind in wanted)]
    expect(page).to_have_url(re.compile("#task=object_height&verdict1=wrong$"))
    page.fill("#filter-text", "no such words")
    expect(page.locator(".card")).to_have_count(0)
    assert options_of(page, "verdict1")[2] == "wrong (0)"


def test_a_link_to_verdicts_shows_them_and_the_keyboard_goes_through_them(visit, verdicts):
    page = visit.to(f"{verdicts['two']}#outcome=second&verdict1=missing", view="")
    assert count(page) == "5 of 40 records"
    names = ids(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    dialog = page.locator("dialog")
    assert dialog.locator(".head a").text_content() == names[1]
    assert dialog.locator(".verdicts li").all_text_contents()
    assert dialog.locator(".verdict").all_text_contents() == ["missing", "right"]
    page.keyboard.press("ArrowRight")
    assert dialog.locator(".head a").text_content() == names[2]
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile("#outcome=second&verdict1=missing$"))


def test_a_count_of_the_overview_leads_to_its_verdicts(visit, verdicts):
    page = visit.to(verdicts["two"], view="")
    assert page.locator(".totals dd").all_text_contents() == ["40", "5", "5", "15", "15"]
    page.click("button[data-task=object_height][data-outcome=neither]")
    assert count(page) == "3 of 40 records"
    assert options_of(page, "outcome") == [
        "all", "both right (1)", "only first right (1)", "only second right (3)",
        "neither right (3)",
    ]  # fmt: skip
    page.click("nav [data-view=overview]")
    page.click("button[data-task=object_height]:not([data-outcome])")
    assert count(page) == "8 of 40 records"


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (PHONE, "dark")])
def test_predicted_points_are_drawn_where_they_are_said_to_be(browser, verdicts, size, scheme):
    """The second model says [ 100 , 100 ], the truth is [ 400 , 800 ]."""
    visit = Visit(browser, size, scheme)
    page = visit.to(f"{verdicts['two']}#task=correspondence_coor&verdict2=wrong&verdict1=right", "")
    picture = page.locator(".card").first.locator(".picture").nth(1)
    expect(picture.locator("img")).not_to_have_js_property("naturalWidth", 0)
    assert page.locator(".bar .legend").all_text_contents() == [
        "point asked about", "right answer", "prediction of first", "prediction of second",
    ]  # fmt: skip
    image = pixels_of(picture)
    for kind, x, y, strokes in (
        ("said0", 0.4, 0.8, [(6, 6), (-6, 6), (6, -6), (-6, -6)]),
        ("said1", 0.1, 0.1, [(8, 0), (-8, 0), (0, 8), (0, -8)]),
    ):
        wanted = page.evaluate(
            f"getComputedStyle(document.documentElement).getPropertyValue('--{kind}')"
        )
        color = tuple(bytes.fromhex(wanted.strip()[1:]))
        x, y = round(x * image.width), round(y * image.height)
        assert is_grey(image.getpixel((x, y)))  # open at the place itself
        for right, down in strokes:
            near = image.getpixel((x + right, y + down))
            assert max(abs(a - b) for a, b in zip(near, color, strict=True)) < 40, (kind, near)
    page.locator(".head a").first.focus()
    page.keyboard.press("p")
    image = pixels_of(picture)
    assert is_grey(image.getpixel((round(0.1 * image.width) + 8, round(0.1 * image.height))))
    assert visit.complaints == []
    visit.page.close()


def test_a_hostile_prediction_stays_text(visit, verdicts):
    page = visit.to(f"{verdicts['two']}#verdict1=unreadable", view="")
    expect(page.locator(".card")).to_have_count(10)
    said = page.locator(".card").first.locator(".verdicts li").first
    assert said.locator("pre").text_content() == record_view.escaped(HOSTILE)
    assert "nothing found" in said.locator("p").text_content()
    page.locator(".card button.picture").first.click()
    assert page.locator("dialog pre").first.text_content() == record_view.escaped(HOSTILE)
    assert page.evaluate("window.planted") is None
    assert page.locator("img[src=x], .verdicts b b, .verdicts pre b").count() == 0


def test_the_choice_that_a_model_names_is_told_behind_it(visit, tmp_path):
    one = frame_records("val")["depth_nearest_view"]
    of = RecordFile(tmp_path / "x.jsonl", "val", one["task"], tmp_path / "images")
    write_jsonl(tmp_path / "benchmark.jsonl", [to_uniform(one, of, tmp_path)])
    write_jsonl(tmp_path / "model.jsonl", [{"id": one["id"], "prediction": "It is `A`."}])
    given = [str(tmp_path / f"{name}.jsonl") for name in ("benchmark", "model")]
    flags = ["--num-workers", "1", "--benchmark", given[0], "--predictions", given[1]]
    assert make_report.main(["--root", str(tmp_path), *flags]) == 1  # no images
    page = visit.to((tmp_path / "model.page/index.html").as_uri())
    assert [text.strip() for text in page.locator(".choices li").all_text_contents()] == [
        "A. Image-1 predicted", "B. Image-2", "C. Image-3",
    ]  # fmt: skip
    assert page.locator(".choices li.right").text_content().strip() == "B. Image-2"
    assert page.locator(".verdict").text_content() == "wrong"


@pytest.mark.parametrize("size", [PHONE, WIDE], ids=["phone", "wide"])
def test_no_page_of_verdicts_is_wider_than_the_screen(browser, verdicts, size):
    visit = Visit(browser, size)
    for name in verdicts:
        for view in ("overview", "records"):
            page = visit.to(verdicts[name], view)
            assert page.evaluate("document.documentElement.scrollWidth") == size["width"], view
        page.locator(".card button.picture").first.click()
        assert page.evaluate("document.querySelector('dialog').scrollWidth") <= size["width"]
    assert visit.complaints == []
    visit.page.close()
