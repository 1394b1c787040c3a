"""One prediction for every point of a scene: cover it with samples, vote, merge.

The published code predicts a random sample of each block, so most points of a dense room get no
answer and some get several. Here the points of each block are dealt, in random order, into as
many samples as it takes for each to occur; every block then votes once for each of its points,
the probabilities of all votes are averaged, and the clusters of all samples are merged over the
points they share.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from models.geometry import Geometry, GeometrySpec, compute_geometry
from models.infer import Predictor, share
from models.merging import drop_small
from models.merging_full import FullMerging, merge_blocks_full
from prep.features import block_features
from prep.kernels.blocks import block_corners, cut_blocks
from prep.kernels.grid import index_cells, sort_by_cell
from prep.kernels.sampling import choose
from prep.progress import Progress
from prep.recipe import Recipe
from prep.seeding import scene_seed

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
T = TypeVar("T", bound=np.generic)

#: Added to the side of a block, metres, so that rounding leaves no point between two blocks.
SLACK_M = 1e-6

#: Side of a merging cell over the spacing of a sample's points if all lay on the block's floor:
#: 5 cm for the published 4,096 points in 1 m. Two samples of one block hold different points, and
#: meet only in cells that are wide enough for both.
CELL_SPACINGS = 3.2


@dataclass(frozen=True)
class ScenePrediction:
    """What is said about every point of a scene, in the order of its points.

    Attributes
    ----------
    semantic : int16 (n,)
    instance : int32 (n,)
        −1 where the point's instance was too small to keep.
    confidence : float32 (n,)
        Mean probability of the point's class over its votes.
    samples : int
        Samples that the network saw.
    """

    semantic: NDArray[np.int16]
    instance: NDArray[np.int32]
    confidence: F4
    samples: int


@dataclass(frozen=True)
class Cover:
    """Samples that together hold every point of a scene.

    Attributes
    ----------
    sample : uint32 (b, N)
        Rows of the scene's points.
    fresh : int64 (b,)
        The first ``fresh[i]`` entries of sample i are points that its block has not voted for
        before; the others fill the sample up.
    """

    sample: NDArray[np.uint32]
    fresh: I8


def cover_scene(coord: F8, recipe: Recipe, seed: int) -> Cover:
    """Deal the points of all blocks of a scene into samples.

    Blocks with fewer than ``recipe.min_points`` points are used only where a point lies in no
    larger one.

    Parameters
    ----------
    coord : float64 (n, 3)
        Metres above the scene's minimum, in cell order of the stride, n >= 1.
    recipe : Recipe
        Sizes of blocks and samples.
    seed : int
        Seed of the scene.

    Returns
    -------
    Cover
        Every row of ``coord`` is fresh in at least one sample. A sample of a block with too few
        points repeats them; one that is short because it is the block's last is filled with
        other points of the block.
    """
    extent = coord.max(axis=0)
    corners = block_corners(float(extent[0]), float(extent[1]), recipe.block_m, recipe.stride_m)
    cells = index_cells(coord, recipe.stride_m)
    kept, start, member = cut_blocks(coord, cells, corners, recipe.block_m + SLACK_M, 1)
    samples, fresh = [], []
    for block in _needed(start, member, len(coord), recipe.min_points):
        points = member[start[block] : start[block + 1]]
        order = choose(len(points), len(points), seed=seed, stream=int(kept[block]))
        dealt = points[order]
        for first in range(0, len(dealt), recipe.n_points):
            # past the end the block's other points come round again, as often as it takes
            at = np.arange(first, first + recipe.n_points) % len(dealt)
            samples.append(dealt[at].astype(np.uint32))
            fresh.append(min(recipe.n_points, len(dealt) - first))
    return Cover(np.stack(samples), np.array(fresh, np.int64))


def mean_cell_points(coord: F4, cell_m: float) -> float:
    """Return the mean number of points in those cells of the floor that hold any.

    A measure of density that neither the size nor the outline of a scene changes.

    Parameters
    ----------
    coord : float32 (n, 3)
        Metres above the scene's minimum, n >= 1.
    cell_m : float
        Side of a cell, metres.
    """
    at = (coord[:, :2] / np.float32(cell_m)).astype(np.int64)
    occupied = np.bincount(at[:, 0] * (at[:, 1].max() + 1) + at[:, 1]) > 0
    return len(coord) / float(occupied.sum())


def _needed(start: I8, member: I8, n_points: int, min_points: int) -> list[int]:
    count = np.diff(start)
    covered = np.zeros(n_points, np.bool_)
    large = np.flatnonzero(count >= min_points)
    for block in large:
        covered[member[start[block] : start[block + 1]]] = True
    needed = large.tolist()
    # the largest of the small blocks first: the more points, the better the guess
    small = np.flatnonzero(count < min_points)
    for block in small[np.argsort(-count[small], kind="stable")]:
        points = member[start[block] : start[block + 1]]
        if not covered[points].all():
            covered[points] = True
            needed.append(int(block))
    return sorted(needed)


def predict_points(
    predictor: Predictor,
    spec: GeometrySpec,
    coord: F4,
    color: NDArray[np.uint8] | None,
    *,
    name: str,
    recipe: Recipe,
    n_classes: int,
    instance_points: F8,
    cell_points: float,
    seed: int,
    progress: Progress,
) -> ScenePrediction:
    """Predict class, instance and confidence of every point of a scene.

    Parameters
    ----------
    predictor : Predictor
        Its ``seconds`` gain those of the stages, ``merging`` among them.
    spec : GeometrySpec
        Of the predictor's model.
    coord : float32 (n, 3)
        Metres above the scene's minimum, in any order, n >= 1.
    color : uint8 (n, 3) or None
    name : str
        The scene's name, for seeds and messages.
    recipe : Recipe
        Sizes of blocks and samples.
    n_classes : int
    instance_points : float64 (C,)
        Mean points of a training instance; smaller ones than a quarter of it are dropped, where
        the scene is as dense as the training scenes.
    cell_points : float
        Density of the training scenes, see :func:`mean_cell_points`.
    seed : int
        Seed of the run.
    progress : Progress
        Advanced by the number of points in all; started and finished by the caller.
    """
    order = sort_by_cell(coord.astype(np.float64), recipe.stride_m)
    coord = coord[order]
    color = None if color is None else color[order]
    exact = coord.astype(np.float64)
    cover = cover_scene(exact, recipe, scene_seed(seed, name))
    room_max = exact.max(axis=0)
    votes = np.zeros((len(coord), n_classes), np.float32)
    cluster = np.empty(cover.sample.shape, np.int32)
    classes = np.empty(cover.sample.shape, np.int32)

    def load(first: int, stop: int) -> tuple[F4, Geometry]:
        features = block_features(
            coord, color, cover.sample[first:stop], room_max, block_m=recipe.block_m
        )
        return features, compute_geometry(np.ascontiguousarray(features[:, :, :3]), spec)

    total = len(cover.sample)
    for rows, blocks in predictor.run(load, total, where=name):
        for offset, index in enumerate(range(rows.start, rows.stop)):
            fresh = int(cover.fresh[index])
            # rows of one sample are distinct up to fresh, so plain indexing adds each once
            votes[cover.sample[index, :fresh]] += blocks.probability[offset, :fresh]
        cluster[rows], classes[rows] = blocks.cluster, blocks.semantic
        progress.advance(share(len(coord), rows, total))
    start = time.perf_counter()
    votes /= votes.sum(axis=1, keepdims=True)
    semantic = votes.argmax(axis=1).astype(np.int32)
    confidence = np.take_along_axis(votes, semantic[:, None], axis=1)[:, 0]
    merging = FullMerging(voxel_m=recipe.block_m * CELL_SPACINGS / recipe.n_points**0.5)
    instance = merge_blocks_full(
        exact[cover.sample], cover.sample.astype(np.int64), cluster, classes, len(exact), merging
    )
    density = mean_cell_points(coord, recipe.stride_m) / cell_points
    instance = drop_small(instance, semantic, instance_points * density)
    spent = predictor.seconds.get("merging", 0.0)
    predictor.seconds["merging"] = spent + time.perf_counter() - start
    return ScenePrediction(
        _scatter(order, semantic.astype(np.int16)),
        _scatter(order, instance.astype(np.int32)),
        _scatter(order, confidence),
        len(cover.sample),
    )


def _scatter(order: I8, values: NDArray[T]) -> NDArray[T]:
    """Put the values of sorted points back into the order before sorting."""
    out = np.empty_like(values)
    out[order] = values
    return out
