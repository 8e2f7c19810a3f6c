from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from helpers import raises_one_line, random_pose

from spatial_engine.errors import BadDataError, MissingInputError, SettingsError
from spatial_engine.utils import paths
from spatial_engine.utils.geometry.sampling import balanced_quotas
from spatial_engine.utils.scenes import pair_balance
from spatial_engine.utils.tables import pair_table

UNFILLED = "requested but not available"
COLUMNS = ["scene_id", "image_id1", "image_id2", "overlap", "distance", "yaw", "pitch"]


def random_scene(rng, frames: int) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Ids with gaps, poses, and a symmetric overlap with many zeros and values at bin edges."""
    ids = [f"{5 * k:05d}" for k in np.sort(rng.choice(900, frames, replace=False))]
    poses = np.array([random_pose(rng) for _ in range(frames)]).reshape(frames, 4, 4)
    overlap = rng.uniform(0, 45, (frames, frames))
    overlap[rng.random(overlap.shape) < 0.3] = 0
    edges = rng.random(overlap.shape) < 0.2
    overlap[edges] = rng.integers(4, 38, np.count_nonzero(edges))
    return ids, poses, np.triu(overlap) + np.triu(overlap).T


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A pair table of four scenes (one has one frame, one none), and what it was made from."""
    folder, rng, parts, truth = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0), [], {}
    for scene, frames in {"s2": 40, "s0": 25, "one": 1, "none": 0}.items():
        ids, poses, overlap = truth[scene] = random_scene(rng, frames)
        parts.append(folder / scene)
        columns = pair_table.relate_frames(ids, poses, overlap)
        pair_table.write_scene_pairs(parts[-1], scene, ids, columns, f"g-{scene}")
    pair_table.merge_pairs(parts, folder / "all.parquet")
    return folder / "all.parquet", truth


def test_table_holds_every_pair_once_with_the_numbers_of_a_plain_loop(made):
    path, truth = made
    rows = pq.read_table(path).to_pylist()
    expected = [
        (scene, ids[i], ids[j], overlap[i, j], poses[i], poses[j])
        for scene, (ids, poses, overlap) in truth.items()
        for i in range(len(ids))
        for j in range(i + 1, len(ids))
    ]
    assert len(rows) == len(expected) == 40 * 39 // 2 + 25 * 24 // 2
    for row, (scene, id1, id2, overlap, one, two) in zip(rows, expected, strict=True):
        assert (row["scene_id"], row["image_id1"], row["image_id2"]) == (scene, id1, id2)
        assert id1 < id2
        assert row["overlap"] == overlap
        assert row["distance"] == pytest.approx(np.linalg.norm(two[:3, 3] - one[:3, 3]))
        (fx, fy, fz), (gx, gy, gz) = one[:3, 2], two[:3, 2]
        turn = np.degrees(np.arctan2(gy, gx) - np.arctan2(fy, fx))
        lift = np.degrees(np.arcsin(gz) - np.arcsin(fz))
        assert np.cos(np.radians(row["yaw"] - turn)) == pytest.approx(1)
        assert np.cos(np.radians(row["pitch"] - lift)) == pytest.approx(1)
        assert -180 < row["yaw"] <= 180
        assert -180 < row["pitch"] <= 180


def test_plain_readers_find_columns_strings_and_doubles(made):
    path, truth = made
    table = pq.read_table(path)
    assert table.column_names == COLUMNS
    assert all(str(table.schema.field(name).type) == "double" for name in COLUMNS[3:])
    assert pq.ParquetFile(path).num_row_groups == len(truth)
    frame = pd.read_parquet(path)
    assert list(frame.columns) == COLUMNS
    assert all(frame[name].dtype == np.float64 for name in COLUMNS[3:])
    for name in COLUMNS[:3]:
        assert frame[name].map(type).eq(str).all()
    chosen = frame[frame.scene_id == "s0"]
    assert len(chosen) == 25 * 24 // 2
    assert set(chosen.image_id1) | set(chosen.image_id2) == set(truth["s0"][0])


def test_scene_reads_back_as_numbers_of_frames(made):
    path, truth = made
    table = pair_table.open_pairs(path)
    for scene, (ids, _, overlap) in truth.items():
        columns = pair_table.read_scene_pairs(table, scene, ids)
        first, second = np.triu_indices(len(ids), k=1)
        np.testing.assert_array_equal(columns["first"], first)
        np.testing.assert_array_equal(columns["second"], second)
        np.testing.assert_array_equal(columns["overlap"], overlap[first, second])
        assert table.facts(scene)["geometry"] == f"g-{scene}"
    with raises_one_line(BadDataError, path, "s0", "calculate_frames_relations.py"):
        pair_table.read_scene_pairs(table, "s0", truth["s0"][0][1:])


