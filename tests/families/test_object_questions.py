"""Questions about sizes of objects, phrased from sets of images of scenes made by hand."""

from __future__ import annotations

import re
from functools import cache
from itertools import combinations

import numpy as np
import pytest
from helpers import sentence_in
from tiny_objects import DIMENSIONS, image_ids, seen_object, write_table

from spatial_engine.object_perception import object_questions as questions
from spatial_engine.object_perception.object_questions import SceneRequest, measure_mm
from spatial_engine.utils.questions import records
from spatial_engine.utils.running.scene_runner import PartResult
from spatial_engine.utils.scenes.object_names import can_be_said
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler

SCENE, SIZE = "scene0000_00", (324, 242)
IDS = image_ids(30)
TWICE = "another object of the category in an image"
MISSING = "sets with a missing image file"
UNSAID = "category that cannot be used in a sentence"


class Asked:
    """Questions about `objects`; `sets` by output name and object."""

    def __init__(self, root, objects, sets, split="train", images=IDS, unique=False, seed=0):
        self.table = write_table(root, split, {SCENE: objects})
        scenes = SceneInfoHandler(root, {SCENE: {"color_size": SIZE}})
        given = (split, SCENE, seed, sets, frozenset(images), unique)
        request = SceneRequest(*given, questions.load_sentences())
        self.result = questions.write_scene((scenes, self.table, request), root)
        self.by_name = {name: list(records.read_jsonl(root / f"{name}.jsonl")) for name in sets}
        self.records = [record for made in self.by_name.values() for record in made]
        assert self.result.counts == {name: len(made) for name, made in self.by_name.items()}

    def counted(self, kind: str, name: str) -> dict[str, int]:
        """Drops or notes of an output."""
        return {reason: n for reason, n in getattr(self.result, kind)[name].items() if n}


def images_of(record) -> list[str]:
    pattern = rf"{SCENE}/([0-9]{{5}})\.jpg"
    return [re.fullmatch(pattern, name)[1] for name in record["image"]]


def text_of(record) -> str:
    return record["conversations"][0]["value"] if "conversations" in record else record["text"]


sentences_read = cache(questions.load_sentences)  # for each record, it would take longest


def assert_sentence(record, dimension) -> tuple[str, str]:
    """The list and the sentence that a record asks in. It gives the bare answer where asked to."""
    text = text_of(record).replace(record["raw_category"].strip(), "{category}")
    sentences = sentences_read()[dimension].variants[0]
    name, sentence, form = sentence_in(text, sentences, "mm")
    if "conversations" in record:
        assert bool(form) == (record["conversations"][1]["value"] == f"`{record['gt_value']}`")
    else:
        wordings = {"plain": "plain", "heldout": "heldout"}
        assert form and record["wording"] == wordings.get(name, "seen")
    return name, sentence


PAIRS = list(combinations(IDS, 2))
SINGLES = [(image,) for image in IDS]


# ---- numbers and words ---------------------------------------------------------------------------


def test_measures_are_sides_of_the_box_in_whole_millimetres():
    rng = np.random.default_rng(0)
    for size in rng.uniform(0, 3, (200, 3)):
        x, y, z = size.tolist()
        found = [measure_mm(size, dimension) for dimension in DIMENSIONS]
        assert found == [round(1000 * z), round(1000 * max(x, y)), round(1000 * min(x, y))]
        assert all(type(value) is int for value in found)
    assert measure_mm(np.array([1.0004, 2.0006, 0.0203]), "width") == 1000
    assert measure_mm(np.array([1.0004, 2.0006, 0.0203]), "length") == 2001
    assert measure_mm(np.array([1.0004, 2.0006, 0.0203]), "height") == 20


@pytest.mark.parametrize(
    "category",
    [
        "chair",
        "tv stand",
        "Mr. Coffee's 2-cup maker",
        "bücherregal",
        "椅子",
        "50% & more",
        "a/b\\c",
    ],
)
def test_ordinary_words_can_be_said(category):
    assert can_be_said(category)


