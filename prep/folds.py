"""Folds: sums of per-scene statistics over the training scenes.

A fold's arrays are functions of the statistics handed in here, and those are the training
scenes' only: nothing of a test scene can reach them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prep.association import association_maps
from prep.recipe import Recipe
from prep.seeding import scene_seed
from prep.wfs import resample_blocks

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

#: Fold in which every scene trains and tests: to overfit, or to train on everything.
ALL = "all"


@dataclass(frozen=True)
class SceneStatistics:
    """What a fold needs of one scene (L levels, C classes of the largest, R radii).

    Attributes
    ----------
    blocks : int32 (b, L, C)
        Points of each class in each block's sample.
    instance_level, instance_class : int32 (k,)
    instance_points, instance_sampled : int64 (k,)
        Points of each instance, and entries in all samples of blocks.
    sums : float64 (L, R, C, C)
    counts : int64 (L, C)
        From :func:`prep.kernels.msa.neighbour_sums`.
    """

    blocks: NDArray[np.int32]
    instance_level: NDArray[np.int32]
    instance_class: NDArray[np.int32]
    instance_points: I8
    instance_sampled: I8
    sums: F8
    counts: I8


@dataclass(frozen=True)
class FoldArrays:
    """What a fold is trained with; rows past a level's own classes are 0.

    Attributes
    ----------
    vb, op, sp : float64 (L, C)
        Water Filling Sampling, see :class:`prep.wfs.WaterFilling`.
    resampled : int32 (k, 3)
        Blocks to add: level, scene, block of the scene.
    maps : float64 (L, R, C, C)
        Association maps.
    instance_size, instance_points : float64 (L, C)
        Mean number of an instance's sampled entries (of instances that were sampled at all), and
        of its points; 0 for a class without an instance.
    class_weight : float64 (L, C)
        One over the class's share of the labelled points, scaled to a mean of 1 over the classes
        that occur; 0 for others.
    """

    vb: F8
    op: F8
    sp: F8
    resampled: NDArray[np.int32]
    maps: F8
    instance_size: F8
    instance_points: F8
    class_weight: F8


def fold_sides(
    groups: Sequence[str], definitions: Mapping[str, Sequence[str]]
) -> tuple[dict[str, tuple[NDArray[np.int32], NDArray[np.int32]]], dict[str, str]]:
    """Split scenes into those that train and those that test.

    Parameters
    ----------
    groups : sequence of str
        Group of each scene.
    definitions : dict of str to sequence of str
        Test groups of each fold; all other groups train.

    Returns
    -------
    sides : dict of str to (int32 (t,), int32 (e,))
        Training and test scenes by fold. :data:`ALL` is always there.
    left_out : dict of str to str
        Folds that have no scene on one side, and which side.
    """
    sides, left_out = {}, {}
    for name, test_groups in definitions.items():
        is_test = np.array([group in test_groups for group in groups], bool)
        train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
        if train.size == 0 or test.size == 0:
            side = "training" if train.size == 0 else "test"
            left_out[name] = f"no {side} scene in this store"
            continue
        sides[name] = (train.astype(np.int32), test.astype(np.int32))
    if ALL not in definitions:
        everything = np.arange(len(groups), dtype=np.int32)
        sides[ALL] = (everything, everything)
    return sides, left_out


def reduce_fold(
    name: str,
    train: NDArray[np.int32],
    statistics: Sequence[SceneStatistics],
    *,
    n_classes: Sequence[int],
    recipe: Recipe,
) -> FoldArrays:
    """Reduce the statistics of the training scenes of one fold.

    Parameters
    ----------
    name : str
        Name of the fold; with ``recipe.seed`` it seeds the draw of blocks.
    train : int32 (t,)
        Number of each training scene in the store.
    statistics : sequence of SceneStatistics
        Of those scenes, in that order.
    n_classes : sequence of int
        Classes of each level.
    recipe : Recipe
    """
    levels, most, radii = len(n_classes), max(n_classes, default=0), len(recipe.msa_radii_m)
    sums = sum((s.sums for s in statistics), np.zeros((levels, radii, most, most)))
    counts = sum((s.counts for s in statistics), np.zeros((levels, most), np.int64))
    vb, op, sp = (np.zeros((levels, most)) for _ in range(3))
    resampled = [np.empty((0, 3), np.int32)]
    for level, n in enumerate(n_classes):
        filling = resample_blocks(
            _join([s.blocks[:, level, :n] for s in statistics], (0, n)),
            threshold=recipe.wfs_threshold,
            seed=scene_seed(recipe.seed, f"fold:{name}:{level}"),
            delta=recipe.wfs_delta,
        )
        vb[level, :n], op[level, :n], sp[level, :n] = filling.vb, filling.op, filling.sp
        lengths = np.array([len(s.blocks) for s in statistics], np.int64)
        resampled.append(_locate(filling.blocks, lengths, train, level))
    sampled = _mean_size(statistics, (levels, most), sampled=True)
    points = _mean_size(statistics, (levels, most), sampled=False)
    return FoldArrays(
        vb=vb,
        op=op,
        sp=sp,
        resampled=np.concatenate(resampled),
        maps=_maps(sums, counts),
        instance_size=sampled,
        instance_points=points,
        class_weight=_class_weight(counts),
    )


def _join(arrays: list[NDArray[np.int32]], empty: tuple[int, int]) -> NDArray[np.int32]:
    return np.concatenate(arrays) if arrays else np.empty(empty, np.int32)


def _locate(blocks: I8, lengths: I8, train: NDArray[np.int32], level: int) -> NDArray[np.int32]:
    """Turn numbers of blocks among those of all training scenes into (level, scene, block)."""
    ends = np.cumsum(lengths)
    row = np.searchsorted(ends, blocks, side="right")
    inside = blocks - (ends[row] - lengths[row])
    return np.stack([np.full(blocks.size, level), train[row], inside], axis=1).astype(np.int32)


def _maps(sums: F8, counts: I8) -> F8:
    maps = np.zeros_like(sums)
    for level in range(len(sums)):
        maps[level] = association_maps(sums[level], counts[level])
    return maps


def _mean_size(
    statistics: Sequence[SceneStatistics], shape: tuple[int, int], *, sampled: bool
) -> F8:
    total, number = np.zeros(shape), np.zeros(shape)
    for s in statistics:
        size = s.instance_sampled if sampled else s.instance_points
        met = (size > 0) & (s.instance_class >= 0)
        at = (s.instance_level[met], s.instance_class[met])
        np.add.at(total, at, size[met])
        np.add.at(number, at, 1)
    return np.divide(total, number, out=np.zeros(shape), where=number > 0)


def _class_weight(counts: I8) -> F8:
    weights = np.zeros(counts.shape)
    for level, points in enumerate(counts):
        present = points > 0
        if present.any():
            inverse = points.sum() / points[present]
            weights[level, present] = inverse / inverse.mean()
    return weights
