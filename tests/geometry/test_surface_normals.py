"""Normals of surfaces from scattered points: of planes, and of nothing at edges and in the air."""

import numpy as np
import pytest

from spatial_engine.utils.geometry.surface_normals import (
    FLAT_SHARE,
    _normals_of,
    surface_normals,
)


def plane(rng, normal, side, count, noise=0.0) -> np.ndarray:
    axes = np.linalg.svd(np.asarray(normal, float)[None])[2]
    places = rng.uniform(-side / 2, side / 2, (count, 2)) @ axes[1:]
    return places + rng.normal(0, noise, count)[:, None] * axes[0] + (3.0, -20.0, 7.0)


@pytest.mark.parametrize("normal", [(0, 0, 1), (1, 0, 0), (1, 1, 0), (1, -2, 3)])
@pytest.mark.parametrize(("count", "noise"), [(80, 0.0), (2_000, 0.0), (20_000, 0.003)])
def test_points_of_a_plane_have_its_normal(normal, count, noise):
    points = plane(np.random.default_rng(0), normal, 2.0, count, noise)
    found = surface_normals(points)
    known = np.isfinite(found[:, 0])
    assert known.mean() > (0.6 if count > 80 else 0.3)
    np.testing.assert_allclose(np.linalg.norm(found[known], axis=1), 1)
    cosine = np.abs(found[known] @ normal) / np.linalg.norm(normal)
    assert np.quantile(cosine, 0.05) > np.cos(np.deg2rad(6))


def test_points_at_an_edge_and_in_a_cloud_have_none():
    rng = np.random.default_rng(1)
    floor, wall = (
        np.column_stack([rng.uniform(0, 2, (30_000, 2)), np.zeros(30_000)]) for _ in "12"
    )
    wall = wall[:, [0, 2, 1]]  # stands on the floor along y = 0
    found = surface_normals(np.vstack([floor, wall]))
    away = np.concatenate([floor[:, 1], wall[:, 2]])  # from the edge
    inner = np.concatenate([floor[:, 0], wall[:, 0]])
    inner = (inner > 0.2) & (inner < 1.8)
    assert np.isnan(found[(away < 0.03) & inner]).all()
    assert np.isfinite(found[(away > 0.3) & (away < 1.7) & inner]).all()
    assert np.isnan(surface_normals(rng.uniform(0, 1, (5_000, 3)))).all()


def test_too_few_points_points_on_a_line_and_broken_ones_have_none():
    line = np.column_stack([np.linspace(0, 1, 500), np.zeros(500), np.zeros(500)])
    for points in (np.zeros((0, 3)), np.zeros((1, 3)), np.zeros((50, 3)), line):
        assert np.isnan(surface_normals(points)).all()
        assert surface_normals(points).shape == points.shape
    flat = plane(np.random.default_rng(2), (0, 0, 1), 1.0, 3_000)
    broken = np.vstack([flat, np.full((2, 3), np.nan), np.full((1, 3), np.inf)])
    np.testing.assert_array_equal(surface_normals(broken)[:3_000], surface_normals(flat))
    assert np.isnan(surface_normals(broken)[3_000:]).all()


def test_normals_do_not_depend_on_the_order_of_points():
    rng = np.random.default_rng(3)
    points = plane(rng, (1, 2, 2), 1.5, 4_000, 0.003)
    order = rng.permutation(4_000)
    found, shuffled = surface_normals(points), surface_normals(points[order])
    np.testing.assert_array_equal(np.isnan(found[order]), np.isnan(shuffled))
    cosine = (found[order] * shuffled).sum(axis=1)
    np.testing.assert_allclose(np.abs(cosine[np.isfinite(cosine)]), 1)


def test_the_formula_gives_the_eigenvectors_of_all_that_is_flat():
    """Plates, edges, lines, balls and single points, turned at random, thin ones among them."""
    rng = np.random.default_rng(4)
    sides = np.concatenate(
        [
            rng.random((3_000, 3)) ** 3,
            np.column_stack([np.zeros(500), rng.random((500, 2))]),  # no thickness at all
            np.column_stack([np.zeros((200, 2)), rng.random(200)]),  # lines
            np.repeat(rng.random((200, 1)), 3, axis=1),  # balls
            np.zeros((5, 3)),
        ]
    )
    turns = np.linalg.qr(rng.normal(size=(len(sides), 3, 3)))[0]
    spread = turns * sides[:, None] @ np.swapaxes(turns, 1, 2)
    found = _normals_of(
        spread[:, [0, 1, 2], [0, 1, 2]].T.copy(), spread[:, [1, 0, 0], [2, 2, 1]].T.copy()
    ).T
    values, vectors = np.linalg.eigh(spread)
    least = FLAT_SHARE * values.sum(axis=1)
    flat = (values[:, 0] <= least) & (values[:, 1] > least)
    assert 600 < np.count_nonzero(flat) < len(flat) - 600
    np.testing.assert_array_equal(np.isfinite(found).all(axis=1), flat)
    np.testing.assert_array_equal(np.isnan(found).all(axis=1), ~flat)
    np.testing.assert_allclose(np.linalg.norm(found[flat], axis=1), 1)
    cosine = np.abs((found * vectors[:, :, 0]).sum(axis=1))
    np.testing.assert_allclose(cosine[flat], 1, atol=1e-9)
