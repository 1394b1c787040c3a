from __future__ import annotations

import numpy as np
import pytest

from prep.association import association_maps
from prep.folds import SceneStatistics, fold_sides, reduce_fold
from prep.recipe import Recipe
from prep.wfs import water_fill_closed

RECIPE = Recipe(wfs_threshold=2, wfs_delta=0.0, msa_radii_m=(0.2,))


def _scene(blocks, instances=(), sums=None, counts=None, levels=1, classes=2):
    """Statistics of one scene; ``instances`` are rows (level, class, points, sampled)."""
    rows = np.array(instances, np.int64).reshape(-1, 4)
    return SceneStatistics(
        blocks=np.array(blocks, np.int32).reshape(-1, levels, classes),
        instance_level=rows[:, 0].astype(np.int32),
        instance_class=rows[:, 1].astype(np.int32),
        instance_points=rows[:, 2],
        instance_sampled=rows[:, 3],
        sums=np.zeros((levels, 1, classes, classes)) if sums is None else np.array(sums, float),
        counts=np.zeros((levels, classes), np.int64) if counts is None else np.array(counts),
    )


def _reduce(scenes, train=None, n_classes=(2,), name="f", recipe=RECIPE):
    train = np.arange(len(scenes), dtype=np.int32) if train is None else np.array(train, np.int32)
    return reduce_fold(name, train, scenes, n_classes=n_classes, recipe=recipe)


def test_sides_by_group():
    sides, left_out = fold_sides(["a", "b", "a", "c"], {"a": ["a"], "bc": ["b", "c"]})
    assert list(sides) == ["a", "bc", "all"]
    np.testing.assert_array_equal(sides["a"][0], [1, 3])
    np.testing.assert_array_equal(sides["a"][1], [0, 2])
    np.testing.assert_array_equal(sides["bc"][0], [0, 2])
    np.testing.assert_array_equal(sides["all"][0], [0, 1, 2, 3])
    assert left_out == {}
    assert sides["a"][0].dtype == np.int32


def test_folds_without_a_side():
    sides, left_out = fold_sides(["a"], {"a": ["a"], "b": ["b"]})
    assert list(sides) == ["all"]
    assert left_out == {
        "a": "no training scene in this store",
        "b": "no test scene in this store",
    }
    sides, _ = fold_sides([], {})
    assert sides["all"][0].size == 0


def test_water_filling_worked_by_hand():
    # more than 2 points: class 0 in three blocks, class 1 in one; op = 3/4, 1/4; the level that
    # one unit fills to is 1, so sp = 1/4, 3/4: of four blocks one is drawn for class 0 and three
    # for class 1, all three the only block that has it
    scenes = [_scene([[3, 2], [9, 0]]), _scene([[2, 3], [4, 1]])]
    fold = _reduce(scenes, train=[5, 8])
    np.testing.assert_array_equal(fold.vb, [[3, 1]])
    np.testing.assert_array_equal(fold.op, [[0.75, 0.25]])
    np.testing.assert_allclose(fold.sp, [[0.25, 0.75]])
    assert fold.resampled.dtype == np.int32
    assert fold.resampled.shape == (4, 3)
    np.testing.assert_array_equal(fold.resampled[1:], [[0, 8, 0]] * 3)
    assert tuple(fold.resampled[0]) in {(0, 5, 0), (0, 5, 1), (0, 8, 1)}


def test_blocks_are_located_past_scenes_without_any():
    scenes = [_scene([]), _scene([[0, 0]]), _scene([]), _scene([[0, 9], [9, 9]]), _scene([])]
    fold = _reduce(scenes, train=[1, 2, 4, 7, 9])
    assert set(map(tuple, fold.resampled)) <= {(0, 7, 0), (0, 7, 1)}
    assert len(fold.resampled) == 3


def test_maps_are_the_mean_over_all_training_points():
    scenes = [
        _scene([], sums=[[[[3, 1], [1, 1]]]], counts=[[4, 2]]),
        _scene([], sums=[[[[1, 1], [0, 0]]]], counts=[[2, 0]]),
    ]
    fold = _reduce(scenes)
    np.testing.assert_allclose(fold.maps[0, 0], [[4 / 6, 2 / 6], [0.5, 0.5]])
    summed = scenes[0].sums[0] + scenes[1].sums[0]
    np.testing.assert_array_equal(fold.maps[0], association_maps(summed, np.array([6, 2])))


def test_sizes_and_weights_worked_by_hand():
    scenes = [
        _scene([], [(0, 0, 10, 4), (0, 0, 20, 0), (0, -1, 99, 99)], counts=[[30, 10]]),
        _scene([], [(0, 0, 30, 8)], counts=[[0, 0]]),
    ]
    fold = _reduce(scenes)
    np.testing.assert_array_equal(fold.instance_points, [[20, 0]])
    np.testing.assert_array_equal(fold.instance_size, [[6, 0]])
    # shares 3/4 and 1/4: inverses 4/3 and 4, mean 8/3
    np.testing.assert_allclose(fold.class_weight, [[0.5, 1.5]])


def test_an_absent_class_has_no_weight():
    fold = _reduce([_scene([], counts=[[7, 0]])])
    np.testing.assert_array_equal(fold.class_weight, [[1, 0]])


def test_levels_do_not_mix():
    scene = _scene(
        [[[9, 0, 0], [0, 0, 9]], [[0, 9, 0], [9, 0, 0]]],
        [(0, 1, 10, 10), (1, 2, 5, 5)],
        counts=[[1, 1, 0], [1, 0, 1]],
        levels=2,
        classes=3,
    )
    fold = _reduce([scene], n_classes=(2, 3))
    np.testing.assert_array_equal(fold.vb, [[1, 1, 0], [1, 0, 1]])
    np.testing.assert_array_equal(fold.instance_points, [[0, 10, 0], [0, 0, 5]])
    np.testing.assert_array_equal(fold.resampled[:, 0], [0, 0, 1, 1])
    np.testing.assert_array_equal(fold.sp[1, [0, 2]], water_fill_closed(np.array([0.5, 0.5])))
    assert not fold.class_weight[0, 2]


@pytest.mark.parametrize("scenes", [[], [_scene([])], [_scene([[0, 0]])]], ids=["0", "1", "blank"])
def test_nothing_to_learn_from(scenes):
    fold = _reduce(scenes)
    assert fold.resampled.shape == (0, 3)
    for array in vars(fold).values():
        assert not array.any()


def test_the_draw_depends_on_seed_and_fold_alone():
    rng = np.random.default_rng(0)
    scenes = [_scene(rng.integers(0, 6, (40, 1, 2))) for _ in range(3)]
    first = _reduce(scenes)
    np.testing.assert_array_equal(_reduce(scenes).resampled, first.resampled)
    np.testing.assert_array_equal(
        np.array([2, 4, 6])[first.resampled[:, 1]], _reduce(scenes, [2, 4, 6]).resampled[:, 1]
    )
    assert (_reduce(scenes, name="g").resampled != first.resampled).any()
    other = Recipe(wfs_threshold=2, wfs_delta=0.0, msa_radii_m=(0.2,), seed=1)
    assert (_reduce(scenes, recipe=other).resampled != first.resampled).any()
