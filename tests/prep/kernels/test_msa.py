from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numba import config
from scipy.spatial import cKDTree

from prep.kernels.msa import LEAF, neighbour_counts, neighbour_sums
from tests import reference as slow

N = 150 if config.DISABLE_JIT else 1200
RADII = np.array([0.2, 0.3, 0.5])


def _cloud(kind, n=N, seed=1):
    rng = np.random.default_rng(seed)
    coord = rng.random((n, 3)) * [2.0, 1.5, 1.0]
    if kind == "lattice":  # ties at exactly the radii
        coord = np.round(coord * 10) / 10
    elif kind == "millimetres":
        coord = np.round(coord, 3)
    elif kind == "surfaces":
        coord[: n // 2, 2] = 0.0
        coord[n // 2 :, 0] = 0.3
    label = rng.integers(-1, 6, n).astype(np.int16)
    label[label == 3] = 4  # class 3 is absent
    return coord.astype(np.float32), label


def test_four_points_by_hand():
    coord = np.array([[0, 0, 0], [0.5, 0, 0], [0, 1, 0], [0, 0, 0.1]], np.float32)
    label = np.array([0, 1, 1, -1], np.int16)
    counts = neighbour_counts(coord, label, 2, np.array([0.5, 1.0]))
    # exactly at the radius is inside; the unlabelled point neither asks nor counts
    np.testing.assert_array_equal(counts[:, 0], [[1, 1], [1, 1], [0, 1], [0, 0]])
    np.testing.assert_array_equal(counts[:, 1], [[1, 2], [1, 1], [1, 1], [0, 0]])
    sums, n = neighbour_sums(coord, label, 2, np.array([0.5, 1.0]))
    np.testing.assert_array_equal(n, [1, 2])
    np.testing.assert_allclose(sums[0], [[1 / 2, 1 / 2], [1 / 2, 3 / 2]], rtol=1e-12)
    np.testing.assert_allclose(sums[1], [[1 / 3, 2 / 3], [1, 1]], rtol=1e-12)


@pytest.mark.parametrize("kind", ["random", "lattice", "millimetres", "surfaces"])
def test_counts_and_sums_equal_all_pairs(kind):
    coord, label = _cloud(kind)
    counts = neighbour_counts(coord, label, 6, RADII)
    assert counts.dtype == np.int32
    np.testing.assert_array_equal(counts, slow.ball_counts(coord, label, 6, RADII))
    sums, n = neighbour_sums(coord, label, 6, RADII)
    np.testing.assert_allclose(sums, slow.ball_sums(coord, label, 6, RADII), rtol=0, atol=1e-10)
    np.testing.assert_array_equal(n, np.bincount(label[label >= 0], minlength=6))
    np.testing.assert_allclose(sums.sum(axis=2), np.broadcast_to(n, (3, 6)), rtol=1e-12)


@pytest.mark.parametrize("kind", ["random", "lattice", "millimetres"])
def test_counts_equal_scipys_tree(kind):
    coord, label = _cloud(kind, seed=2)
    counts = neighbour_counts(coord, label, 6, RADII)
    labelled = np.flatnonzero(label >= 0)
    tree = cKDTree(coord[labelled].astype(np.float64))
    for r, radius in enumerate(RADII):
        found = tree.query_ball_point(coord[labelled].astype(np.float64), radius)
        expected = [np.bincount(label[labelled[rows]], minlength=6) for rows in found]
        np.testing.assert_array_equal(counts[labelled, r], expected)


@pytest.mark.parametrize("n", [1, LEAF - 1, LEAF, LEAF + 1, 2 * LEAF, 3 * LEAF + 1])
def test_sizes_around_whole_leaves(n):
    coord, _ = _cloud("random", n)
    label = np.zeros(n, np.int16)
    np.testing.assert_array_equal(
        neighbour_counts(coord, label, 1, RADII), slow.ball_counts(coord, label, 1, RADII)
    )


def test_points_in_one_place_are_all_neighbours():
    n = 4 * LEAF
    coord, label = np.full((n, 3), 0.7, np.float32), np.arange(n, dtype=np.int16) % 2
    assert (neighbour_counts(coord, label, 2, RADII) == n // 2).all()


def test_sums_do_not_depend_on_the_order_of_the_points():
    coord, label = _cloud("millimetres")
    shuffle = np.random.default_rng(3).permutation(len(label))
    sums, _ = neighbour_sums(coord, label, 6, RADII)
    shuffled, _ = neighbour_sums(coord[shuffle], label[shuffle], 6, RADII)
    np.testing.assert_array_equal(sums, shuffled)


def test_translation_changes_nothing():
    coord, label = _cloud("lattice")
    coord = np.round(coord * 8) / 8  # eighths: exact in float32, also after the shift
    moved = coord + np.array([16.0, -32.0, 64.0], np.float32)
    np.testing.assert_array_equal(
        neighbour_counts(coord, label, 6, RADII), neighbour_counts(moved, label, 6, RADII)
    )


def test_each_radius_alone_gives_the_same():
    coord, label = _cloud("random")
    together, _ = neighbour_sums(coord, label, 6, RADII)
    for r in range(3):
        alone, _ = neighbour_sums(coord, label, 6, RADII[r : r + 1])
        np.testing.assert_array_equal(alone[0], together[r])


def test_no_point_and_no_label():
    nothing = np.zeros((0, 3), np.float32)
    sums, n = neighbour_sums(nothing, np.zeros(0, np.int16), 4, RADII)
    assert sums.shape == (3, 4, 4) and not sums.any() and not n.any()
    coord, label = _cloud("random", 10)
    sums, n = neighbour_sums(coord, np.full_like(label, -1), 4, RADII)
    assert not sums.any() and not n.any()


def test_a_class_beyond_the_last_is_refused():
    coord, label = _cloud("random", 10)
    with pytest.raises(ValueError, match="class 9 of 6"):
        neighbour_sums(coord, np.full_like(label, 9), 6, RADII)


@pytest.mark.skipif(
    "JOINTCLOUD_REAL_DATA" not in os.environ, reason="JOINTCLOUD_REAL_DATA is not set"
)
@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="480,470 points are too many without the JIT")
def test_real_office_equals_scipys_tree():
    room = np.load(Path(os.environ["JOINTCLOUD_REAL_DATA"]) / "s3dis_room" / "room.npz")
    coord, label = room["xyz"], room["sem"].astype(np.int16)
    counts = neighbour_counts(coord, label, 13, RADII)
    some = np.random.default_rng(4).choice(len(coord), 150, replace=False)
    tree = cKDTree(coord.astype(np.float64))
    for r, radius in enumerate(RADII):
        found = tree.query_ball_point(coord[some].astype(np.float64), radius)
        expected = [np.bincount(label[rows], minlength=13) for rows in found]
        np.testing.assert_array_equal(counts[some, r], expected)