@pytest.mark.parametrize(
    "category",
    ["", " ", "\t", "chair\n", "a\rb", "a `12` b", "{answer}", "a}", "<image>", "a<b", "a > b",
     "[ 1 , 2 ]", "a]", "\u202eriahc", "a\u2066b", "a\u200bb", "a\0b", "a\u2028b", "\ufeffa",
     "a\x1b[31mb", "\ud800", "x" * 10_000],
)  # fmt: skip
def test_words_that_would_spoil_a_sentence_cannot_be_said(category):
    assert not can_be_said(category)


def test_objects_that_cannot_be_named_are_counted_by_set_and_the_others_asked_about(tmp_path):
    objects = [
        seen_object(1, IDS, "a `12` b"),
        seen_object(2, IDS, "sofa"),
        seen_object(3, IDS, ""),
    ]
    sets = {"height_k1": {k: SINGLES[: 4 * k] for k in (1, 2, 3)}, "width_k2": {1: PAIRS[:5]}}
    asked = Asked(tmp_path, objects, sets)
    assert len(asked.by_name["height_k1"]) == 8
    assert {record["raw_category"] for record in asked.records} == {"sofa"}
    assert asked.counted("drops", "height_k1") == {UNSAID: 4 + 12}
    assert asked.counted("drops", "width_k2") == {UNSAID: 5}


# ---- records -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """All sets of one and two of thirty images of three objects, asked in every dimension."""
    objects = [
        seen_object(0, IDS, "chair", (0.61, 0.5204, 0.9)),
        seen_object(4, IDS, "tv stand", (0.4, 1.20349, 0.5)),
        seen_object(17, IDS, 'the "old" %s lamp', (0.1, 0.1, 1.75)),
    ]
    sets = {}
    for dimension in DIMENSIONS:
        sets[f"{dimension}_k1"] = {o.object_id: SINGLES for o in objects}
        sets[f"{dimension}_k2"] = {o.object_id: PAIRS for o in objects[1:]}
    made = {}
    for split in ("train", "val"):
        made[split] = Asked(tmp_path_factory.mktemp(split), objects, sets, split)
    return objects, sets, made


@pytest.mark.parametrize("split", ["train", "val"])
def test_there_is_one_record_for_each_set(many, split):
    _, sets, made = many
    for name, by_object in sets.items():
        found = [(r["object_id"], tuple(sorted(images_of(r)))) for r in made[split].by_name[name]]
        expected = [
            (object_id, images) for object_id in by_object for images in by_object[object_id]
        ]
        assert sorted(found) == sorted(expected)
        assert made[split].counted("drops", name) == made[split].counted("notes", name) == {}
    ids = [record["id"] for record in made[split].records]
    assert len(set(ids)) == len(ids) == 3 * (3 * 30 + 2 * len(PAIRS))


@pytest.mark.parametrize("split", ["train", "val"])
def test_answers_are_the_box_and_stand_once_in_backticks(many, split):
    objects, _, made = many
    expected = {
        (0, "height"): 900, (0, "length"): 610, (0, "width"): 520,
        (4, "height"): 500, (4, "length"): 1203, (4, "width"): 400,
        (17, "height"): 1750, (17, "length"): 100, (17, "width"): 100,
    }  # fmt: skip
    category = {seen.object_id: seen.category for seen in objects}
    for name, found in made[split].by_name.items():
        dimension, count = name.split("_k")
        for record in found:
            answer = expected[record["object_id"], dimension]
            assert record["gt_value"] == answer and type(record["gt_value"]) is int
            assert record["task"] == f"object_{dimension}"
            assert record["question_type"] == f"object_perception_{dimension}_estimation"
            assert record["raw_category"] == category[record["object_id"]]
            assert record["width_list"] == [324] * int(count)
            assert record["height_list"] == [242] * int(count)
            text = text_of(record)
            assert text.count("<image>") == int(count) == len(record["image"])
            *_, question = text.split("\n")
            assert record["raw_category"] in question
            assert "{" not in text and str(answer) not in text
            assert_sentence(record, dimension)
            if split == "train":
                spoken = record["conversations"][1]["value"]
                assert re.findall(r"`(.*?)`", spoken) == [str(answer)]
                assert "text" not in record
            else:
                assert "conversations" not in record


