"""Reproducible draws: the sample of each block, and how many points of each class it holds.

The generator is splitmix64 (Steele, Lea and Flood 2014), one stream per (seed, stream number),
so a block's sample depends on nothing but its own points. Bounded draws are unbiased (Lemire
2019). Arithmetic modulo 2^64 is done in 32-bit halves: no operation overflows, so that compiled
and interpreted runs agree without a warning.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


def draw_samples(
    kept: NDArray[np.int64],
    start: NDArray[np.int64],
    member: NDArray[np.int64],
    source: NDArray[np.int64],
    *,
    n_points: int,
    with_replacement: bool,
    seed: int,
) -> NDArray[np.uint32]:
    """Draw ``n_points`` points of each block.

    With replacement, as the reference (ASIS ``sample_data``) draws: a block of exactly
    ``n_points`` points is kept in the order of the source; a larger one gives independent uniform
    draws; a smaller one gives all its points in the order of the source, then random duplicates.
    Without replacement: distinct points in random order; a block with too few points repeats, no
    point more than once more often than another.

    Parameters
    ----------
    kept, start, member : int64 (b,), (b + 1,), (m,)
        From :func:`prep.kernels.blocks.cut_blocks`; ``kept`` numbers the random streams.
    source : int64 (n,)
        Row of each point in its source (all distinct).
    n_points : int
        Size of a sample.
    with_replacement : bool
        Draw as the published code does.
    seed : int
        Seed of the scene, in [0, 2^64).

    Returns
    -------
    uint32 (b, n_points)
        Rows of the scene.

    Raises
    ------
    ValueError
        A block has no points.
    """
    if kept.size and np.diff(start).min() < 1:
        raise ValueError("a block without points cannot be sampled")
    sample = np.empty((kept.size, n_points), np.uint32)
    if with_replacement:
        _draw_repeating(kept, start, member, source, np.uint64(seed), sample)
    else:
        _draw_distinct(kept, start, member, np.uint64(seed), sample)
    return sample


def choose(n: int, k: int, *, seed: int, stream: int) -> NDArray[np.int64]:
    """Return ``k`` distinct numbers of 0..n-1 in random order, ``k <= n``.

    Parameters
    ----------
    n, k : int
        How many there are, and how many to take.
    seed, stream : int
        Together they name the random stream; both in [0, 2^64).
    """
    if not 0 <= k <= n:
        raise ValueError(f"cannot choose {k} of {n}")
    return _choose(n, k, np.uint64(seed), np.uint64(stream))


@njit(cache=True, nogil=True)
def count_classes(
    sample: NDArray[np.uint32], semantic: NDArray[np.int16], n_classes: int
) -> NDArray[np.int32]:
    """Count the points of each class in each sample.

    Parameters
    ----------
    sample : uint32 (b, n_points)
        Rows of the scene.
    semantic : int16 (n,)
        Class of each point, -1 unlabelled (not counted).
    n_classes : int
        C; classes from C on are not counted either.

    Returns
    -------
    int32 (b, C)
    """
    count = np.zeros((sample.shape[0], n_classes), np.int32)
    for b in range(sample.shape[0]):
        for k in range(sample.shape[1]):
            c = semantic[sample[b, k]]
            if c >= 0 and c < n_classes:
                count[b, c] += 1
    return count


@njit(cache=True, nogil=True)
def _add(a: np.uint64, b: np.uint64) -> np.uint64:
    """Return ``a + b`` modulo 2^64."""
    half, bits = np.uint64(0xFFFFFFFF), np.uint64(32)
    low = (a & half) + (b & half)
    high = (a >> bits) + (b >> bits) + (low >> bits)
    return ((high & half) << bits) | (low & half)


@njit(cache=True, nogil=True)
def _multiply(a: np.uint64, b: np.uint64) -> np.uint64:
    """Return ``a * b`` modulo 2^64."""
    half, bits = np.uint64(0xFFFFFFFF), np.uint64(32)
    low = (a & half) * (b & half)
    cross = ((a >> bits) * (b & half) & half) + ((a & half) * (b >> bits) & half)
    return _add(low, (cross & half) << bits)


@njit(cache=True, nogil=True)
def _mix(z: np.uint64) -> np.uint64:
    """Scramble 64 bits, one to one: the output function of splitmix64."""
    z = _multiply(z ^ (z >> np.uint64(30)), np.uint64(0xBF58476D1CE4E5B9))
    z = _multiply(z ^ (z >> np.uint64(27)), np.uint64(0x94D049BB133111EB))
    return z ^ (z >> np.uint64(31))


@njit(cache=True, nogil=True)
def _stream_state(seed: np.uint64, stream: np.uint64) -> np.uint64:
    """First state of a stream; distinct for all streams of a seed."""
    return _mix(_add(_mix(_add(seed, np.uint64(0x9E3779B97F4A7C15))), stream))


@njit(cache=True, nogil=True)
def _below(state: np.uint64, n: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return the next state and a uniform number of 0..n-1, both uint64; ``1 <= n < 2^32``."""
    half, bits = np.uint64(0xFFFFFFFF), np.uint64(32)
    state = _add(state, np.uint64(0x9E3779B97F4A7C15))
    product = (_mix(state) >> bits) * n
    if product & half < n:
        uneven = (np.uint64(0x100000000) - n) % n
        while product & half < uneven:
            state = _add(state, np.uint64(0x9E3779B97F4A7C15))
            product = (_mix(state) >> bits) * n
    return state, product >> bits


@njit(cache=True, nogil=True)
def _draw_repeating(
    kept: NDArray[np.int64],
    start: NDArray[np.int64],
    member: NDArray[np.int64],
    source: NDArray[np.int64],
    seed: np.uint64,
    sample: NDArray[np.uint32],
) -> None:
    n_points = sample.shape[1]
    for b in range(kept.size):
        first = start[b]
        n = start[b + 1] - first
        filled = 0
        if n <= n_points:
            rank = np.argsort(source[member[first : first + n]])
            for k in range(n):
                sample[b, k] = member[first + rank[k]]
            filled = n
        state = _stream_state(seed, np.uint64(kept[b]))
        for k in range(filled, n_points):
            state, pick = _below(state, np.uint64(n))
            sample[b, k] = member[first + np.int64(pick)]


@njit(cache=True, nogil=True)
def _draw_distinct(
    kept: NDArray[np.int64],
    start: NDArray[np.int64],
    member: NDArray[np.int64],
    seed: np.uint64,
    sample: NDArray[np.uint32],
) -> None:
    n_points = sample.shape[1]
    largest = 0
    for b in range(kept.size):
        largest = max(largest, start[b + 1] - start[b])
    scratch = np.empty(largest, np.int64)
    for b in range(kept.size):
        n = start[b + 1] - start[b]
        for k in range(n):
            scratch[k] = member[start[b] + k]
        state = _stream_state(seed, np.uint64(kept[b]))
        for k in range(n_points):
            turn = k % n
            state, pick = _below(state, np.uint64(n - turn))
            other = turn + np.int64(pick)
            taken = scratch[other]
            scratch[other] = scratch[turn]
            scratch[turn] = taken
            sample[b, k] = taken


@njit(cache=True, nogil=True)
def _choose(n: int, k: int, seed: np.uint64, stream: np.uint64) -> NDArray[np.int64]:
    scratch = np.arange(n)
    state = _stream_state(seed, stream)
    for i in range(k):
        state, pick = _below(state, np.uint64(n - i))
        other = i + np.int64(pick)
        taken = scratch[other]
        scratch[other] = scratch[i]
        scratch[i] = taken
    return scratch[:k].copy()