def test_no_table_names_the_command_that_makes_it(tmp_path):
    for split, folder in (("train", "training_data"), ("val", "evaluation_data")):
        path = paths.pair_table_path(tmp_path, split)
        assert path == tmp_path / folder / "camera_movement" / f"{split}_camera_info_D5.parquet"
        with raises_one_line(MissingInputError, path, "calculate_frames_relations.py"):
            pair_table.open_pairs(path)


def test_bins_are_closed_at_their_upper_edge_and_the_first_at_both():
    cases = {0: 0, 6: 1, 6.5: 1, 7: 1, np.nextafter(7, 8): 2, 7.0000001: 2, 8: 2, 34: 28, 35: 29}
    for overlap, expected in (cases | {34.0000001: 29}).items():
        assert pair_balance.overlap_bin(np.array([overlap])).tolist() == [expected], overlap
    for number in range(1, 30):  # (5 + b, 6 + b]
        inside = np.linspace(5 + number, 6 + number, 50)[1:]
        assert set(pair_balance.overlap_bin(inside).tolist()) == {number}


def candidates_in(table, scenes):
    return pair_balance.PairCandidates.of(
        {s: pair_balance.read_overlap_bins(table, s) for s in scenes}
    )


def test_candidates_are_exactly_the_pairs_in_range_and_those_without_overlap(made):
    path, truth = made
    scenes = ["s0", "none", "s2"]
    candidates = candidates_in(pair_table.open_pairs(path), scenes)
    assert list(candidates.strata) == scenes
    for scene, available in zip(scenes, candidates.available, strict=True):
        overlap = truth[scene][2][np.triu_indices(len(truth[scene][0]), k=1)]
        expected = [bool(value == 0 or 6 <= value <= 35) for value in overlap]
        assert (candidates.strata[scene] >= 0).tolist() == expected
        assert available.sum() == sum(expected)
        assert available[pair_balance.EITHER] == np.count_nonzero(overlap == 0)
    assert candidates.available[:, pair_balance.EITHER].any()


@pytest.mark.parametrize("wanted", [0, 1, 28, 29, 100, 400, 10**6, -1])
@pytest.mark.parametrize("zero", [0, 7, 10**6])
def test_samples_fill_the_quotas_without_replacement(made, wanted, zero):
    path, truth = made
    table, scenes = pair_table.open_pairs(path), sorted(truth)
    candidates = candidates_in(table, scenes)
    sampled = pair_balance.sample_pairs(candidates, wanted, zero, np.random.default_rng(0))
    drawn = np.zeros(30, int)
    for scene, (rows, answers) in sampled.by_scene.items():
        assert (np.diff(rows) > 0).all()  # ascending and no row twice
        assert len(rows)
        assert answers.tolist() == [0] * len(rows)
        overlap = table.read(scene)["overlap"].to_numpy()[rows]
        assert ((overlap == 0) | ((overlap >= 6) & (overlap <= 35))).all()
        drawn += np.bincount(pair_balance.overlap_bin(overlap), minlength=30)
    held = candidates.available.sum(axis=0).reshape(30, 3)
    assert not held[:, 1:].any()
    held = held[:, pair_balance.EITHER]
    asked = held[1:].sum() if wanted < 0 else wanted
    np.testing.assert_array_equal(drawn[1:], balanced_quotas(held[1:], asked))
    assert drawn[0] == min(zero, held[0])
    assert sampled.drops[UNFILLED] == asked + zero - drawn.sum()


def rows_drawn(candidates, wanted, rng) -> np.ndarray:
    return pair_balance.sample_pairs(candidates, wanted, 0, rng).by_scene["s2"].rows


def test_each_pair_of_a_bin_is_as_likely_and_a_seed_repeats(made):
    candidates = candidates_in(pair_table.open_pairs(made[0]), ["s2"])
    members = np.flatnonzero(candidates.strata["s2"] == 3)
    times = dict.fromkeys(members.tolist(), 0)
    rng, rounds, wanted = np.random.default_rng(3), 1500, 29
    for _ in range(rounds):
        for row in rows_drawn(candidates, wanted, rng).tolist():
            if row in times:
                times[row] += 1
    mean = rounds / len(members)  # one pair of the bin a round
    assert sum(times.values()) == rounds
    assert max(abs(number - mean) for number in times.values()) < 5 * mean**0.5
    draws = [rows_drawn(candidates, 100, np.random.default_rng(9)) for _ in range(2)]
    np.testing.assert_array_equal(*draws)


