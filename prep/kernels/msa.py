"""Class histograms of the balls around all points, exact, for any number of radii at once.

They are the raw material of SASO's semantic association maps (Sec. 3.4; eqs. 5-7). A point's ball
is mostly made of groups of points that lie wholly inside or wholly outside; only the groups that
its surface crosses have to be tested point by point:

* each class has its own balanced k-d tree whose leaves hold ``LEAF`` points each, so a group's
  histogram is a single number;
* the points of a leaf ask together: the bounds of their distances to a node, from the two boxes,
  decide for all of them and each radius whether the node is inside, outside or to be opened;
* what is left are pairs of leaves, ``LEAF`` x ``LEAF`` distances in a loop of fixed length that
  the compiler vectorises. The last leaf of a tree is padded with points at infinity.

Distances are float64, ``dx*dx + dy*dy + dz*dz <= r*r``. Rounding is monotone, so the bounds of a
pair of boxes never contradict the test of a pair of points: counts equal those of testing all
pairs. Means are added up as integers (fractions in units of a power of two), so the sums do not
depend on the order of the points.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

LEAF = 32


class _Trees(NamedTuple):
    """One k-d tree per class; nodes in preorder, points padded to whole leaves.

    The left child of node t is ``t + 1``, the right one ``t + 2 * half`` where half is the number
    of leaves on the left, half of those of the node, rounded up.
    """

    root: NDArray[np.int64]  # (C,), -1 for a class without points
    first: NDArray[np.int64]  # (nodes,) first row of the node's points in x, y, z
    size: NDArray[np.int64]  # (nodes,) number of its points
    box: NDArray[np.float64]  # (nodes, 6) smallest x, y, z and largest x, y, z
    x: NDArray[np.float64]  # (rows,)
    y: NDArray[np.float64]
    z: NDArray[np.float64]
    point: NDArray[np.int64]  # (rows,) row of the input, -1 for padding


def neighbour_sums(
    coord: NDArray[np.float32],
    label: NDArray[np.int16],
    n_classes: int,
    radii_m: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Add up, by class, the label distributions of the balls around the points of that class.

    Parameters
    ----------
    coord : float32 (n, 3)
        Metres.
    label : int16 (n,)
        Class of each point; points of class -1 neither ask nor count.
    n_classes : int
        C.
    radii_m : float64 (R,)
        Metres.

    Returns
    -------
    sums : float64 (R, C, C)
        Row c: sum over the points of class c of the histogram of the labels in the ball
        (distance at most the radius, the point itself included) divided by its size.
        Each term is rounded to a multiple of 2^-(62 - bits of n), at most 2^-31.
    counts : int64 (C,)
        Points of each class; row c of ``sums`` adds up to ``counts[c]``.

    Raises
    ------
    ValueError
        A label is not below C.
    """
    counts = _class_sizes(label, n_classes)
    radii2 = np.square(np.asarray(radii_m, np.float64))
    unit = 2.0 ** min(52, 62 - int(label.size).bit_length())
    trees = _plant(coord, label, counts)
    return _sum_balls(trees, radii2, unit) / unit, counts


def neighbour_counts(
    coord: NDArray[np.float32],
    label: NDArray[np.int16],
    n_classes: int,
    radii_m: NDArray[np.float64],
) -> NDArray[np.int32]:
    """Count the neighbours of each point by radius and class, for small inputs.

    Parameters
    ----------
    coord, label, n_classes, radii_m
        As in :func:`neighbour_sums`.

    Returns
    -------
    int32 (n, R, C)
        Points of each class in each ball, the point itself included; zeros for points of class
        -1.
    """
    radii2 = np.square(np.asarray(radii_m, np.float64))
    trees = _plant(coord, label, _class_sizes(label, n_classes))
    return _count_balls(trees, radii2, label.size)


def _class_sizes(label: NDArray[np.int16], n_classes: int) -> NDArray[np.int64]:
    if label.size and int(label.max()) >= n_classes:
        raise ValueError(f"class {label.max()} of {n_classes}")
    return np.bincount(label[label >= 0], minlength=n_classes).astype(np.int64)


