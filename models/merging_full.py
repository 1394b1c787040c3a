"""Clusters of overlapping blocks into instances of a scene: one answer for every point.

The idea is BlockMerging's (:mod:`models.merging`): block by block, a cluster joins the instance
whose place it shares, or becomes a new one. Without that code's faults:

* Cells are cubes in metres, not slices of a normalised room; classes do not hide one another,
  since a cell has an owner for each class; there is no limit on ids or clusters.
* A cluster joins by the *share* of its already visited part that the instance owns, so that thick
  and thin samplings behave alike. Small clusters follow the same rule as large ones: with no
  overlap they become instances of their own (and fall to the size filter), never instance 0.
* A cluster may bridge two instances that grew from different sides, such as a wall first seen at
  both ends. They are united unless some block has told them apart, that is, holds two clusters
  which went to the one and to the other: then the bridge counts as a mistake of the one block and
  the cluster joins the instance with the larger overlap.
* A point that several blocks predict gets the instance with the most votes, a vote a block, of
  equals the instance that came first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.signedinteger[Any]]
Array = NDArray[Any]


@dataclass(frozen=True)
class FullMerging:
    """Parameters of :func:`merge_blocks_full`.

    Attributes
    ----------
    voxel_m : float
        Side of a cell, metres: about the spacing of points, well under the gap of two instances.
    join_share : float
        A cluster joins an instance that owns at least this share of the cluster's points in
        visited cells. Visited means that any earlier block has put a point there.
    join_points : int
        And at least so many points; fewer say nothing about identity.
    """

    voxel_m: float = 0.05
    join_share: float = 0.3
    join_points: int = 7


def merge_blocks_full(
    xyz: NDArray[np.floating[Any]],
    point: Ints,
    cluster: Ints,
    semantic: Ints,
    n_points: int,
    options: FullMerging | None = None,
) -> NDArray[np.int32]:
    """Merge the clusters of all blocks (or chunks of blocks) of one scene.

    Parameters
    ----------
    xyz : float64 (B, N, 3)
        Metres, in the scene's frame.
    point : int (B, N)
        Index of each block point in the scene; a point repeated within a block counts once (its
        first place); −1 for padding.
    cluster : int (B, N)
        Cluster in the block, 0..k−1; −1 for none.
    semantic : int (B, N)
        Predicted class of each block point; a cluster is of the commonest, of equals the smallest.
    n_points : int
        Points of the scene.
    options : FullMerging, optional

    Returns
    -------
    int32 (n_points,)
        Instance of each scene point: 0, 1, 2, … in the order in which blocks first met them; −1
        for a point in no block, or in no cluster of any.

    Raises
    ------
    ValueError
        If shapes differ or an index lies outside the scene.
    """
    options = options or FullMerging()
    xyz, point = np.asarray(xyz, np.float64), np.asarray(point, np.int64)
    cluster, semantic = np.asarray(cluster, np.int64), np.asarray(semantic, np.int64)
    if xyz.shape != (*point.shape, 3) or not point.shape == cluster.shape == semantic.shape:
        raise ValueError(
            f"merging wants (B, N, 3) and three times (B, N), found {xyz.shape}, {point.shape}, "
            f"{cluster.shape} and {semantic.shape}"
        )
    if point.size and not (point.min() >= -1 and point.max() < n_points):
        raise ValueError(f"merging wants points in 0..{n_points - 1}, found {point.max()}")
    block, place = _first_places(point, cluster, n_points)
    if not len(place):
        return np.full(n_points, -1, np.int32)
    group, start, group_class, first_group = _groups(
        block, cluster.reshape(-1)[place], semantic.reshape(-1)[place], len(point)
    )
    cell, visited = _cells(xyz.reshape(-1, 3)[place], group_class[group], options.voxel_m)
    instance = _assign(group, start, group_class, first_group, cell, visited, options)
    return _vote(point.reshape(-1)[place], instance[group], n_points)


def _first_places(
    point: Ints, cluster: Ints, n_points: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return block and flat position of each clustered point's first appearance in its block."""
    fresh = _mark_first(point, n_points) & (cluster >= 0)
    place = np.flatnonzero(fresh)
    return place // max(point.shape[1], 1), place


