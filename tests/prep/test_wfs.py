from __future__ import annotations

import numpy as np
import pytest

from prep.wfs import resample_blocks, water_fill_closed, water_fill_loop
from tests import reference as slow


def _probabilities(n_classes, seed):
    p = np.random.default_rng(seed).random(n_classes) ** 3
    return p / p.sum()


def test_water_by_hand():
    # the two small ones rise to (1 + 0.15 + 0.05) / 2 = 0.6, which stays below 0.8
    np.testing.assert_allclose(water_fill_closed(np.array([0.8, 0.15, 0.05])), [0, 0.45, 0.55])
    # all three rise to 2 / 3
    filled = water_fill_closed(np.array([0.5, 0.3, 0.2]))
    np.testing.assert_allclose(filled, [1 / 6, 11 / 30, 7 / 15])


@pytest.mark.parametrize("n_classes", [1, 2, 13, 16])
def test_closed_form_equals_bisection(n_classes):
    for seed in range(20):
        p = _probabilities(n_classes, seed)
        sp = water_fill_closed(p)
        np.testing.assert_allclose(sp, slow.water_level_by_bisection(p), atol=1e-12)
        assert sp.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("n_classes", [13, 16])
def test_loop_differs_from_the_closed_form_by_less_than_a_step(n_classes):
    for seed in range(4):
        p = _probabilities(n_classes, seed)
        sp = water_fill_loop(p, 1e-4)
        assert np.abs(sp - water_fill_closed(p)).max() < 1e-4
        assert sp.sum() == pytest.approx(1, abs=1e-9)


def test_no_class_above_twice_the_mean_fills_all_to_twice_the_mean():
    p = np.full(13, 1 / 13) + np.linspace(-0.02, 0.02, 13)
    np.testing.assert_allclose(water_fill_closed(p), 2 / 13 - p, atol=1e-15)


def test_floating_loop_takes_one_step_more():
    # regression: 0.0001 added 10,000 times stays below 1
    p = _probabilities(13, 1)
    expected, steps = slow.algorithm_1(p, 1e-4)
    assert steps == 10_001
    literal = water_fill_loop(p, 1e-4, count_steps=False)
    np.testing.assert_allclose(literal, expected, atol=1e-12)
    assert literal.sum() == pytest.approx(1.0001, abs=1e-12)
    assert water_fill_loop(p, 1e-4).sum() == pytest.approx(1, abs=1e-12)


def test_first_of_equals_is_filled_first():
    np.testing.assert_allclose(water_fill_loop(np.full(3, 1 / 3), 0.25), [0.5, 0.25, 0.25])


def test_the_probabilities_given_are_kept():
    p = _probabilities(5, 3)
    kept = p.copy()
    water_fill_loop(p, 1e-2)
    water_fill_closed(p)
    np.testing.assert_array_equal(p, kept)


def test_a_step_outside_its_range_is_refused():
    for delta in (0.0, -0.1, 1.5):
        with pytest.raises(ValueError, match="delta"):
            water_fill_loop(np.ones(2) / 2, delta)


def test_blocks_by_hand():
    # category 0 in all four blocks, 1 in one of them, 2 (100 points, not more) in none
    counts = np.array([[200, 101, 100], [200, 0, 0], [200, 0, 0], [200, 0, 0]])
    result = resample_blocks(counts, threshold=100, seed=1, delta=0.0)
    np.testing.assert_array_equal(result.vb, [4, 1, 0])
    np.testing.assert_allclose(result.op, [0.8, 0.2, 0])
    np.testing.assert_allclose(result.sp, [0.2, 0.8, 0])
    # 0.2 * 4 = 0.8 -> one of four blocks; 0.8 * 4 = 3.2 -> block 0 three times
    assert result.blocks.dtype == np.int64 and result.blocks.size == 4
    np.testing.assert_array_equal(result.blocks[1:], [0, 0, 0])


def test_copies_of_all_then_a_rest_without_replacement():
    counts = np.zeros((20, 2), np.int64)
    counts[:, 0] = 500
    counts[:3, 1] = 500
    result = resample_blocks(counts, threshold=0, seed=3, delta=0.0)
    rare = result.blocks[-round(result.sp[1] * 20) :]
    repeats = np.bincount(rare, minlength=20)
    assert not repeats[3:].any()
    assert repeats[:3].max() - repeats[:3].min() <= 1
    common = result.blocks[: -rare.size]
    assert np.unique(common).size == common.size


@pytest.mark.parametrize("rounding", ["nearest", "largest_remainder"])
@pytest.mark.parametrize("delta", [0.0, 1e-3])
def test_numbers_drawn_follow_the_probabilities(rounding, delta):
    rng = np.random.default_rng(4)
    counts = (rng.random((157, 13)) < _probabilities(13, 5) * 3) * 1000
    result = resample_blocks(counts, threshold=100, seed=4, delta=delta, rounding=rounding)
    share = result.sp * 157
    if rounding == "nearest":
        assert result.blocks.size == np.rint(share).sum()
    else:
        assert result.blocks.size == 157
    assert result.op.sum() == pytest.approx(1)
    assert result.sp.sum() == pytest.approx(1)


def test_draw_depends_on_the_seed_alone():
    counts = (np.random.default_rng(6).random((200, 5)) < [0.9, 0.9, 0.2, 0.1, 0.5]) * 300
    first = resample_blocks(counts, threshold=100, seed=1, delta=0.0)
    again = resample_blocks(counts, threshold=100, seed=1, delta=0.0)
    other = resample_blocks(counts, threshold=100, seed=2, delta=0.0)
    np.testing.assert_array_equal(first.blocks, again.blocks)
    assert not np.array_equal(first.blocks, other.blocks)


@pytest.mark.parametrize("shape", [(0, 4), (5, 4), (3, 0)])
def test_no_block_belongs_to_any_category(shape):
    result = resample_blocks(np.zeros(shape, np.int32), threshold=0, seed=1)
    assert result.blocks.size == 0 and not result.op.any() and not result.sp.any()
    assert result.op.shape == result.sp.shape == result.vb.shape == (shape[1],)


def test_a_single_category_gets_all_the_water():
    result = resample_blocks(np.array([[500, 0], [0, 0]]), threshold=100, seed=1, delta=0.0)
    np.testing.assert_array_equal(result.sp, [1, 0])
    np.testing.assert_array_equal(result.blocks, [0, 0])