def test_fewer_than_no_pairs_cannot_be_asked_for(made):
    candidates = candidates_in(pair_table.open_pairs(made[0]), ["s2"])
    with raises_one_line(SettingsError, "-1"):
        pair_balance.sample_pairs(candidates, 0, -1, np.random.default_rng(0))


def random_candidates(rng, scenes: int, pairs: int, shares) -> tuple[dict, dict]:
    """Bins and kinds by scene; `shares` are those of the kinds nothing, either, plus and minus."""
    bins = {f"s{k}": rng.integers(-1, 30, pairs).astype(np.int8) for k in range(scenes)}
    kinds = {s: rng.choice([-1, 0, 1, 2], pairs, p=shares).astype(np.int8) for s in bins}
    return bins, kinds


@pytest.mark.parametrize("shares", [(0.1, 0.5, 0.3, 0.1), (0.1, 0, 0.2, 0.7), (0, 0.02, 0.9, 0.08)])
@pytest.mark.parametrize("wanted", [-1, 1, 300, 1000, 10**6])
@pytest.mark.parametrize("zero", [0, 9])
def test_both_answers_are_drawn_equally_often_in_every_bin(shares, wanted, zero):
    rng = np.random.default_rng(5)
    bins, kinds = random_candidates(rng, 3, 1500, shares)
    candidates = pair_balance.PairCandidates.of(bins, kinds)
    sampled = pair_balance.sample_pairs(candidates, wanted, zero, rng)
    held, drawn, answered = np.zeros((30, 3), int), np.zeros((30, 3), int), {1: 0, -1: 0}
    free = {1: 0, -1: 0}
    for scene in bins:
        asked = (bins[scene] >= 0) & (kinds[scene] >= 0)
        np.add.at(held, (bins[scene][asked], kinds[scene][asked]), 1)
    for scene, (rows, answers) in sampled.by_scene.items():
        assert (np.diff(rows) > 0).all()
        mine = kinds[scene][rows]
        np.add.at(drawn, (bins[scene][rows], mine), 1)
        for kind, answer in zip(mine.tolist(), answers.tolist(), strict=True):
            assert kind == pair_balance.EITHER or answer == {1: 1, 2: -1}[kind]
            answered[answer] += 1
            free[answer] += kind == pair_balance.EITHER
    assert (drawn <= held).all()
    np.testing.assert_array_equal(drawn[:, pair_balance.PLUS], drawn[:, pair_balance.MINUS])
    assert abs(answered[1] - answered[-1]) <= 1
    assert abs(free[1] - free[-1]) <= 1
    either, alone = held[:, 0], held[:, 1:].min(axis=1)
    balanced = either + 2 * alone
    assert sampled.drops[pair_balance.SURPLUS] == (held.sum(axis=1) - balanced).sum()
    totals = balanced_quotas(balanced[1:], balanced[1:].sum() if wanted < 0 else wanted)
    totals = np.array([min(zero, balanced[0]), *totals])
    lost = totals - drawn.sum(axis=1)  # the odd one, where no pair has either answer
    assert (lost == (totals % 2) * (either == 0)).all()
    share = totals * either / np.maximum(balanced, 1)
    assert (abs(drawn[:, 0] - share) <= 2).all()  # kinds in proportion
    # Every pair in range is drawn, or counted as left out.
    excluded = sum(np.count_nonzero((bins[s] >= 0) & (kinds[s] < 0)) for s in bins)
    assert sampled.drops[pair_balance.TOO_SMALL] == excluded
    if wanted < 0:
        assert sampled.drops[UNFILLED] == zero - totals[0] + lost.sum()


def test_kinds_are_what_the_two_orders_can_answer():
    one, other = np.array([(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)]).T
    expected = [{(): -1, (1,): 1, (-1,): 2, (-1, 1): 0}[tuple(sorted({a, b} - {0}))]
                for a, b in zip(one.tolist(), other.tolist(), strict=True)]  # fmt: skip
    assert pair_balance.kinds_of(one, other).tolist() == expected
