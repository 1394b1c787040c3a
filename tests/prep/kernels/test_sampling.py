from __future__ import annotations

import numpy as np
import pytest
from numba import config

from prep.kernels import sampling
from prep.kernels.sampling import choose, count_classes, draw_samples
from tests import reference as slow

SEED = 0xFEDCBA9876543210


def _blocks(*sizes):
    """Blocks over consecutive rows, with a shuffled source order."""
    start = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    member = np.arange(start[-1], dtype=np.int64)
    source = np.random.default_rng(1).permutation(int(start[-1])).astype(np.int64)
    return np.arange(len(sizes), dtype=np.int64), start, member, source


def _draw(kept, start, member, source, n_points, with_replacement, seed=SEED):
    return draw_samples(
        kept,
        start,
        member,
        source,
        n_points=n_points,
        with_replacement=with_replacement,
        seed=seed,
    )


def test_splitmix64_gives_its_published_numbers():
    # first outputs for the state 1234567 (Rosetta Code, "Pseudo-random numbers/Splitmix64")
    state, outputs = np.uint64(1234567), []
    for _ in range(3):
        state = np.uint64(sampling._add(state, np.uint64(0x9E3779B97F4A7C15)))
        outputs.append(int(sampling._mix(state)))
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@pytest.mark.parametrize("n", [1, 2, 7, 1000, 3 << 30, (1 << 32) - 1])
def test_bounded_draws_equal_big_integers(n):
    stream = slow.Stream(SEED, 5)
    state = sampling._stream_state(np.uint64(SEED), np.uint64(5))
    for _ in range(50):
        # compiled code hands back Python's integers
        state, pick = sampling._below(np.uint64(state), np.uint64(n))
        assert int(pick) == stream.below(n)
        assert int(state) == stream.state


def test_with_replacement_by_hand():
    kept = np.array([0], np.int64)
    start, member = np.array([0, 3], np.int64), np.array([4, 6, 7], np.int64)
    source = np.array([0, 1, 2, 3, 30, 5, 10, 20], np.int64)
    # as many as wanted: as they are, in the order of the source
    np.testing.assert_array_equal(_draw(kept, start, member, source, 3, True), [[6, 7, 4]])
    # too few: all of them in that order, then duplicates
    short = _draw(kept, start, member, source, 8, True)[0]
    np.testing.assert_array_equal(short[:3], [6, 7, 4])
    assert set(short[3:]) <= {4, 6, 7}


@pytest.mark.parametrize("with_replacement", [True, False])
def test_equals_the_twin(with_replacement):
    kept, start, member, source = _blocks(1, 5, 16, 17, 40, 300)
    kept = kept * 3 + 2  # streams are numbered by corner, not by position
    sample = _draw(kept, start, member, source, 16, with_replacement)
    assert sample.dtype == np.uint32
    for b in range(kept.size):
        rows = list(range(start[b], start[b + 1]))
        if with_replacement:
            expected = slow.sample_repeating(rows, source, 16, SEED, int(kept[b]))
        else:
            expected = slow.sample_distinct(rows, 16, SEED, int(kept[b]))
        np.testing.assert_array_equal(sample[b], expected)


def test_without_replacement_repeats_only_where_it_must():
    kept, start, member, source = _blocks(3, 16, 16, 200)
    sample = _draw(kept, start, member, source, 16, False)
    assert sorted(np.bincount(sample[0], minlength=3)) == [5, 5, 6]
    for b in (1, 2, 3):
        assert np.unique(sample[b]).size == 16
    assert (np.diff(sample[1].astype(int)) < 0).any()  # random order


def test_with_replacement_repeats_although_there_are_enough():
    # regression in reverse: the published numbers come from np.random.choice's default
    kept, start, member, source = _blocks(200)
    assert np.unique(_draw(kept, start, member, source, 150, True)).size < 140


def test_a_block_depends_on_nothing_but_seed_corner_and_points():
    kept, start, member, source = _blocks(30, 50, 20)
    for with_replacement in (True, False):
        together = _draw(kept, start, member, source, 12, with_replacement)
        alone = _draw(kept[1:2], start[1:3], member, source, 12, with_replacement)
        np.testing.assert_array_equal(together[1], alone[0])
        other_seed = _draw(kept, start, member, source, 12, with_replacement, seed=7)
        assert not np.array_equal(together, other_seed)
        other_corner = _draw(kept + 1, start, member, source, 12, with_replacement)
        assert not np.array_equal(together, other_corner)


@pytest.mark.parametrize("with_replacement", [True, False])
def test_every_point_is_as_likely(with_replacement):
    n_blocks = 300 if config.DISABLE_JIT else 20_000
    kept, start = np.arange(n_blocks), np.arange(n_blocks + 1) * 10
    member = np.tile(np.arange(10), n_blocks)
    sample = _draw(kept, start, member, np.arange(10), 4, with_replacement)
    for column in sample.T:  # each place of the sample
        count = np.bincount(column, minlength=10)
        chi2 = ((count - n_blocks / 10) ** 2 / (n_blocks / 10)).sum()
        assert chi2 < 27.9  # 99.9 % of chi-square with 9 degrees of freedom


def test_no_block_and_an_empty_block():
    none = np.zeros(0, np.int64)
    assert _draw(none, np.zeros(1, np.int64), none, none, 4, True).shape == (0, 4)
    with pytest.raises(ValueError, match="without points"):
        _draw(np.zeros(1, np.int64), np.zeros(2, np.int64), none, none, 4, True)


def test_choose_takes_distinct_numbers():
    chosen = choose(20, 8, seed=SEED, stream=3)
    np.testing.assert_array_equal(chosen, slow.Stream(SEED, 3).shuffled(range(20), 8)[:8])
    assert np.unique(chosen).size == 8
    np.testing.assert_array_equal(np.sort(choose(6, 6, seed=1, stream=0)), np.arange(6))
    # stores must not change with a version of numpy or numba
    assert choose(10, 10, seed=1, stream=2).tolist() == [8, 9, 4, 1, 7, 6, 2, 5, 3, 0]
    assert choose(0, 0, seed=1, stream=0).size == 0
    with pytest.raises(ValueError, match="cannot choose 3 of 2"):
        choose(2, 3, seed=1, stream=0)


def test_classes_are_counted_with_repetitions_and_without_unlabelled():
    semantic = np.array([2, -1, 0, 5], np.int16)
    sample = np.array([[0, 0, 1, 2], [3, 3, 3, 2]], np.uint32)
    count = count_classes(sample, semantic, 3)
    assert count.dtype == np.int32
    np.testing.assert_array_equal(count, [[1, 0, 2], [1, 0, 0]])
    assert count_classes(sample[:0], semantic, 3).shape == (0, 3)
