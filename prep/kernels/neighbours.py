"""Farthest points, balls and nearest neighbours of one block.

The rules are those of the published TensorFlow operators (PointNet++, ASIS, JSNet): squared
Euclidean distances in float32, storage order inside a ball, the lowest index wins a tie. All
searches are exhaustive, in chunks of 64 points: the distances of a chunk are computed by a loop
that becomes vector instructions, and a chunk is looked into only when it can matter. A block has
a few thousand points, where this beats a grid.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F4 = NDArray[np.float32]
I4 = NDArray[np.int32]


@njit(cache=True, nogil=True)
def farthest_points(xyz: F4, k: int) -> I4:
    """Choose points one by one, each the farthest from all chosen before.

    Parameters
    ----------
    xyz : float32 (n, 3)
        Finite coordinates, metres; n at least 1.
    k : int
        Points to choose. Once every distinct position is taken, all distances are 0 and
        point 0 is chosen again and again.

    Returns
    -------
    int32 (k,)
        Indices; the first is 0, ties go to the lowest index.

    Raises
    ------
    ValueError
        There is no point to choose from.
    """
    n = xyz.shape[0]
    if n == 0 and k > 0:
        raise ValueError("farthest_points: no points to choose from")
    x, y, z = _chunked_columns(xyz)
    nearest = np.zeros(x.shape, np.float32)  # to any chosen point; 0 keeps padding out
    nearest.ravel()[:n] = np.inf
    # non-negative floats order as their bits do, and a maximum of integers is vectorised
    bits = nearest.view(np.int32)
    chosen = np.zeros(k, np.int32)
    last, lane = 0, 0
    for i in range(1, k):
        px, py, pz = x[last, lane], y[last, lane], z[last, lane]
        farthest = np.int32(-1)
        for c in range(x.shape[0]):
            xs, ys, zs, near, near_bits = x[c], y[c], z[c], nearest[c], bits[c]
            for j in range(64):
                dx, dy, dz = xs[j] - px, ys[j] - py, zs[j] - pz
                d = dx * dx + dy * dy + dz * dz
                near[j] = d if d < near[j] else near[j]
            top = np.int32(0)
            for j in range(64):
                top = near_bits[j] if near_bits[j] > top else top
            if top > farthest:
                farthest = top
                last = c
        lane = 0
        while bits[last, lane] != farthest:
            lane += 1
        chosen[i] = last * 64 + lane
    return chosen


@njit(cache=True, nogil=True)
def ball_query(source: F4, centres: F4, radius: float, n_samples: int) -> tuple[I4, I4]:
    """Find the first points of the source inside a ball about each centre.

    A point is inside when ``max(sqrt(d2), 1e-20) < radius``, all in float32.

    Parameters
    ----------
    source : float32 (n, 3)
    centres : float32 (k, 3)
        Metres.
    radius : float
        Metres.
    n_samples : int
        Points kept for each ball, at least 1: the first ones in storage order.

    Returns
    -------
    index : int32 (k, n_samples)
        Indices into the source, ascending; unused slots repeat the first hit. An empty ball
        (its centre is not a point of the source) has index 0 everywhere.
    count : int32 (k,)
        Distinct hits kept, at most n_samples; 0 for an empty ball.
    """
    k = centres.shape[0]
    x, y, z = _chunked_columns(source)
    limit = np.float32(radius)
    smallest = np.float32(1e-20)
    index = np.zeros((k, n_samples), np.int32)
    count = np.zeros(k, np.int32)
    distance = np.empty(64, np.float32)
    for i in range(k):
        px, py, pz = centres[i, 0], centres[i, 1], centres[i, 2]
        found = 0
        for c in range(x.shape[0]):
            xs, ys, zs = x[c], y[c], z[c]
            inside = np.int32(0)
            for j in range(64):
                dx, dy, dz = xs[j] - px, ys[j] - py, zs[j] - pz
                d = np.float32(np.sqrt(dx * dx + dy * dy + dz * dz))
                d = d if d > smallest else smallest
                distance[j] = d
                inside += np.int32(d < limit)
            if inside == 0:
                continue
            for j in range(64):
                if distance[j] < limit and found < n_samples:
                    index[i, found] = c * 64 + j
                    found += 1
            if found == n_samples:
                break
        count[i] = found
        for s in range(max(found, 1), n_samples):
            index[i, s] = index[i, 0]
    return index, count


@njit(cache=True, nogil=True)
def k_nearest(source: F4, query: F4, k: int) -> tuple[I4, F4]:
    """Find the k nearest points of the source for each query point.

    Parameters
    ----------
    source : float32 (n, 3)
        Metres; n at least 1.
    query : float32 (q, 3)
        Metres. A query that is a point of the source finds itself.
    k : int
        Neighbours, at least 1.

    Returns
    -------
    index : int32 (q, k)
        Sorted by (squared distance, index). Where the source has fewer than k points, the
        slots left over repeat the nearest one.
    squared : float32 (q, k)
        Squared distances, square metres; infinite in slots left over.

    Raises
    ------
    ValueError
        The source is empty.
    """
    n, q = source.shape[0], query.shape[0]
    if n == 0 and q > 0:
        raise ValueError("k_nearest: the source has no points")
    x, y, z = _chunked_columns(source)
    index = np.zeros((q, k), np.int32)
    squared = np.full((q, k), np.inf, np.float32)
    chunk = np.empty(64, np.float32)
    for i in range(q):
        px, py, pz = query[i, 0], query[i, 1], query[i, 2]
        worst = np.float32(np.inf)
        for c in range(x.shape[0]):
            xs, ys, zs = x[c], y[c], z[c]
            for j in range(64):
                dx, dy, dz = xs[j] - px, ys[j] - py, zs[j] - pz
                chunk[j] = dx * dx + dy * dy + dz * dz
            closer = np.int32(0)
            for j in range(64):
                closer += np.int32(chunk[j] < worst)
            if closer == 0:
                continue
            for j in range(64):
                d = chunk[j]
                if d < worst:
                    slot = k - 1
                    while slot > 0 and d < squared[i, slot - 1]:
                        squared[i, slot] = squared[i, slot - 1]
                        index[i, slot] = index[i, slot - 1]
                        slot -= 1
                    squared[i, slot] = d
                    index[i, slot] = c * 64 + j
                    worst = squared[i, k - 1]
        for s in range(min(n, k), k):
            index[i, s] = index[i, 0]
    return index, squared


@njit(cache=True, nogil=True)
def three_nearest(source: F4, query: F4) -> tuple[I4, F4]:
    """Find three neighbours of each query point and their interpolation weights.

    Weights fall with the *squared* distance, as in the published CPU operator:
    ``w = 1 / max(d2, 1e-10)``, divided by their sum.

    Parameters
    ----------
    source : float32 (n, 3)
        Coarse points, metres; n at least 1.
    query : float32 (q, 3)
        Fine points, metres.

    Returns
    -------
    index : int32 (q, 3)
        Sorted by (squared distance, index).
    weight : float32 (q, 3)
        Sums to 1 in each row; 0 where the source has no second or third point.
    """
    index, squared = k_nearest(source, query, 3)
    weight = np.empty(squared.shape, np.float32)
    one, smallest = np.float32(1.0), np.float32(1e-10)
    for i in range(squared.shape[0]):
        a = one / max(squared[i, 0], smallest)
        b = one / max(squared[i, 1], smallest)
        c = one / max(squared[i, 2], smallest)
        total = a + b + c
        weight[i, 0], weight[i, 1], weight[i, 2] = a / total, b / total, c / total
    return index, weight


@njit(cache=True, nogil=True)
def _chunked_columns(xyz: F4) -> tuple[F4, F4, F4]:
    """Copy each coordinate into rows of 64; padding lies infinitely far away."""
    n = xyz.shape[0]
    rows = (n + 63) // 64
    x = np.full((rows, 64), np.inf, np.float32)
    y = np.full((rows, 64), np.inf, np.float32)
    z = np.full((rows, 64), np.inf, np.float32)
    for i in range(n):
        x[i // 64, i % 64] = xyz[i, 0]
        y[i // 64, i % 64] = xyz[i, 1]
        z[i // 64, i % 64] = xyz[i, 2]
    return x, y, z
