"""Mean shift with a flat kernel, label for label what scikit-learn 1.9 answers, only faster.

``MeanShift(bandwidth, bin_seeding=True)`` is what ASIS, JSNet and JSPNet cluster embeddings with
(bandwidth 0.6, Euclidean). Departures, none of which changes a label:

* A mean that another seed has visited is not followed again: from equal means equal paths follow.
* The loop runs compiled, over the tree of :mod:`models.kd_tree`, which adds points in the order of
  scikit-learn's tree; the comparisons at the rim of a ball are scikit-learn's, box by box.

Where scikit-learn raises because no seed has a point in reach (sparse points in many dimensions),
the points themselves become the seeds. Up to 11 points, scikit-learn expands ‖a−b‖² into
a² − 2ab + b²; here the difference is squared, so a point at the very rim, within rounding, may
fall on the other side there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.kd_tree import Floats, KdTree, build_kd_tree

_STOP_FRACTION = 1e-3  # of the bandwidth: a shorter step ends a climb
_BALL_NEIGHBOURS = 5  # NearestNeighbors' default, which decides whether it builds a tree


@dataclass(frozen=True)
class Clusters:
    """What :func:`mean_shift` found.

    Attributes
    ----------
    labels : int32 (n,)
        Cluster of each point, 0..k−1.
    centres : float (k, d)
        Modes of the density, by falling number of points in their ball.
    """

    labels: NDArray[np.int32]
    centres: Floats


def mean_shift(
    points: NDArray[Any],
    bandwidth: float,
    *,
    max_iter: int = 300,
    max_clusters: int | None = None,
) -> Clusters:
    """Cluster points as ``sklearn.cluster.MeanShift(bandwidth, bin_seeding=True)`` does.

    Parameters
    ----------
    points : float32 or float64 (n, d)
        Embeddings; float32 is summed in float32, as scikit-learn does.
    bandwidth : float
        Radius of the flat kernel, > 0, inclusive, in the units of ``points``.
    max_iter : int
        A climb ends after this many steps beyond the first at the latest.
    max_clusters : int, optional
        Keep only so many of the largest modes; every point still goes to its nearest kept one.

    Returns
    -------
    Clusters
        No points give no clusters.

    Raises
    ------
    ValueError
        If ``points`` is not (n, d) with d >= 1, holds NaN or infinity, or an option is senseless.
    """
    points = np.asarray(points)
    points = np.ascontiguousarray(points, np.float32 if points.dtype == np.float32 else np.float64)
    bandwidth = float(bandwidth)
    _check(points, bandwidth, max_iter, max_clusters)
    if not len(points):
        return Clusters(np.zeros(0, np.int32), points.copy())
    tree = build_kd_tree(points, neighbours=_BALL_NEIGHBOURS)
    means, counts = _climb_all(bin_seeds(points, bandwidth), points, tree, bandwidth, max_iter)
    if not counts.any():
        means, counts = _climb_all(points, points, tree, bandwidth, max_iter)
    centres = _strongest(means, counts)
    around = build_kd_tree(centres, neighbours=_BALL_NEIGHBOURS)
    kept = _suppress(centres, *_ball_arguments(around, bandwidth))
    centres = centres[kept][:max_clusters]
    near = build_kd_tree(centres, neighbours=1)
    labels = _nearest(points, near.order, near.column, near.first, near.last, near.lower,
                      near.upper, near.plain)  # fmt: skip
    return Clusters(labels, centres)


def bin_seeds(points: Floats, bandwidth: float) -> Floats:
    """Return the corners of the grid of side ``bandwidth`` that are nearest to some point.

    In the order in which the points first meet them, rounded to float32 as scikit-learn does;
    the points themselves when no two share a corner. Shape (seeds, d), dtype of ``points``.
    """
    corner = np.round(points / points.dtype.type(bandwidth)) + points.dtype.type(0)  # -0.0 to 0.0
    _, first = np.unique(corner, axis=0, return_index=True)
    if len(first) == len(points):
        return points
    corner = corner[np.sort(first)].astype(np.float32)
    return (corner * np.float32(bandwidth)).astype(points.dtype)


def _check(points: Floats, bandwidth: float, max_iter: int, max_clusters: int | None) -> None:
    if points.ndim != 2 or points.shape[1] == 0:
        raise ValueError(f"mean shift wants points of shape (n, d), found {points.shape}")
    bad = ~np.isfinite(points).all(axis=1)
    if bad.any():
        raise ValueError(
            f"mean shift wants finite points, found NaN or infinity in {bad.sum()} of {len(points)}"
            f" (first: point {int(bad.argmax())})"
        )
    if not (np.isfinite(bandwidth) and bandwidth > 0):
        raise ValueError(f"mean shift wants a bandwidth > 0, found {bandwidth}")
    if max_iter < 0 or (max_clusters is not None and max_clusters < 1):
        raise ValueError(
            f"mean shift wants max_iter >= 0 and max_clusters >= 1, found {max_iter}, {max_clusters}"
        )


def _ball_arguments(tree: KdTree, radius: float) -> tuple[Any, ...]:
    """Return what the kernels need to search balls: arrays, radius, squared radius, exponents."""
    # without a tree scikit-learn squares the radius in the dtype of the points
    squared = float(np.square(tree.row.dtype.type(radius))) if tree.plain else radius * radius
    return (tree.order, tree.column, tree.row, tree.first, tree.last, tree.lower, tree.upper,
            tree.plain, radius, squared, 2.0, 0.5)  # fmt: skip


def _climb_all(
    seeds: Floats, points: Floats, tree: KdTree, bandwidth: float, max_iter: int
) -> tuple[Floats, NDArray[np.int64]]:
    stop = float(points.dtype.type(_STOP_FRACTION * bandwidth))
    return _climb(seeds, stop, max_iter, *_ball_arguments(tree, bandwidth))


def _strongest(means: Floats, counts: NDArray[np.int64]) -> Floats:
    """Return the distinct means by falling (count, coordinates).

    Of equal means the last seed's count stands.
    """
    found = np.flatnonzero(counts)[::-1]
    centres, last = np.unique(means[found] + means.dtype.type(0), axis=0, return_index=True)
    strength = counts[found][last]
    return centres[np.argsort(strength, kind="stable")[::-1]]  # unique has sorted by coordinates


@njit(cache=True, nogil=True)
def _ball(centre, hits, distance, stack, order, column, row, first, last, lower, upper, plain,
          radius, squared, two, half):  # fmt: skip
    """Write the tree positions within ``radius`` of ``centre`` to ``hits``, ascending; count them.

    A box is skipped or taken whole by the distances of its nearest and farthest corner. These are
    compared squared; within rounding of the radius they are computed with ``pow``, as scikit-learn
    does (``two`` and ``half`` are arguments so that the compiler cannot simplify it).
    """
    dims = centre.size
    near, far = squared * (1.0 - 1e-12), squared * (1.0 + 1e-12)
    count = 0
    stack[0] = 0
    depth = 1
    while depth > 0:
        depth -= 1
        node = stack[depth]
        start, stop = first[node], last[node]
        if not plain:
            least, most = 0.0, 0.0
            for j in range(dims):
                below = lower[node, j] - centre[j]
                above = centre[j] - upper[node, j]
                gap = max(below, above, 0.0)
                least += gap * gap
                reach = max(abs(below), abs(above))
                most += reach * reach
            if least > far:
                continue
            if near < least or near < most < far:
                least, most = 0.0, 0.0
                for j in range(dims):
                    below = lower[node, j] - centre[j]
                    above = centre[j] - upper[node, j]
                    least += max(below, above, 0.0) ** two
                    most += max(abs(below), abs(above)) ** two
                if least**half > radius:
                    continue
                inside = most**half <= radius
            else:
                inside = most <= near
            if inside:
                for p in range(start, stop):
                    hits[count] = p
                    count += 1
                continue
            if 2 * node + 1 < first.size:
                stack[depth] = 2 * node + 2
                stack[depth + 1] = 2 * node + 1
                depth += 2
                continue
        size = stop - start
        for i in range(size):
            gap = column[0, start + i] - centre[0]
            distance[i] = gap * gap
        for j in range(1, dims):
            for i in range(size):
                gap = column[j, start + i] - centre[j]
                distance[i] += gap * gap
        for i in range(size):
            hits[count] = start + i
            if distance[i] <= squared:
                count += 1
    return count


@njit(cache=True, nogil=True)
def _sum_run(value, first, count):
    """Sum at most 128 numbers as NumPy does: eight running sums, the rest one by one."""
    if count < 8:
        total = value.dtype.type(0)
        for i in range(first, first + count):
            total += value[i]
        return total
    s0, s1, s2, s3 = value[first], value[first + 1], value[first + 2], value[first + 3]
    s4, s5, s6, s7 = value[first + 4], value[first + 5], value[first + 6], value[first + 7]
    whole = count - count % 8
    for i in range(first + 8, first + whole, 8):
        s0 += value[i]
        s1 += value[i + 1]
        s2 += value[i + 2]
        s3 += value[i + 3]
        s4 += value[i + 4]
        s5 += value[i + 5]
        s6 += value[i + 6]
        s7 += value[i + 7]
    total = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))
    for i in range(first + whole, first + count):
        total += value[i]
    return total


@njit(cache=True, nogil=True)
def _sum_pairwise(value, count):
    """Sum ``value[:count]`` as NumPy sums one contiguous row: halves down to 128 numbers.

    A stack stands for the recursion, since Numba cannot cache a function that calls itself.
    """
    start, size = np.zeros(64, np.int64), np.zeros(64, np.int64)
    left, half_done = np.zeros(64, value.dtype), np.zeros(64, np.bool_)
    size[0] = count
    depth = 0
    while True:
        if size[depth] > 128:
            below = size[depth] // 2
            below -= below % 8
            half_done[depth] = False
            start[depth + 1], size[depth + 1] = start[depth], below
            depth += 1
            continue
        total = _sum_run(value, start[depth], size[depth])
        while depth > 0 and half_done[depth - 1]:
            depth -= 1
            total = left[depth] + total
        if depth == 0:
            return total
        depth -= 1
        left[depth], half_done[depth] = total, True
        below = size[depth] // 2
        below -= below % 8
        start[depth + 1], size[depth + 1] = start[depth] + below, size[depth] - below
        depth += 1


@njit(cache=True, nogil=True)
def _mean(hits, count, row, mean, gathered):
    """Average the rows ``hits[:count]`` into ``mean``, added as ``np.mean(axis=0)`` adds them."""
    dims = mean.size
    if dims == 1:
        for i in range(count):
            gathered[i] = row[hits[i], 0]
        mean[0] = _sum_pairwise(gathered, count) / count
        return
    zero = row.dtype.type(0)
    for block in range(0, dims, 8):
        s0, s1, s2, s3, s4, s5, s6, s7 = zero, zero, zero, zero, zero, zero, zero, zero
        for i in range(count):
            p = hits[i]
            s0 += row[p, block]
            s1 += row[p, block + 1]
            s2 += row[p, block + 2]
            s3 += row[p, block + 3]
            s4 += row[p, block + 4]
            s5 += row[p, block + 5]
            s6 += row[p, block + 6]
            s7 += row[p, block + 7]
        for j, total in enumerate((s0, s1, s2, s3, s4, s5, s6, s7)):
            if block + j < dims:
                mean[block + j] = total / count


@njit(cache=True, nogil=True)
def _slot(mean, table, state, wide):
    """Find the slot of ``mean`` in an open hash table of indices into ``state``, or a free one."""
    mask = table.size - 1
    code = np.int64(0)
    for j in range(mean.size):
        wide[j] = mean[j]
        bits = wide.view(np.int64)[j]
        code = (code >> 3) ^ (code << 5) ^ bits ^ (bits >> 32) ^ (bits >> 17)
    slot = code & mask
    while table[slot] >= 0:
        same = True
        for j in range(mean.size):
            if state[table[slot], j] != mean[j]:
                same = False
                break
        if same:
            return slot
        slot = (slot + 1) & mask
    return slot


@njit(cache=True, nogil=True)
def _climb(seeds, stop, max_iter, order, column, row, first, last, lower, upper, plain,
           radius, squared, two, half):  # fmt: skip
    """Move each seed to the mean of its ball until it rests.

    Returns the last mean of each seed and the number of points in the ball it is the mean of
    (0: none in reach).
    """
    n_seeds, dims = seeds.shape
    n = row.shape[0]
    means = np.zeros((n_seeds, dims), row.dtype)
    counts = np.zeros(n_seeds, np.int64)
    hits, stack = np.empty(n + 1, np.int64), np.empty(2 * first.size + 2, np.int64)
    distance, gathered = np.empty(n, np.float64), np.empty(n, row.dtype)
    # means visited so far: their coordinates, the seed that came by and the steps it had left
    room = 1024
    while room < 16 * n_seeds:
        room *= 2
    table = np.full(room, -1, np.int64)
    state = np.empty((room // 2, dims), row.dtype)
    owner, left = np.empty(room // 2, np.int64), np.empty(room // 2, np.int64)
    states = 0
    old, mean, wide = np.empty(dims, row.dtype), np.empty(dims, row.dtype), np.empty(dims)
    for s in range(n_seeds):
        mean[:] = seeds[s]
        path = states
        steps = 0
        while True:
            count = _ball(mean, hits, distance, stack, order, column, row, first, last, lower,
                          upper, plain, radius, squared, two, half)  # fmt: skip
            if count == 0:
                counts[s] = 0
                break
            old[:] = mean
            _mean(hits, count, row, mean, gathered)
            counts[s] = count
            shift = row.dtype.type(0)
            for j in range(dims):
                shift += (mean[j] - old[j]) * (mean[j] - old[j])
            if np.sqrt(shift) <= stop or steps == max_iter:
                break
            steps += 1
            slot = _slot(mean, table, state, wide)
            met = table[slot]
            if met >= 0 and met < path and steps + left[met] <= max_iter:
                mean[:] = means[owner[met]]
                counts[s] = counts[owner[met]]
                steps += left[met]
                break
            if met < 0 and states < owner.size:
                state[states] = mean
                owner[states] = s
                left[states] = steps
                table[slot] = states
                states += 1
        means[s] = mean
        for i in range(path, states):
            left[i] = steps - left[i]
        if steps == max_iter:  # cut short: others may get further
            for i in range(path, states):
                left[i] = max_iter + 1
    return means, counts


@njit(cache=True, nogil=True)
def _suppress(centres, order, column, row, first, last, lower, upper, plain,
              radius, squared, two, half):  # fmt: skip
    """Keep each centre, strongest first, that no kept one has in its ball."""
    n = centres.shape[0]
    kept = np.ones(n, np.bool_)
    hits, stack = np.empty(n + 1, np.int64), np.empty(2 * first.size + 2, np.int64)
    distance = np.empty(n, np.float64)
    for i in range(n):
        if kept[i]:
            count = _ball(centres[i], hits, distance, stack, order, column, row, first, last,
                          lower, upper, plain, radius, squared, two, half)  # fmt: skip
            for h in range(count):
                kept[order[hits[h]]] = False
            kept[i] = True
    return kept


@njit(cache=True, nogil=True)
def _gap(point, node, lower, upper):
    """Return the squared distance of a point from a box."""
    total = 0.0
    for j in range(point.size):
        gap = max(
            lower[node, j] - point[j], point[j] - upper[node, j], 0.0
        )
        total += gap * gap
    return total


@njit(cache=True, nogil=True)
def _nearest(points, order, column, first, last, lower, upper, plain):
    """Return the index of the centre nearest to each point; of equals the one met first.

    Boxes are visited nearer child first.
    """
    label = np.empty(points.shape[0], np.int32)
    stack, bound = np.empty(2 * first.size + 2, np.int64), np.empty(2 * first.size + 2, np.float64)
    for p in range(points.shape[0]):
        best = np.inf
        stack[0] = 0
        bound[0] = 0.0 if plain else _gap(points[p], 0, lower, upper)
        depth = 1
        while depth > 0:
            depth -= 1
            node = stack[depth]
            if bound[depth] > best:
                continue
            if 2 * node + 1 < first.size:
                a, b = 2 * node + 1, 2 * node + 2
                gap_a, gap_b = _gap(points[p], a, lower, upper), _gap(points[p], b, lower, upper)
                if gap_a > gap_b:
                    a, b, gap_a, gap_b = b, a, gap_b, gap_a
                stack[depth], bound[depth] = b, gap_b
                stack[depth + 1], bound[depth + 1] = a, gap_a
                depth += 2
                continue
            for i in range(first[node], last[node]):
                total = 0.0
                for j in range(points.shape[1]):
                    gap = column[j, i] - points[p, j]
                    total += gap * gap
                if total < best:
                    best = total
                    label[p] = order[i]
    return label
