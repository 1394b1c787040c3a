"""A kd-tree that keeps points in the same order as scikit-learn's, so that sums round alike.

The mean of the points in a ball depends, in its last bits, on the order in which they are added.
scikit-learn's ``NearestNeighbors`` adds them in the order of its kd-tree: a heap-numbered tree
whose nodes split at the middle point of the dimension with the largest spread, the split made by
the C++ standard library's ``nth_element`` (as GCC's library does it: introselect with the median
of three as pivot, a heap when too many rounds went by). Here the same steps are taken, one by one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Array = NDArray[Any]


class KdTree(NamedTuple):
    """Points in tree order, and the nodes; node k has the children 2k + 1 and 2k + 2.

    Attributes
    ----------
    order : int64 (n,)
        Index of each point in the caller's array.
    column : float64 (d, n)
        Coordinates in tree order, one dimension a row, to measure distances.
    row : float (n, 8 * ceil(d / 8))
        The same in the caller's dtype, one point a row, filled up with zeros, to sum.
    first, last : int64 (nodes,)
        Points of each node: ``first[k]`` to ``last[k]`` (exclusive) of the tree order.
    lower, upper : float64 (nodes, d)
        Bounding box of each node.
    plain : bool
        One node without a box: every query looks at every point, in the caller's order.
    """

    order: NDArray[np.int64]
    column: NDArray[np.float64]
    row: Floats
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    plain: bool


def build_kd_tree(points: Floats, *, neighbours: int, leaf_size: int = 30) -> KdTree:
    """Order points as ``sklearn.neighbors.NearestNeighbors(n_neighbors=neighbours)`` does.

    Parameters
    ----------
    points : float32 or float64 (n, d)
        n >= 1; no NaN.
    neighbours : int
        From ``n // 2`` on, or in more than 15 dimensions, there is no tree (``plain``).
    leaf_size : int
        A leaf holds between ``leaf_size`` and twice as many points.
    """
    n, dims = points.shape
    plain = dims > 15 or neighbours >= n // 2
    levels = 1 if plain else int(np.log2(max(1.0, (n - 1) / leaf_size)) + 1)
    nodes = 2**levels - 1
    order = np.arange(n)
    first, last = np.zeros(nodes, np.int64), np.full(nodes, n, np.int64)
    lower, upper = np.zeros((nodes, dims)), np.zeros((nodes, dims))
    points = np.ascontiguousarray(points)
    if not plain:
        _split_nodes(points, order, first, last, lower, upper)
    row = np.zeros((n, -(-dims // 8) * 8), points.dtype)
    row[:, :dims] = points[order]
    column = np.ascontiguousarray(row[:, :dims].T, np.float64)
    return KdTree(order, column, row, first, last, lower, upper, plain)


@njit(cache=True, nogil=True)
def _less(value: Array, a: int, b: int) -> bool:
    """Compare two points by value, equal values by index."""
    return a < b if value[a] == value[b] else value[a] < value[b]


@njit(cache=True, nogil=True)
def _sift(value: Array, index: Array, first: int, length: int, hole: int, item: int) -> None:
    """Put ``item`` into a max-heap: the hole sinks to a leaf, then the item rises from there."""
    top = hole
    child = hole
    while child < (length - 1) // 2:
        child = 2 * (child + 1)
        if _less(value, index[first + child], index[first + child - 1]):
            child -= 1
        index[first + hole] = index[first + child]
        hole = child
    if length % 2 == 0 and child == (length - 2) // 2:
        child = 2 * child + 1
        index[first + hole] = index[first + child]
        hole = child
    while hole > top and _less(value, index[first + (hole - 1) // 2], item):
        index[first + hole] = index[first + (hole - 1) // 2]
        hole = (hole - 1) // 2
    index[first + hole] = item


@njit(cache=True, nogil=True)
def _select_by_heap(value: Array, index: Array, first: int, middle: int, last: int) -> None:
    """Bring the ``middle - first`` smallest to the front, the largest of them first of all."""
    length = middle - first
    for parent in range((length - 2) // 2, -1, -1):
        _sift(value, index, first, length, parent, index[first + parent])
    for i in range(middle, last):
        if _less(value, index[i], index[first]):
            item = index[i]
            index[i] = index[first]
            _sift(value, index, first, length, 0, item)


@njit(cache=True, nogil=True)
def _cut(value: Array, index: Array, first: int, last: int) -> int:
    """Partition ``first..last`` around the median of three; return where the upper part begins."""
    a, b, c = first + 1, first + (last - first) // 2, last - 1
    if _less(value, index[a], index[b]):
        if _less(value, index[b], index[c]):
            median = b
        elif _less(value, index[a], index[c]):
            median = c
        else:
            median = a
    elif _less(value, index[a], index[c]):
        median = a
    elif _less(value, index[b], index[c]):
        median = c
    else:
        median = b
    index[first], index[median] = index[median], index[first]
    pivot = index[first]
    low, high = first + 1, last
    while True:
        while _less(value, index[low], pivot):
            low += 1
        high -= 1
        while _less(value, pivot, index[high]):
            high -= 1
        if low >= high:
            return low
        index[low], index[high] = index[high], index[low]
        low += 1


@njit(cache=True, nogil=True)
def _select(value: Array, index: Array, first: int, nth: int, last: int) -> None:
    """Rearrange ``first..last`` so that position ``nth`` holds what a sort would put there."""
    rounds = 0
    length = last - first
    while length > 1:
        rounds += 2
        length //= 2
    while last - first > 3:
        if rounds == 0:
            _select_by_heap(value, index, first, nth + 1, last)
            index[first], index[nth] = index[nth], index[first]
            return
        rounds -= 1
        cut = _cut(value, index, first, last)
        if cut <= nth:
            first = cut
        else:
            last = cut
    for i in range(first + 1, last):
        item = index[i]
        hole = i
        while hole > first and _less(value, item, index[hole - 1]):
            index[hole] = index[hole - 1]
            hole -= 1
        index[hole] = item


@njit(cache=True, nogil=True)
def _split_nodes(
    points: Array, order: Array, first: Array, last: Array, lower: Array, upper: Array
) -> None:
    """Fill the nodes from the root down; ``order`` is rearranged in place."""
    nodes = first.size
    dims = points.shape[1]
    value = np.empty(points.shape[0], points.dtype)
    for node in range(nodes):
        if node > 0:
            parent = (node - 1) // 2
            middle = first[parent] + (last[parent] - first[parent]) // 2
            first[node] = first[parent] if node % 2 == 1 else middle
            last[node] = middle if node % 2 == 1 else last[parent]
        start, stop = first[node], last[node]
        widest = 0
        largest = 0.0
        for j in range(dims):
            low = points[order[start], j]
            high = low
            for p in range(start + 1, stop):
                low = min(low, points[order[p], j])
                high = max(high, points[order[p], j])
            lower[node, j] = low
            upper[node, j] = high
            spread = upper[node, j] - lower[node, j]
            if spread > largest:
                largest = spread
                widest = j
        if 2 * node + 1 < nodes:
            for p in range(start, stop):
                value[order[p]] = points[order[p], widest]
            _select(value, order, start, start + (stop - start) // 2, stop)
