"""Block merging: the published code's answers, hand-worked blocks, and the slow twins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from models.merging import (
    compact_ids,
    drop_small,
    instance_classes,
    mean_instance_size,
    merge_blocks_paper,
)
from models.merging_full import FullMerging, merge_blocks_full
from tests import reference_scores

GOLDEN = Path(__file__).parents[1] / "golden" / "block_merging_asis.npz"


@pytest.mark.parametrize("room", [10, 11])
def test_equals_the_published_code(room):
    with np.load(GOLDEN) as golden:
        coord, cluster, semantic, merged, final = (
            golden[f"{name}{room}"] for name in ("coord", "cluster", "semantic", "merged", "final")
        )
        mean_size = golden["mean_size"]
    found = merge_blocks_paper(coord, cluster, semantic)
    assert_array_equal(found, merged)
    assert_array_equal(drop_small(found, semantic.reshape(-1), mean_size), final)


def _block(*runs):
    """Return coordinates, clusters and classes of a block: runs of (x, cluster, class, points)."""
    x = np.concatenate([np.full(n, at) for at, _, _, n in runs])
    coord = np.stack([x, np.zeros_like(x), np.zeros_like(x)], axis=1)
    return coord, *(
        np.concatenate([np.full(run[3], run[k]) for run in runs]).astype(np.int64) for k in (1, 2)
    )


def _merge(*blocks, **options):
    coord, cluster, semantic = zip(*(_block(*runs) for runs in blocks), strict=True)
    return merge_blocks_paper(np.stack(coord), np.stack(cluster), np.stack(semantic), **options)


def test_thirty_points_make_an_instance_and_seven_shared_ones_join():
    found = _merge([(0.0, 0, 2, 30), (0.5, 1, 2, 30)], [(0.5, 0, 2, 7), (0.8, 0, 2, 53)])
    assert_array_equal(found, [0] * 30 + [1] * 30 + [1] * 60)


def test_six_shared_points_do_not_join_a_large_cluster():
    found = _merge([(0.0, 0, 2, 60)], [(0.0, 0, 2, 6), (0.8, 0, 2, 54)])
    assert_array_equal(found, [0] * 60 + [0] * 6 + [1] * 54)


def test_another_class_does_not_join():
    found = _merge([(0.0, 0, 2, 60)], [(0.0, 0, 3, 50), (0.8, 0, 3, 10)])
    assert_array_equal(found, [0] * 110 + [1] * 10)


def test_small_cluster_without_overlap_joins_instance_0_of_any_class():
    found = _merge([(0.0, 0, 2, 31), (0.5, 1, 3, 29)])
    assert_array_equal(found, [0] * 60)


def test_first_cluster_owns_the_cell_and_class_is_the_smallest_mode():
    coord, cluster, semantic = _block((0.1, 0, 5, 30), (0.1, 1, 4, 30))
    semantic[:15] = 1  # 15 points of class 1, 15 of class 5: class 1
    found = merge_blocks_paper(coord[None], cluster[None], semantic[None])
    assert_array_equal(found, np.zeros(60))


def test_ids_from_300_on_are_never_joined():
    coord = np.zeros((302, 40, 3))
    coord[:, :, 0] = (np.arange(302) % 200 + 0.5)[:, None] / 200
    coord[:, :, 1] = (np.arange(302) // 200 + 0.5)[:, None] / 200
    coord[301] = coord[300]  # shares all its cells with instance 300, with new cells beside
    coord[301, 30:, 2] = 0.9
    zeros = np.zeros((302, 40), np.int64)
    found = merge_blocks_paper(coord, zeros, zeros).reshape(302, 40)
    assert_array_equal(found[:301], np.repeat(np.arange(301), 40).reshape(301, 40))
    assert_array_equal(found[301], [300] * 30 + [301] * 10)
    coord[301, :30] = coord[299, :30]  # the same beside instance 299 joins it
    found = merge_blocks_paper(coord, zeros, zeros).reshape(302, 40)
    assert_array_equal(found[301], [299] * 40)


def test_more_than_a_hundred_clusters_in_a_block():
    x = np.repeat((np.arange(150) + 0.5) / 200, 40)
    coord = np.stack([x, x * 0, x * 0], axis=1)[None]
    cluster = np.repeat(np.arange(150), 40)[None]
    found = merge_blocks_paper(coord, cluster, np.zeros_like(cluster))
    assert_array_equal(found, cluster[0])


def test_ids_wrap_like_uint8_on_request():
    x = np.repeat((np.arange(200) + 0.5) / 200, 40)
    coord = np.stack([x, x * 0, x * 0], axis=1)
    coord = np.stack([coord, coord + np.array([0, 0.5, 0])])
    cluster = np.stack([np.repeat(np.arange(200), 40)] * 2)
    found = merge_blocks_paper(coord, cluster, np.zeros_like(cluster), wrap_uint8=True)
    assert_array_equal(found, np.repeat(np.arange(400) % 256, 40))
    assert_array_equal(drop_small(np.array([0, 0, 1]), np.zeros(3, int), [4.0], wrap_uint8=True),
                       [0, 0, 255])  # fmt: skip


def test_points_of_no_cluster_neither_vote_nor_write():
    found = _merge([(0.0, -1, 2, 30), (0.5, 0, 2, 30)], [(0.5, -1, 2, 30), (0.0, -1, 2, 30)])
    assert_array_equal(found, [-1] * 30 + [0] * 60 + [-1] * 30)


def test_a_fine_grid_gives_what_the_dense_one_gives():
    rng = np.random.default_rng(0)
    coord = rng.integers(0, 5, (6, 50, 3)) / 5
    cluster, semantic = rng.integers(0, 3, (6, 50)), rng.integers(0, 2, (6, 50))
    assert_array_equal(
        merge_blocks_paper(coord, cluster, semantic, gap=1e-3),
        merge_blocks_paper(coord, cluster, semantic, gap=5e-3),
    )


@pytest.mark.parametrize("bad", [-0.01, 1.01, np.nan])
def test_coordinates_outside_the_room_are_refused(bad):
    with pytest.raises(ValueError, match=r"coordinates in 0\.\.1"):
        _merge([(bad, 0, 0, 3)])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 5), st.integers(2, 12))
def test_paper_merging_equals_its_twin(seed, n_blocks, n_clusters, side):
    rng = np.random.default_rng(seed)
    coord = rng.integers(0, side, (n_blocks, 80, 3)) / side
    coord[..., 2] = 0
    cluster, semantic = (rng.integers(0, k, (n_blocks, 80)) for k in (n_clusters, 2))
    semantic = np.minimum(semantic, cluster % 2)
    found = merge_blocks_paper(coord, cluster, semantic)
    twin = reference_scores.merge_blocks_paper(coord.tolist(), cluster.tolist(), semantic.tolist())
    assert_array_equal(found, twin)
    size = rng.integers(1, 300, 2)
    assert_array_equal(
        drop_small(found, semantic.reshape(-1), size),
        reference_scores.drop_small(twin, semantic.reshape(-1).tolist(), size.tolist()),
    )


def test_filter_is_strict_and_renumbers():
    instance = np.array([7, 7, 7, 3, 3, 9, -1, 9, 9])
    semantic = np.array([1, 1, 0, 0, 0, 1, 0, 0, 1])
    found = drop_small(instance, semantic, np.array([8.0, 8.0]))  # more than 2 points stay
    assert_array_equal(found, [0, 0, 0, -1, -1, 1, -1, 1, 1])
    assert_array_equal(drop_small(instance, semantic, np.array([0.0, np.nan])) >= 0, instance == 3)
    assert drop_small(np.zeros(0, int), np.zeros(0, int), np.ones(2)).shape == (0,)


def test_instance_classes_and_compact_ids():
    ids, counts, classes = instance_classes(
        np.array([5, 5, 2, 2, -1, 8]), np.array([3, 1, 0, -1, 2, -1])
    )
    assert_array_equal(ids, [-1, 2, 5, 8])
    assert_array_equal(counts, [1, 2, 2, 1])
    assert_array_equal(classes, [2, 0, 1, -1])
    for values in ([3, 10**12, 3], [-5, 2, -5], [], [0, 4, 4]):
        want = np.unique(np.array(values, np.int64), return_inverse=True)
        for a, b in zip(compact_ids(np.array(values, np.int64)), want, strict=True):
            assert_array_equal(a, b)


def test_mean_instance_size_truncates_and_names_absent_classes():
    rooms = [(np.array([[1, 1, 1], [2, 2, -1]]), np.array([[0, 0, 2], [0, 0, 0]])),
             (np.array([[4, 4]]), np.array([[2, 2]]))]  # fmt: skip
    assert_array_equal(mean_instance_size(rooms, 3), [2, np.nan, 2])  # (3 + 2) / 2 = 2.5 -> 2
    assert_array_equal(mean_instance_size(rooms, 3, missing=0.0), [2, 0, 2])


def _full(blocks, n_points, **options):
    """Merge blocks of (point indices, clusters, class), padded to one length, on a line."""
    width = max(len(p) for p, _, _ in blocks)
    point = np.full((len(blocks), width), -1)
    cluster, semantic = np.zeros_like(point), np.zeros_like(point)
    for b, (p, c, s) in enumerate(blocks):
        point[b, : len(p)], cluster[b, : len(p)], semantic[b, : len(p)] = p, c, s
    xyz = np.zeros((*point.shape, 3))
    xyz[..., 0] = point * 0.02
    return merge_blocks_full(xyz, point, cluster, semantic, n_points, FullMerging(**options))


def test_full_joins_across_blocks_and_answers_each_point_once():
    found = _full([(np.arange(50), 0, 1), (np.arange(30, 90), 0, 1)], 100)
    assert_array_equal(found, [0] * 90 + [-1] * 10)


def test_full_small_cluster_without_overlap_stays_alone():
    found = _full([(np.arange(60), [0] * 50 + [1] * 10, 1), (np.arange(80, 83), 0, 1)], 83)
    assert_array_equal(found, [0] * 50 + [1] * 10 + [-1] * 20 + [2] * 3)


def test_full_other_class_does_not_join():
    found = _full([(np.arange(50), 0, 1), (np.arange(30, 90), 0, 2)], 90)
    assert_array_equal(found, [0] * 50 + [1] * 40)  # one vote each at 30..49: the older instance


def test_full_bridge_unites_two_ends_that_no_block_told_apart():
    found = _full([(np.arange(50), 0, 1), (np.arange(70, 120), 0, 1), (np.arange(20, 100), 0, 1)],
                  120)  # fmt: skip
    assert_array_equal(found, np.zeros(120))


def test_full_bridge_does_not_unite_what_a_block_told_apart():
    apart = [0] * 60 + [1] * 60
    found = _full([(np.arange(120), apart, 1), (np.arange(20, 110), 0, 1),
                   (np.arange(120), apart, 1)], 120)  # fmt: skip
    assert_array_equal(found, apart)


def test_full_majority_of_blocks_decides_and_ties_go_to_the_older():
    whole = np.arange(100)
    halves = np.repeat([0, 1], 50)
    shifted = np.repeat([0, 1], [60, 40])
    found = _full([(whole, halves, 1), (whole, shifted, 1), (whole, shifted, 1)], 100)
    assert_array_equal(found, shifted)
    assert_array_equal(_full([(whole, halves, 1), (whole, shifted, 1)], 100), shifted)


def test_full_repeated_points_vote_once():
    point = np.concatenate([np.arange(100), np.zeros(300, int)])
    cluster = np.concatenate([np.repeat([0, 1], 50), np.ones(300, int)])
    assert_array_equal(_full([(point, cluster, 1)], 100), np.repeat([0, 1], 50))


def test_full_more_than_300_instances_keep_their_ids():
    blocks = [(np.arange(k * 20, k * 20 + 10), 0, 1) for k in range(400)]
    found = _full(blocks + blocks, 8000)
    assert_array_equal(np.unique(found), np.arange(-1, 400))


def test_full_empty_and_bad_input():
    assert_array_equal(_full([(np.zeros(0, int), 0, 0)], 3), [-1] * 3)
    with pytest.raises(ValueError, match=r"points in 0\.\.2"):
        _full([(np.arange(5), 0, 0)], 3)
    with pytest.raises(ValueError, match="found"):
        merge_blocks_full(np.zeros((1, 2, 3)), *(np.zeros((1, 3), int),) * 3, 3)
    far = np.array([[[0, 0, 0], [1e9, 1e9, 1e9]]])
    with pytest.raises(ValueError, match="larger voxel_m"):
        merge_blocks_full(far, np.array([[0, 1]]), *(np.zeros((1, 2), int),) * 2, 2)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 100_000), st.integers(1, 7), st.integers(1, 5))
def test_full_merging_equals_its_twin(seed, n_blocks, n_clusters):
    rng = np.random.default_rng(seed)
    n_points, width = 60, 50
    scene = rng.integers(0, 12, (n_points, 3)) * [0.05, 0.05, 0] + 0.01
    point = rng.integers(-1, n_points, (n_blocks, width))
    truth = (scene[:, 0] / 0.2).astype(int)
    cluster = np.where(rng.random(point.shape) < 0.8, truth[point], 0) % n_clusters
    cluster[rng.random(point.shape) < 0.05] = -1
    semantic = (cluster % 2).clip(0)
    xyz = scene[point]
    found = merge_blocks_full(xyz, point, cluster, semantic, n_points)
    twin = reference_scores.merge_blocks_full(
        xyz.tolist(), point.tolist(), cluster.tolist(), semantic.tolist(), n_points
    )
    assert_array_equal(found, twin)


def test_full_names_of_clusters_in_a_block_do_not_matter():
    rng = np.random.default_rng(4)
    point = np.stack([rng.permutation(80)[:60] for _ in range(4)])
    cluster = point // 20
    xyz = np.stack([point * 0.02, point * 0, point * 0], axis=-1)
    zeros = np.zeros_like(point)
    a = merge_blocks_full(xyz, point, cluster, zeros, 80)
    b = merge_blocks_full(xyz, point, 7 - 2 * cluster, zeros, 80)
    pairs = set(zip(a.tolist(), b.tolist(), strict=True))
    assert len(pairs) == len(set(a.tolist())) == len(set(b.tolist()))
