"""Instances and semantic regions of a scene: class, size, centre and box.

Source: the targets of the probabilistic embedding and offset systems on PartNet (``dataset.py``
of their code). An instance's centre is the mean of its points; a region's centre is the
*unweighted* mean of the centres of the instances of a class, each counting once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

_TABLE_SIZE = 1 << 20  # ids below this are looked up, others searched for


class InstanceTable(NamedTuple):
    """One row per instance, ascending by id (the distinct ids that are not negative).

    Attributes
    ----------
    class_id : int32 (k,)
        Class of most of its labelled points, the smallest one of equals; -1 if it has none.
    size : int64 (k,)
        Number of points.
    centre : float64 (k, 3)
        Mean of the points, metres.
    box : float64 (k, 2, 3)
        Smallest and largest coordinates, metres.
    """

    class_id: NDArray[np.int32]
    size: NDArray[np.int64]
    centre: NDArray[np.float64]
    box: NDArray[np.float64]


class RegionTable(NamedTuple):
    """One row per class that has instances, ascending by class.

    Attributes
    ----------
    class_id : int32 (k,)
    instances : int32 (k,)
        Number of instances of the class.
    centre : float64 (k, 3)
        Unweighted mean of their centres, metres.
    """

    class_id: NDArray[np.int32]
    instances: NDArray[np.int32]
    centre: NDArray[np.float64]


def instance_table(
    coord: NDArray[np.float32], semantic: NDArray[np.int16], instance: NDArray[np.int32]
) -> InstanceTable:
    """Describe the instances of one level of labels.

    Parameters
    ----------
    coord : float32 (n, 3)
        Metres. Sums are float64, in the order of the points.
    semantic : int16 (n,)
        Class, -1 unlabelled.
    instance : int32 (n,)
        Instance id, -1 none: such points are left out.
    """
    ids = _distinct(instance[instance >= 0])
    n_classes = int(semantic.max(initial=-1)) + 1
    votes, size, total, box = _accumulate(coord, semantic, instance, ids, _slots(ids), n_classes)
    # the first column stands for "no class" and wins only where no point has one
    votes[:, 0] = 0
    best = votes.argmax(axis=1) - 1
    return InstanceTable(best.astype(np.int32), size, total / size[:, None], box)


def region_table(class_id: NDArray[np.int32], centre: NDArray[np.float64]) -> RegionTable:
    """Describe the semantic regions that the instances of a level make up.

    Parameters
    ----------
    class_id : int32 (k,)
        Class of each instance; instances of class -1 belong to no region.
    centre : float64 (k, 3)
        Their centres, metres.
    """
    known = class_id >= 0
    classes, row = np.unique(class_id[known], return_inverse=True)
    n_instances = np.bincount(row, minlength=classes.size)
    total = np.zeros((classes.size, 3))
    np.add.at(total, row, centre[known])
    return RegionTable(
        classes.astype(np.int32), n_instances.astype(np.int32), total / n_instances[:, None]
    )


def _distinct(ids: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the distinct ids, ascending."""
    if ids.size and int(ids.max()) < _TABLE_SIZE:
        return np.flatnonzero(np.bincount(ids)).astype(np.int64)
    return np.unique(ids).astype(np.int64)


def _slots(ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the row of each id in a table; empty where the table would be large."""
    if ids.size == 0 or ids[-1] >= _TABLE_SIZE:
        return np.empty(0, np.int64)
    slot = np.zeros(int(ids[-1]) + 1, np.int64)
    slot[ids] = np.arange(ids.size)
    return slot


@njit(cache=True, nogil=True)
def _accumulate(
    coord: NDArray[np.float32],
    semantic: NDArray[np.int16],
    instance: NDArray[np.int32],
    ids: NDArray[np.int64],
    slot: NDArray[np.int64],
    n_classes: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    votes = np.zeros((ids.size, n_classes + 1), np.int64)
    size = np.zeros(ids.size, np.int64)
    total = np.zeros((ids.size, 3))
    box = np.empty((ids.size, 2, 3))
    box[:, 0] = np.inf
    box[:, 1] = -np.inf
    for i in range(instance.size):
        if instance[i] < 0:
            continue
        k = slot[instance[i]] if slot.size else np.searchsorted(ids, np.int64(instance[i]))
        votes[k, semantic[i] + 1] += 1
        size[k] += 1
        for a in range(3):
            v = np.float64(coord[i, a])
            total[k, a] += v
            box[k, 0, a] = min(box[k, 0, a], v)
            box[k, 1, a] = max(box[k, 1, a], v)
    return votes, size, total, box
