"""Clusters of overlapping blocks into instances of a room, as SGPN's and ASIS's BlockMerging does.

Block by block, in the serpentine order, a cluster joins the instance of its class that already
fills most of its cells, or becomes a new instance. Kept as the published code has it:

* The grid has ``int(1 / gap) + 1`` cells an axis of *normalised* room coordinates, so cells are as
  anisotropic as the room, and two points of one cell get one instance.
* A cluster joins when it overlaps by at least 7 points, and also when it has fewer than 30: with
  no overlap at all it then joins instance 0, whatever that one's class.
* The first cluster to reach a cell owns it for good; the cell's class is that cluster's.
* Instances from id 300 on are never joined; instances are never united.

Departures: rows are allocated for every cluster of a block (the published code fails at 100), and
points of cluster −1 neither vote nor write.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Ints = NDArray[np.signedinteger[Any]]

_DENSE_CELLS = 1 << 26  # above this many cells, only those that hold points get memory


def merge_blocks_paper(
    coord: NDArray[np.floating[Any]],
    cluster: Ints,
    semantic: Ints,
    gap: float = 5e-3,
    *,
    wrap_uint8: bool = False,
) -> NDArray[np.int32]:
    """Merge the clusters of one room's blocks.

    Parameters
    ----------
    coord : float64 (B, N, 3)
        Features 6-8 of the block's points: coordinate / extent of the room, in [0, 1].
    cluster : int (B, N)
        Cluster of each point in its block, 0..k−1; −1 for none.
    semantic : int (B, N)
        Predicted class of each point, >= 0.
    gap : float
        Side of a grid cell in normalised coordinates.
    wrap_uint8 : bool
        Wrap ids modulo 256, as the published code does when its ground truth is stored in uint8.

    Returns
    -------
    int32 (B * N,)
        Instance of each point, block after block; −1 where the point's cell stayed empty (only
        around points of cluster −1).

    Raises
    ------
    ValueError
        If shapes differ or a coordinate lies outside the grid.
    """
    coord = np.asarray(coord, np.float64)
    cluster, semantic = np.asarray(cluster, np.int64), np.asarray(semantic, np.int64)
    if (
        coord.ndim != 3
        or coord.shape[2] != 3
        or not (coord.shape[:2] == cluster.shape == semantic.shape)
    ):
        raise ValueError(
            f"merging wants (B, N, 3), (B, N) and (B, N), found {coord.shape}, {cluster.shape} "
            f"and {semantic.shape}"
        )
    if not cluster.size:
        return np.zeros(0, np.int32)
    if cluster.min() < -1 or semantic.min() < 0:
        raise ValueError("merging wants clusters from -1 and classes from 0 on")
    cells = int(1 / gap) + 1
    cell, n_cells = _number_cells(coord.reshape(-1, 3), gap, cells), cells**3
    if cell.min() < 0:
        raise ValueError(f"merging wants coordinates in 0..1, found {coord.min()}..{coord.max()}")
    if n_cells > _DENSE_CELLS:
        used, cell = np.unique(cell, return_inverse=True)
        n_cells = len(used)
    merged: NDArray[np.int32] = _merge(cell.reshape(cluster.shape), cluster, semantic, n_cells)
    return merged % 256 if wrap_uint8 else merged


def drop_small(
    instance: Ints,
    semantic: Ints,
    mean_size: NDArray[Any],
    fraction: float = 0.25,
    *,
    wrap_uint8: bool = False,
) -> NDArray[np.int32]:
    """Drop instances of at most ``fraction`` of their class's mean size.

    Parameters
    ----------
    instance, semantic : int (n,)
        Instance (−1 none) and predicted class of each point.
    mean_size : (C,)
        Points of a mean instance of each class, see :func:`mean_instance_size`. An instance of a
        class whose mean size is NaN is dropped, as the published code does.
    fraction : float
        An instance stays when it has strictly more than ``fraction * mean_size[class]`` points;
        its class is the commonest of its points, of equals the smallest.
    wrap_uint8 : bool
        Wrap ids modulo 256 (−1 becomes 255), see :func:`merge_blocks_paper`.

    Returns
    -------
    int32 (n,)
        Ids 0, 1, 2, … in the order of the old ones; −1 where dropped.
    """
    ids, member = compact_ids(instance)
    counts, classes = count_and_classify(member, semantic, len(ids))
    keep = (counts > fraction * np.asarray(mean_size, np.float64)[classes]) & (ids >= 0)
    new = np.where(keep, np.cumsum(keep) - 1, -1).astype(np.int32)
    filtered = new[member]
    return filtered % 256 if wrap_uint8 else filtered


def instance_classes(
    instance: Ints, semantic: Ints
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct ids, ascending (−1 among them), their counts and commonest classes.

    Of equally common classes the smallest; points of class −1 count, but do not vote unless all
    points of the instance are of class −1.
    """
    ids, member = compact_ids(instance)
    return ids, *count_and_classify(member, semantic, len(ids))


