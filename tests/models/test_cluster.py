"""Mean shift against scikit-learn's, label for label."""

from __future__ import annotations

import os
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.cluster import MeanShift
from sklearn.neighbors import KDTree

from models.cluster import bin_seeds, mean_shift
from models.kd_tree import _select, build_kd_tree
from models.mean_shift import sum_pairwise
from tests import reference_scores

NO_JIT = os.environ.get("NUMBA_DISABLE_JIT") == "1"
LARGE = 130 if NO_JIT else 400


def _tight(rng, n, d):
    centres = rng.normal(size=(8, d)) * 2
    return centres[rng.integers(0, 8, n)] + rng.normal(size=(n, d)) * 0.1


SHAPES = {
    "tight": _tight,
    "loose": lambda rng, n, d: rng.uniform(-1.5, 1.5, (n, d)),
    "dense": lambda rng, n, d: rng.normal(size=(n, d)) * 0.6,
    "duplicates": lambda rng, n, d: rng.uniform(-1, 1, (n // 5 + 1, d))[
        rng.integers(0, n // 5 + 1, n)
    ],
    "grid": lambda rng, n, d: rng.integers(-4, 5, (n, d)) * 0.1,
    "all_same": lambda rng, n, d: np.tile(rng.normal(size=(1, d)), (n, 1)),
    "far_away": lambda rng, n, d: rng.normal(size=(n, d)) * 0.3 + 100,
}


def assert_same_as_sklearn(points, bandwidth):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "Binning data failed": points as seeds, as wanted
        theirs = MeanShift(bandwidth=bandwidth, bin_seeding=True).fit(points)
    ours = mean_shift(points, bandwidth)
    assert_array_equal(ours.labels, theirs.labels_)
    assert_array_equal(ours.centres, theirs.cluster_centers_)


def test_two_pairs_on_a_line_worked_by_hand():
    # bins at 0 and 5: means 0.1 and 5.1, two points each, the higher centre comes first
    result = mean_shift(np.array([[0.0], [0.2], [5.0], [5.2]]), 1.0)
    assert_array_equal(result.labels, [1, 1, 0, 0])
    assert_array_equal(result.centres, [[5.1], [0.1]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_labels_and_centres_equal_sklearns(shape, dtype):
    rng = np.random.default_rng(7)
    for n in (13, 100, LARGE):
        for d in (1, 2, 5) if n < LARGE else (5,):
            assert_same_as_sklearn(SHAPES[shape](rng, n, d).astype(dtype), 0.6)


@pytest.mark.parametrize("n", [1, 2, 5, 11])
def test_few_points_without_a_tree(n):
    rng = np.random.default_rng(n)
    for d in (1, 3):
        assert_same_as_sklearn(rng.normal(size=(n, d)), 0.6)


def test_more_than_fifteen_dimensions_have_no_tree():
    assert_same_as_sklearn(np.random.default_rng(0).normal(size=(40, 17)) * 0.1, 0.6)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-16, 16), st.integers(-16, 16)), min_size=12, max_size=60),
    st.sampled_from([0.25, 0.5, 1.0, 2.0]),
)
def test_points_at_the_very_rim_equal_sklearns(cells, bandwidth):
    assert_same_as_sklearn(np.array(cells) * 0.125, bandwidth)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(1, 4))
def test_equals_the_plain_twin(seed, n, d):
    points = np.random.default_rng(seed).uniform(-1, 1, (n, d))
    if d < 4:  # in four dimensions a seed may be a bandwidth from its points
        assert_array_equal(mean_shift(points, 0.5).labels, reference_scores.mean_shift(points, 0.5))


def test_order_of_points_does_not_matter():
    rng = np.random.default_rng(3)
    points, turn = _tight(rng, 200, 5), rng.permutation(200)
    assert_array_equal(mean_shift(points, 0.6).labels[turn], mean_shift(points[turn], 0.6).labels)


def test_seeds_out_of_reach_of_all_points_fall_back_to_the_points():
    points = np.repeat(np.full((1, 6), 0.45), 3, axis=0)  # 0.45 * sqrt(6) > 1 from its bin at 0
    with pytest.raises(ValueError, match="No point was within"):
        MeanShift(bandwidth=1.0, bin_seeding=True).fit(points)
    result = mean_shift(points, 1.0)
    assert_array_equal(result.labels, [0, 0, 0])
    np.testing.assert_allclose(result.centres, points[:1])


def test_cap_keeps_the_largest_and_labels_all():
    points = np.concatenate([np.zeros((5, 2)), np.full((4, 2), 3.0), np.full((3, 2), 9.0)])
    result = mean_shift(points, 0.5, max_clusters=2)
    assert_array_equal(result.labels, [0] * 5 + [1] * 7)


def test_a_cut_short_climb_equals_sklearns():
    points = np.random.default_rng(5).normal(size=(200, 2))
    for max_iter in (0, 1, 3):
        theirs = MeanShift(bandwidth=0.6, bin_seeding=True, max_iter=max_iter).fit(points)
        assert_array_equal(mean_shift(points, 0.6, max_iter=max_iter).labels, theirs.labels_)


def test_no_points_no_clusters():
    assert mean_shift(np.zeros((0, 5)), 0.6).labels.shape == (0,)


@pytest.mark.parametrize(
    ("points", "options", "text"),
    [
        (np.array([[0.0], [np.nan]]), {}, "NaN or infinity in 1 of 2"),
        (np.zeros(3), {}, "shape"),
        (np.zeros((3, 2)), {"bandwidth": 0.0}, "bandwidth > 0"),
        (np.zeros((3, 2)), {"max_clusters": 0}, "max_clusters >= 1"),
    ],
)
def test_bad_input_is_named(points, options, text):
    with pytest.raises(ValueError, match=text):
        mean_shift(points, **({"bandwidth": 0.6} | options))


def test_bins_round_half_to_even():
    assert_array_equal(bin_seeds(np.array([[0.5], [1.5], [0.4], [2.5]]), 1.0), [[0.0], [2.0]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tree_has_the_order_and_boxes_of_sklearns(dtype):
    rng = np.random.default_rng(2)
    for n in (12, 61, 62, 200, 1500):
        points = rng.normal(size=(n, 3)).astype(dtype)
        points[::3] = points[0]
        points[:, 0] = np.minimum(np.arange(n), n - np.arange(n))
        tree = build_kd_tree(points, neighbours=5)
        _, order, _, bounds = KDTree(points, leaf_size=30).get_arrays()
        assert_array_equal(tree.order, order)
        assert_array_equal(np.stack([tree.lower, tree.upper]), bounds)


def test_selection_by_heap_after_bad_pivots_has_sklearns_order():
    # an adversary's input: every median of three is among the smallest that are left
    head = [21, 1, 60, 3, 60, 5, 60, 7, 60, 9, 60, 11, 60, 13, 60, 15, 60, 17, 60, 19, 29, 27, 30,
            26, 28, 24, 25, 22, 23, 20, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18]  # fmt: skip
    killer = np.array(head + [60] * 20, np.float64)
    index = np.arange(60)
    _select(killer, index, 0, 30, 60)
    assert index[30] == np.lexsort((np.arange(60), killer))[30]
    assert_array_equal(index, KDTree(killer[:, None], leaf_size=24).get_arrays()[1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_round_as_numpys_in_one_dimension(dtype):
    rng = np.random.default_rng(0)
    for n in (1, 7, 8, 9, 127, 128, 129, 136, 257, 1000, 9000):
        values = rng.normal(size=n).astype(dtype)
        assert sum_pairwise(values, n) == np.add.reduce(values[:, None], axis=0)[0]