def _groups(
    block: NDArray[np.int64], cluster: Ints, semantic: Ints, n_blocks: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Give the clusters of all blocks one running number, in the order (block, cluster).

    Returns the group of each place, the first place of each block (n_blocks + 1,), the class of
    each group and the first group of each block (n_blocks + 1,).
    """
    wide = int(cluster.max()) + 1
    used = np.bincount(block * wide + cluster, minlength=n_blocks * wide) > 0
    group = (np.cumsum(used) - 1)[block * wide + cluster]
    n_groups, n_classes = int(used.sum()), int(max(semantic.max(), 0)) + 1
    votes = np.bincount(
        (group * n_classes + semantic)[semantic >= 0], minlength=n_groups * n_classes
    ).reshape(n_groups, n_classes)
    start = np.concatenate([[0], np.cumsum(np.bincount(block, minlength=n_blocks))])
    first = np.concatenate([[0], np.cumsum(used.reshape(n_blocks, wide).sum(axis=1))])
    return group, start, votes.argmax(axis=1), first


def _cells(
    xyz: NDArray[Any], classes: NDArray[np.int64], voxel_m: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return running numbers of each place's (voxel, class) and of its voxel, used ones only."""
    at = np.floor((xyz - xyz.min(axis=0)) / voxel_m).astype(np.int64)
    size = at.max(axis=0) + 1
    n_classes = int(classes.max()) + 1
    if float(size[0]) * float(size[1]) * float(size[2]) * n_classes > 2.0**62:
        raise ValueError(
            f"the scene spans {tuple(size.tolist())} cells of {voxel_m} m; give a larger voxel_m"
        )
    voxel = (at[:, 0] * size[1] + at[:, 1]) * size[2] + at[:, 2]
    pairs, cell = np.unique(voxel * n_classes + classes, return_inverse=True)
    fresh = np.diff(pairs // n_classes, prepend=-1) != 0
    return cell, (np.cumsum(fresh) - 1)[cell]


def _assign(
    group: NDArray[np.int64],
    start: NDArray[np.int64],
    group_class: NDArray[np.int64],
    first_group: NDArray[np.int64],
    cell: NDArray[np.int64],
    visited: NDArray[np.int64],
    options: FullMerging,
) -> NDArray[np.int64]:
    """Return the instance of each group; united instances have the number of the oldest."""
    instances = _Instances()
    target = np.full(int(first_group[-1]), -1)
    owner = np.full(int(cell.max()) + 1, -1)
    seen = np.zeros(int(visited.max()) + 1, np.bool_)
    for b in range(len(start) - 1):
        span, first = slice(start[b], start[b + 1]), first_group[b]
        n_groups = int(first_group[b + 1] - first)
        if not n_groups:
            continue
        local = group[span] - first
        ids, overlap, known, size = _count(local, cell[span], visited[span], owner, seen, n_groups)
        chosen: list[int] = []
        for g in range(n_groups):
            shared = _sum_by_root(instances, ids, overlap[g])
            enough = max(options.join_points, options.join_share * known[g])
            fitting = sorted((-n, i) for i, n in shared.items() if n >= enough)
            chosen.append(instances.join([i for _, i in fitting]) if fitting else instances.new())
        large = np.flatnonzero(size >= options.join_points)
        for c in np.unique(group_class[first + large]):
            same = large[group_class[first + large] == c]
            instances.tell_apart({instances.root(chosen[g]) for g in same})
        target[first : first + n_groups] = chosen
        _own(local, cell[span], visited[span], target[first : first + n_groups], owner, seen)
    return np.array([instances.root(i) for i in target])


def _sum_by_root(
    instances: _Instances, ids: NDArray[np.int64], overlap: NDArray[np.int64]
) -> dict[int, int]:
    shared: dict[int, int] = {}
    for i in np.flatnonzero(overlap):
        root = instances.root(int(ids[i]))
        shared[root] = shared.get(root, 0) + int(overlap[i])
    return shared


class _Instances:
    """Instances that may be united, and which of them some block has told apart."""

    def __init__(self) -> None:
        self.parent: list[int] = []
        self.apart: list[set[int]] = []  # by root; members may be old numbers

    def new(self) -> int:
        self.parent.append(len(self.parent))
        self.apart.append(set())
        return len(self.parent) - 1

    def root(self, i: int) -> int:
        while self.parent[i] != i:
            self.parent[i] = self.parent[self.parent[i]]
            i = self.parent[i]
        return i

    def join(self, fitting: list[int]) -> int:
        """Unite the roots ``fitting``, best first, as far as nothing tells them apart."""
        best = fitting[0]
        for other in fitting[1:]:
            if other not in {self.root(i) for i in self.apart[best]}:
                old, young = min(best, other), max(best, other)
                self.parent[young] = old
                self.apart[old] |= self.apart[young]
                best = old
        return best

    def tell_apart(self, roots: set[int]) -> None:
        for i in roots:
            self.apart[i] |= roots - {i}


def _vote(
    point: NDArray[np.int64], instance: NDArray[np.int64], n_points: int
) -> NDArray[np.int32]:
    """Return each point's commonest instance, of equals the smallest, renumbered from 0."""
    wide = int(instance.max()) + 1
    pairs, votes = np.unique(point * wide + instance, return_counts=True)
    order = np.lexsort((-pairs, votes))  # a later entry overwrites: most votes, then smallest id
    result = np.full(n_points, -1)
    result[pairs[order] // wide] = pairs[order] % wide
    used = np.zeros(wide + 1, np.int64)
    used[result] = 1
    used[-1] = 0  # where -1 wrote
    number = np.append((np.cumsum(used) - 1)[:-1], -1)
    final: NDArray[np.int32] = number[result].astype(np.int32)
    return final


@njit(cache=True, nogil=True)
def _mark_first(point: Ints, n_points: int) -> NDArray[np.bool_]:
    """Mark the first place of each point in its block; ``point`` (B, N), −1 is never marked."""
    last_block = np.full(n_points, -1, np.int64)
    first = np.zeros(point.shape, np.bool_)
    for b in range(point.shape[0]):
        for p in range(point.shape[1]):
            at = point[b, p]
            if at >= 0 and last_block[at] != b:
                last_block[at] = b
                first[b, p] = True
    return first


@njit(cache=True, nogil=True)
def _count(
    group: Array, cell: Array, visited: Array, owner: Array, seen: Array, n_groups: int
) -> tuple[Array, Array, Array, Array]:
    """Count, for each cluster of a block, its points in cells of each instance met.

    Returns the instances met (k,), the counts (n_groups, k), the points of each cluster in cells
    that earlier blocks visited, and its points.
    """
    met = np.empty(cell.size, np.int64)
    for p in range(cell.size):
        met[p] = owner[cell[p]]
    ids = np.unique(met)
    if ids.size and ids[0] < 0:
        ids = ids[1:]
    column = np.searchsorted(ids, met)
    overlap = np.zeros((n_groups, ids.size), np.int64)
    known, size = np.zeros(n_groups, np.int64), np.zeros(n_groups, np.int64)
    for p in range(cell.size):
        size[group[p]] += 1
        if seen[visited[p]]:
            known[group[p]] += 1
        if met[p] >= 0:
            overlap[group[p], column[p]] += 1
    return ids, overlap, known, size


@njit(cache=True, nogil=True)
def _own(
    group: Array, cell: Array, visited: Array, target: Array, owner: Array, seen: Array
) -> None:
    """Give the empty cells of a block to its clusters' instances; mark its voxels visited."""
    for p in range(cell.size):
        if owner[cell[p]] < 0:
            owner[cell[p]] = target[group[p]]
        seen[visited[p]] = True