def test_images_of_a_set_stand_in_either_order_equally_often(many):
    found = [images_of(record) for record in many[2]["train"].by_name["width_k2"]]
    swapped = sum(images != sorted(images) for images in found)
    assert abs(swapped - len(found) / 2) < 5 * (len(found) / 4) ** 0.5
    assert all(len(set(images)) == 2 for images in found)


def test_sentences_are_drawn_from_all_there_are(many):
    height = questions.load_sentences()["height"].variants[0]
    made = many[2]["train"].by_name["height_k2"]
    said = {assert_sentence(record, "height") for record in made}
    for name in ("questions", "full", "plain"):
        assert {sentence for group, sentence in said if group == name} == set(getattr(height, name))
    assert {name for name, _ in said} == {"questions", "full", "plain"}
    answers = {re.sub("`.*`", "`{answer}`", r["conversations"][1]["value"]) for r in made}
    assert answers == {"`{answer}`", *height.answers}
    asked = {assert_sentence(r, "height") for r in many[2]["val"].by_name["height_k2"]}
    assert {sentence for name, sentence in asked if name == "heldout"} == set(height.heldout)


def test_orders_and_sentences_differ_between_outputs_and_objects(many):
    """Neither two dimensions nor two objects share their draws."""
    by_name = many[2]["train"].by_name

    def orders(name, object_id):
        return [images_of(r) for r in by_name[name] if r["object_id"] == object_id]

    kinds = [orders(f"{d}_k2", object_id) for d in DIMENSIONS for object_id in (4, 17)]
    for one, other in combinations(kinds, 2):
        assert sorted(map(sorted, one)) == sorted(map(sorted, other))
        assert one != other


def test_the_seed_decides(tmp_path):
    objects, sets = [seen_object(3, IDS)], {"length_k2": {3: PAIRS}}
    folders = [tmp_path / name for name in ("a", "b", "c")]
    made = []
    for folder, seed in zip(folders, (0, 0, 1), strict=True):
        folder.mkdir()
        Asked(folder, objects, sets, seed=seed)
        made.append((folder / "length_k2.jsonl").read_bytes())
    assert made[0] == made[1] != made[2]


def test_sets_with_a_missing_image_are_counted_and_the_others_stay_as_they_were(tmp_path):
    """No other draw depends on it."""
    objects, sets = [seen_object(3, IDS)], {"length_k2": {3: PAIRS}, "width_k1": {3: SINGLES}}
    whole = Asked(tmp_path, objects, sets)
    fewer = Asked(tmp_path, objects, sets, images=IDS[2:])
    kept = [r for r in whole.records if not set(images_of(r)) & set(IDS[:2])]
    assert fewer.records == kept
    assert fewer.counted("drops", "length_k2") == {MISSING: 2 * 28 + 1}
    assert fewer.counted("drops", "width_k1") == {MISSING: 2}


def test_only_one_dimension_or_number_may_be_asked_for_a_scene(tmp_path):
    asked = Asked(tmp_path, [seen_object(3, IDS)], {"width_k2": {3: PAIRS[:1]}})
    assert len(asked.records) == 1
    assert sorted(path.name for path in tmp_path.glob("*.jsonl")) == ["width_k2.jsonl"]


def test_an_output_keeps_the_order_of_the_objects_whatever_that_of_the_sets(tmp_path):
    objects = [seen_object(k, IDS) for k in (2, 10)]
    made = []
    for order in ((2, 10), (10, 2)):
        Asked(tmp_path, objects, {"width_k1": {k: SINGLES for k in order}})
        made.append((tmp_path / "width_k1.jsonl").read_bytes())
    assert made[0] == made[1]


