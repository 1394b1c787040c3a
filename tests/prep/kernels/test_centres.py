from __future__ import annotations

import numpy as np
import pytest

from prep.kernels.centres import instance_table, region_table
from tests import reference as slow


def _labels(semantic, instance):
    return np.array(semantic, np.int16), np.array(instance, np.int32)


def _check(coord, semantic, instance):
    table = instance_table(coord, semantic, instance)
    expected = slow.instances_one_by_one(coord, semantic, instance)
    assert table.class_id.tolist() == [row[1] for row in expected]
    assert table.size.tolist() == [row[2] for row in expected]
    for k, (_, _, _, centre, low, high) in enumerate(expected):
        np.testing.assert_allclose(table.centre[k], centre, rtol=1e-12, atol=1e-12)
        np.testing.assert_array_equal(table.box[k], [low, high])
    regions = region_table(table.class_id, table.centre)
    wanted = slow.regions_one_by_one(coord, semantic, instance)
    assert regions.class_id.tolist() == [row[0] for row in wanted]
    assert regions.instances.tolist() == [row[1] for row in wanted]
    for k, (_, _, centre) in enumerate(wanted):
        np.testing.assert_allclose(regions.centre[k], centre, rtol=1e-12, atol=1e-12)
    return table, regions


def test_two_chairs_by_hand():
    coord = np.array([[0, 0, 0], [2, 0, 0], [4, 0, 0], [10, 0, 0], [5, 5, 5]], np.float32)
    semantic, instance = _labels([8, 8, 8, 8, 1], [3, 3, 3, 7, -1])
    table, regions = _check(coord, semantic, instance)
    np.testing.assert_array_equal(table.class_id, [8, 8])
    np.testing.assert_array_equal(table.size, [3, 1])
    np.testing.assert_array_equal(table.centre, [[2, 0, 0], [10, 0, 0]])
    np.testing.assert_array_equal(table.box[0], [[0, 0, 0], [4, 0, 0]])
    # each chair counts once, however large: (2 + 10) / 2, not the mean of the points
    np.testing.assert_array_equal(regions.centre, [[6, 0, 0]])
    np.testing.assert_array_equal(regions.instances, [2])


def test_class_of_most_points_and_the_smallest_of_equals():
    coord = np.zeros((7, 3), np.float32)
    semantic, instance = _labels([5, 2, 2, 5, -1, -1, 4], [0, 0, 0, 0, 1, 1, 2])
    table, regions = _check(coord, semantic, instance)
    # instance 1 has no labelled point: no class, no region
    np.testing.assert_array_equal(table.class_id, [2, -1, 4])
    np.testing.assert_array_equal(regions.class_id, [2, 4])


@pytest.mark.parametrize("factor", [1, 1000, 40_000_000])
def test_equals_one_by_one(factor):
    rng = np.random.default_rng(1)
    coord = (rng.random((500, 3)) * 9).astype(np.float32)
    semantic, instance = _labels(rng.integers(-1, 6, 500), rng.integers(-1, 40, 500))
    instance[instance > 0] *= factor  # ids need not be dense
    _check(coord, semantic, instance)


def test_more_than_255_instances_stay_apart():
    # regression: the reference stores ids as uint8, which wrap
    instance = np.arange(600, dtype=np.int32)
    coord = np.stack([instance] * 3, axis=1).astype(np.float32)
    table = instance_table(coord, np.zeros(600, np.int16), instance)
    np.testing.assert_array_equal(table.size, np.ones(600))
    np.testing.assert_array_equal(table.centre[:, 0], instance)


def test_order_of_the_points_does_not_matter():
    rng = np.random.default_rng(2)
    coord = np.round(rng.random((200, 3)) * 64).astype(np.float32)  # whole: sums are exact
    semantic, instance = _labels(rng.integers(0, 4, 200), rng.integers(0, 9, 200))
    shuffle = rng.permutation(200)
    straight = instance_table(coord, semantic, instance)
    shuffled = instance_table(coord[shuffle], semantic[shuffle], instance[shuffle])
    for a, b in zip(straight, shuffled, strict=True):
        np.testing.assert_array_equal(a, b)


def test_centres_of_many_far_points_keep_float64():
    coord = np.full((5000, 3), 1000.1, np.float32)
    table = instance_table(coord, np.zeros(5000, np.int16), np.zeros(5000, np.int32))
    np.testing.assert_allclose(table.centre[0], np.float64(coord[0]), rtol=1e-13)


@pytest.mark.parametrize("n", [0, 3])
def test_nothing_labelled(n):
    coord = np.zeros((n, 3), np.float32)
    table = instance_table(coord, np.full(n, -1, np.int16), np.full(n, -1, np.int32))
    assert [a.shape for a in table] == [(0,), (0,), (0, 3), (0, 2, 3)]
    regions = region_table(table.class_id, table.centre)
    assert [a.shape for a in regions] == [(0,), (0,), (0, 3)]
