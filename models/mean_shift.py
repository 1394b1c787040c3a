"""Kernels of mean shift: balls in a kd-tree, climbing, suppression, nearest centre.

The trees are those of :mod:`models.kd_tree`; arrays are named there. ``two`` and ``half`` are the
exponents 2.0 and 0.5, passed in so that the compiler cannot simplify ``pow``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]


@njit(cache=True, nogil=True)
def find_ball(
    centre: Array,
    hits: Array,
    distance: Array,
    stack: Array,
    order: Array,
    column: Array,
    row: Array,
    first: Array,
    last: Array,
    lower: Array,
    upper: Array,
    plain: bool,
    radius: float,
    squared: float,
    two: float,
    half: float,
) -> int:
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
                gap = max(lower[node, j] - centre[j], centre[j] - upper[node, j], 0.0)
                least += gap * gap
            if least > far:
                continue
            for j in range(dims):
                reach = max(abs(lower[node, j] - centre[j]), abs(centre[j] - upper[node, j]))
                most += reach * reach
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
        square = distance[: stop - start]
        square[:] = 0.0
        for j in range(dims):  # column by column, so that the compiler can use vectors
            values, middle = column[j, start:stop], np.float64(centre[j])
            for i in range(values.size):
                gap = values[i] - middle
                square[i] += gap * gap
        for i in range(square.size):
            hits[count] = start + i
            count += square[i] <= squared
    return count


@njit(cache=True, nogil=True)
def _sum_run(value: Array, first: int, count: int) -> Any:
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
def sum_pairwise(value: Array, count: int) -> Any:
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
def _mean(hits: Array, count: int, row: Array, mean: Array, gathered: Array) -> None:
    """Average the rows ``hits[:count]`` into ``mean``, added as ``np.mean(axis=0)`` adds them."""
    dims = mean.size
    if dims == 1:
        for i in range(count):
            gathered[i] = row[hits[i], 0]
        mean[0] = sum_pairwise(gathered, count) / count
        return
    zero = row.dtype.type(0)
    for block in range(0, dims, 8):
        s0, s1, s2, s3, s4, s5, s6, s7 = zero, zero, zero, zero, zero, zero, zero, zero
        eight = row[:, block : block + 8]
        for p in hits[:count]:
            s0 += eight[p, 0]
            s1 += eight[p, 1]
            s2 += eight[p, 2]
            s3 += eight[p, 3]
            s4 += eight[p, 4]
            s5 += eight[p, 5]
            s6 += eight[p, 6]
            s7 += eight[p, 7]
        for j, total in enumerate((s0, s1, s2, s3, s4, s5, s6, s7)):
            if block + j < dims:
                mean[block + j] = total / count


@njit(cache=True, nogil=True)
def _slot(mean: Array, table: Array, state: Array, wide: Array) -> Any:
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
def climb(
    seeds: Array,
    stop: float,
    max_iter: int,
    order: Array,
    column: Array,
    row: Array,
    first: Array,
    last: Array,
    lower: Array,
    upper: Array,
    plain: bool,
    radius: float,
    squared: float,
    two: float,
    half: float,
) -> tuple[Array, Array]:
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
            count = find_ball(mean, hits, distance, stack, order, column, row, first, last, lower,
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
def suppress(
    centres: Array,
    order: Array,
    column: Array,
    row: Array,
    first: Array,
    last: Array,
    lower: Array,
    upper: Array,
    plain: bool,
    radius: float,
    squared: float,
    two: float,
    half: float,
) -> Array:
    """Keep each centre, strongest first, that no kept one has in its ball."""
    n = centres.shape[0]
    kept = np.ones(n, np.bool_)
    hits, stack = np.empty(n + 1, np.int64), np.empty(2 * first.size + 2, np.int64)
    distance = np.empty(n, np.float64)
    for i in range(n):
        if kept[i]:
            count = find_ball(centres[i], hits, distance, stack, order, column, row, first, last,
                          lower, upper, plain, radius, squared, two, half)  # fmt: skip
            for h in range(count):
                kept[order[hits[h]]] = False
            kept[i] = True
    return kept


@njit(cache=True, nogil=True)
def _gap(point: Array, node: int, lower: Array, upper: Array) -> float:
    """Return the squared distance of a point from a box."""
    total = 0.0
    for j in range(point.size):
        gap = max(lower[node, j] - point[j], point[j] - upper[node, j], 0.0)
        total += gap * gap
    return total


@njit(cache=True, nogil=True)
def nearest(
    points: Array,
    order: Array,
    column: Array,
    first: Array,
    last: Array,
    lower: Array,
    upper: Array,
    plain: bool,
) -> Array:
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