def count_and_classify(
    member: NDArray[np.int64], semantic: Ints, n: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return count and commonest class of members 0..n−1, as :func:`instance_classes` does."""
    semantic = np.asarray(semantic).reshape(-1)
    wide = int(semantic.max(initial=-1)) + 2
    votes = np.bincount(member * wide + semantic + 1, minlength=n * wide).reshape(n, wide)
    counts = votes.sum(axis=1)
    votes[:, 0] = 0  # class -1
    return counts, votes.argmax(axis=1) - 1


def compact_ids(instance: Ints) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct ids, ascending, and for each point the position of its id among them.

    What ``np.unique(instance, return_inverse=True)`` returns, without a sort when ids are small.
    """
    instance = np.asarray(instance, np.int64).reshape(-1)
    if not instance.size or instance.min() < -1 or instance.max() > 4 * instance.size + 1024:
        ids, member = np.unique(instance, return_inverse=True)
        return ids, member
    present = np.bincount(instance + 1) > 0
    return np.flatnonzero(present) - 1, (np.cumsum(present) - 1)[instance + 1]


def mean_instance_size(
    rooms: list[tuple[Ints, Ints]], n_classes: int, *, missing: float = np.nan
) -> NDArray[np.float64]:
    """Return the mean number of points of the instances of each class, cut to whole points.

    Parameters
    ----------
    rooms : list of (instance, semantic)
        Ground truth of all block points of each training room, overlaps counted as often as they
        are sampled: what the predictions of the same block cutting are measured in.
    n_classes : int
    missing : float
        Size of a class without an instance: NaN (as the published code, :func:`drop_small` then
        drops the class) or 0 (keeps all its instances).

    Returns
    -------
    float64 (C,)
    """
    total, found = np.zeros(n_classes), np.zeros(n_classes)
    for instance, semantic in rooms:
        ids, counts, classes = instance_classes(instance.reshape(-1), semantic.reshape(-1))
        real = (ids >= 0) & (classes >= 0)
        total += np.bincount(classes[real], counts[real], minlength=n_classes)
        found += np.bincount(classes[real], minlength=n_classes)
    return np.where(found > 0, np.trunc(total / np.maximum(found, 1)), missing)


@njit(cache=True, nogil=True)
def _number_cells(coord: NDArray[Any], gap: float, cells: int) -> NDArray[np.int64]:
    """Return the cell of each point (n, 3), x-major; −1 outside the grid (and for NaN)."""
    number = np.full(coord.shape[0], -1, np.int64)
    for p in range(coord.shape[0]):
        x, y, z = coord[p, 0] / gap, coord[p, 1] / gap, coord[p, 2] / gap
        if -1 < x < cells and -1 < y < cells and -1 < z < cells:
            number[p] = (int(x) * cells + int(y)) * cells + int(z)
    return number


@njit(cache=True, nogil=True)
def _merge(
    cell: NDArray[np.int64], cluster: NDArray[np.int64], semantic: NDArray[np.int64], n_cells: int
) -> NDArray[np.int32]:
    """Merge block by block; see the module's text. All arrays (B, N), cells numbered from 0."""
    n_blocks, n_points = cell.shape
    join_points, small_points, most_ids = 7, 30, 300
    owner = np.zeros(n_cells, np.int32)  # instance + 1, so that zeroed memory means empty
    owner_class = np.zeros(n_cells, np.int32)
    n_clusters, n_classes = cluster.max() + 1, semantic.max() + 1
    overlap = np.zeros((n_clusters, most_ids), np.int32)
    votes = np.zeros((n_clusters, n_classes), np.int32)
    size = np.zeros(n_clusters, np.int64)
    group_class = np.zeros(n_clusters, np.int64)
    target = np.zeros(n_clusters, np.int64)
    newest = -1
    for b in range(n_blocks):
        used = 0
        for p in range(n_points):
            if cluster[b, p] >= 0:
                used = max(used, cluster[b, p] + 1)
        votes[:used] = 0
        overlap[:used] = 0
        size[:used] = 1
        for p in range(n_points):
            if cluster[b, p] >= 0:
                votes[cluster[b, p], semantic[b, p]] += 1
        for g in range(used):
            group_class[g] = np.argmax(votes[g])
        for p in range(n_points):
            g = cluster[b, p]
            if g < 0:
                continue
            size[g] += 1
            here = owner[cell[b, p]] - 1
            if 0 <= here < most_ids and owner_class[cell[b, p]] == group_class[g]:
                overlap[g, here] += 1
        following = newest
        for g in range(used):
            best = int(np.argmax(overlap[g]))
            if overlap[g, best] < join_points and size[g] > small_points:
                following += 1
                best = following
            target[g] = best
        for p in range(n_points):
            g = cluster[b, p]
            if g >= 0 and owner[cell[b, p]] == 0:
                owner[cell[b, p]] = target[g] + 1
                owner_class[cell[b, p]] = group_class[g]
                newest = max(newest, target[g])
    merged = np.empty(n_blocks * n_points, np.int32)
    for b in range(n_blocks):
        for p in range(n_points):
            merged[b * n_points + p] = owner[cell[b, p]] - 1
    return merged