# ---- several objects of a category ---------------------------------------------------------------


def crowd():
    """Two chairs and a table: which images see them, and the sets of each. Images 2 to 4 show
    chair 1 beside another, image 2 so little of it that it does not count as seen there."""
    objects = [
        seen_object(1, IDS[:5], "chair", others=[0, 0, 1, 40, 40]),
        seen_object(2, IDS[3:5], "chair", others=[70, 90]),
        seen_object(4, IDS[:5], "table"),
    ]
    sets = {
        "height_k1": {k: [(i,) for i in IDS[:5]] for k in (1, 4)},
        "height_k2": {1: list(combinations(IDS[:5], 2)), 2: [(IDS[3], IDS[4])]},
    }
    return objects, sets


def test_sets_with_an_image_of_another_object_of_the_category_are_counted(tmp_path):
    asked = Asked(tmp_path, *crowd())
    assert [len(made) for made in asked.by_name.values()] == [10, 11]
    assert asked.counted("notes", "height_k1") == {TWICE: 3}
    assert asked.counted("notes", "height_k2") == {TWICE: 9 + 1}
    assert asked.counted("drops", "height_k1") == asked.counted("drops", "height_k2") == {}


def test_sets_with_an_image_of_another_object_of_the_category_are_left_out(tmp_path):
    objects, sets = crowd()
    whole, asked = Asked(tmp_path, objects, sets), Asked(tmp_path, objects, sets, unique=True)
    assert asked.counted("drops", "height_k1") == {TWICE: 3}
    assert asked.counted("drops", "height_k2") == {TWICE: 9 + 1}
    assert asked.counted("notes", "height_k1") == asked.counted("notes", "height_k2") == {}
    kept = [
        record
        for record in whole.records
        if record["object_id"] == 4 or not set(images_of(record)) & set(IDS[2:5])
    ]
    assert asked.records == kept  # no other draw depends on it
    assert len(kept) == 5 + 2 + 1


def test_a_set_is_counted_for_one_reason_alone(tmp_path):
    objects, sets = crowd()
    asked = Asked(tmp_path, objects, sets, images=set(IDS[:5]) - {IDS[3]}, unique=True)
    for name, missing, shared in (("height_k1", 2, 2), ("height_k2", 4 + 1, 5)):
        assert asked.counted("drops", name) == {MISSING: missing, TWICE: shared}
        total = sum(map(len, sets[name].values()))
        assert len(asked.by_name[name]) == total - missing - shared


def test_results_of_an_output_without_records_are_there(tmp_path):
    asked = Asked(tmp_path, [seen_object(3, IDS)], {"width_k1": {3: SINGLES}}, images=())
    assert asked.result.counts == {"width_k1": 0}
    assert isinstance(asked.result, PartResult)
    assert asked.counted("drops", "width_k1") == {MISSING: 30}
    assert asked.records == []


# ---- names and sentences -------------------------------------------------------------------------


def test_names_of_outputs_give_back_their_dimension():
    for dimension in DIMENSIONS:
        for count in (1, 2, 5):
            name = questions.output_name(dimension, count)
            assert name == f"{dimension}_k{count}"
            assert questions.dimension_of(name) == dimension


def test_sentences_say_what_each_dimension_means_and_the_unit():
    meaning = {
        "height": r"vertical|bottom|lowest|upright|upward|above|top",
        "length": r"longer|larger|great|longest|at least as far|maxim|the most",
        "width": r"shorter|smaller|lesser|narrow|shortest|least|minim|at most as far",
    }
    for dimension, words in meaning.items():
        for sentences in questions.load_sentences()[dimension].variants:
            for text in (*sentences.conventions, *sentences.full):
                assert re.search(words, text), text
            for text in (*sentences.questions, *sentences.full, *sentences.plain):
                assert re.search("millimeter", text), text