def _plant(
    coord: NDArray[np.float32], label: NDArray[np.int16], counts: NDArray[np.int64]
) -> _Trees:
    leaves = -(-counts // LEAF)
    rows = int(leaves.sum()) * LEAF
    n_nodes = int(np.maximum(2 * leaves - 1, 0).sum())
    trees = _Trees(
        root=np.full(counts.size, -1, np.int64),
        first=np.zeros(n_nodes, np.int64),
        size=np.zeros(n_nodes, np.int64),
        box=np.zeros((n_nodes, 6)),
        x=np.full(rows, np.inf),
        y=np.full(rows, np.inf),
        z=np.full(rows, np.inf),
        point=np.full(rows, -1, np.int64),
    )
    _grow(trees, coord, label, counts)
    return trees


@njit(cache=True, nogil=True)
def _grow(
    trees: _Trees,
    coord: NDArray[np.float32],
    label: NDArray[np.int16],
    counts: NDArray[np.int64],
) -> None:
    cursor = np.zeros(counts.size, np.int64)
    node = row = 0
    for c in range(counts.size):
        cursor[c] = row
        if counts[c] > 0:
            trees.root[c] = node
            trees.first[node] = row
            trees.size[node] = counts[c]
            leaves = (counts[c] + LEAF - 1) // LEAF
            node += 2 * leaves - 1
            row += leaves * LEAF
    for i in range(label.size):
        if label[i] >= 0:
            trees.point[cursor[label[i]]] = i
            cursor[label[i]] += 1
    for t in range(trees.first.size):
        first, size = trees.first[t], trees.size[t]
        axis, widest = 0, -1.0
        for a in range(3):
            low = high = np.float64(coord[trees.point[first], a])
            for k in range(first, first + size):
                v = np.float64(coord[trees.point[k], a])
                low = min(low, v)
                high = max(high, v)
            trees.box[t, a], trees.box[t, 3 + a] = low, high
            if high - low > widest:
                axis, widest = a, high - low
        if size > LEAF:
            half = ((size + LEAF - 1) // LEAF + 1) // 2
            middle = first + half * LEAF
            _split(trees.point, coord, axis, first, first + size, middle)
            trees.first[t + 1], trees.size[t + 1] = first, half * LEAF
            trees.first[t + 2 * half] = middle
            trees.size[t + 2 * half] = size - half * LEAF
    for k in range(trees.point.size):
        i = trees.point[k]
        if i >= 0:
            trees.x[k], trees.y[k], trees.z[k] = coord[i, 0], coord[i, 1], coord[i, 2]


@njit(cache=True, nogil=True)
def _split(
    point: NDArray[np.int64],
    coord: NDArray[np.float32],
    axis: int,
    first: int,
    end: int,
    middle: int,
) -> None:
    """Reorder ``point[first:end]`` so that no coordinate before ``middle`` exceeds one after."""
    low, high = first, end - 1
    while low < high:
        a = coord[point[low], axis]
        b = coord[point[(low + high) // 2], axis]
        c = coord[point[high], axis]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = low, high
        while i <= j:
            while coord[point[i], axis] < pivot:
                i += 1
            while coord[point[j], axis] > pivot:
                j -= 1
            if i <= j:
                point[i], point[j] = point[j], point[i]
                i += 1
                j -= 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            return


@njit(cache=True, nogil=True)
def _count_pairs(
    trees: _Trees,
    asking: int,
    n_asking: int,
    other: int,
    radius2: float,
    count: NDArray[np.int64],
) -> None:
    """Add to each asking point the number of points of leaf ``other`` within the radius."""
    xs = trees.x[other : other + LEAF]
    ys = trees.y[other : other + LEAF]
    zs = trees.z[other : other + LEAF]
    for q in range(n_asking):
        x, y, z = trees.x[asking + q], trees.y[asking + q], trees.z[asking + q]
        near = 0
        for k in range(LEAF):
            dx, dy, dz = x - xs[k], y - ys[k], z - zs[k]
            near += dx * dx + dy * dy + dz * dz <= radius2
        count[q] += near


@njit(cache=True, nogil=True)
def _ask(
    trees: _Trees,
    leaf: int,
    radii2: NDArray[np.float64],
    stack: NDArray[np.int64],
    shared: NDArray[np.int64],
    own: NDArray[np.int64],
) -> None:
    """Fill the counts of one leaf: ``shared`` (R, C) of all its points, ``own`` (R, C, LEAF)."""
    shared[:] = 0
    own[:] = 0
    first, n_asking = trees.first[leaf], trees.size[leaf]
    mine = trees.box[leaf]
    for c in range(trees.root.size):
        if trees.root[c] < 0:
            continue
        stack[0, 0] = trees.root[c]
        stack[0, 1] = (1 << radii2.size) - 1
        top = 1
        while top > 0:
            top -= 1
            node, undecided = stack[top, 0], stack[top, 1]
            theirs = trees.box[node]
            nearest = farthest = 0.0
            for a in range(3):
                below = mine[a] - theirs[3 + a]
                above = theirs[a] - mine[3 + a]
                gap = max(0.0, below, above)
                reach = max(-below, -above)
                nearest += gap * gap
                farthest += reach * reach
            size = trees.size[node]
            crossed = 0
            for r in range(radii2.size):
                if (undecided >> r) & 1 and nearest <= radii2[r]:
                    if farthest <= radii2[r]:
                        shared[r, c] += size
                    elif size <= LEAF:
                        _count_pairs(
                            trees, first, n_asking, trees.first[node], radii2[r], own[r, c]
                        )
                    else:
                        crossed |= 1 << r
            if crossed:
                half = ((size + LEAF - 1) // LEAF + 1) // 2
                stack[top, 0], stack[top, 1] = node + 2 * half, crossed
                stack[top + 1, 0], stack[top + 1, 1] = node + 1, crossed
                top += 2


@njit(cache=True, nogil=True)
def _sum_balls(trees: _Trees, radii2: NDArray[np.float64], unit: float) -> NDArray[np.int64]:
    n_radii, n_classes = radii2.size, trees.root.size
    sums = np.zeros((n_radii, n_classes, n_classes), np.int64)
    stack = np.empty((128, 2), np.int64)
    shared = np.empty((n_radii, n_classes), np.int64)
    own = np.empty((n_radii, n_classes, LEAF), np.int64)
    for asker in range(n_classes):
        root = trees.root[asker]
        if root < 0:
            continue
        leaves = (trees.size[root] + LEAF - 1) // LEAF
        for t in range(root, root + 2 * leaves - 1):
            if trees.size[t] > LEAF:
                continue
            _ask(trees, t, radii2, stack, shared, own)
            for r in range(n_radii):
                for q in range(trees.size[t]):
                    total = 0
                    for c in range(n_classes):
                        total += shared[r, c] + own[r, c, q]
                    for c in range(n_classes):
                        count = shared[r, c] + own[r, c, q]
                        if count > 0:
                            sums[r, asker, c] += np.int64(count / total * unit + 0.5)
    return sums


@njit(cache=True, nogil=True)
def _count_balls(trees: _Trees, radii2: NDArray[np.float64], n_points: int) -> NDArray[np.int32]:
    n_radii, n_classes = radii2.size, trees.root.size
    counts = np.zeros((n_points, n_radii, n_classes), np.int32)
    stack = np.empty((128, 2), np.int64)
    shared = np.empty((n_radii, n_classes), np.int64)
    own = np.empty((n_radii, n_classes, LEAF), np.int64)
    for t in range(trees.first.size):
        if trees.size[t] > LEAF:
            continue
        _ask(trees, t, radii2, stack, shared, own)
        for q in range(trees.size[t]):
            i = trees.point[trees.first[t] + q]
            for r in range(n_radii):
                for c in range(n_classes):
                    counts[i, r, c] = shared[r, c] + own[r, c, q]
    return counts
