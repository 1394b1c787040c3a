"""The stages of a build: plain functions over arrays, in a table with their versions.

A stage's version enters every part's digest. Whoever changes what a stage (or a kernel that it
calls) puts into the store bumps it, and stores built before are refused instead of mixed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prep.errors import OptionError, SourceError
from prep.kernels.blocks import block_corners, cut_blocks
from prep.kernels.centres import instance_table, region_table
from prep.kernels.grid import index_cells, sort_by_cell
from prep.kernels.msa import neighbour_sums
from prep.kernels.sampling import count_classes, draw_samples
from prep.labels import Labels
from prep.readers import READERS
from prep.recipe import Recipe
from prep.scene import OnDefect, Scene, SceneSource
from prep.seeding import scene_seed

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]

#: Greatest extent of a scene, metres: float32 still tells 8 mm apart there.
MAX_EXTENT_M = 1e5


class Blocks(NamedTuple):
    """The points of the blocks of a scene, as :func:`prep.kernels.blocks.cut_blocks` gives them."""

    corner: F8
    kept: I8
    start: I8
    member: I8


def read(*, source: SceneSource, reader: str, labels: Labels, on_defect: OnDefect) -> Scene:
    """Read one scene with the reader of that name, and check what it returns."""
    scene = READERS[reader].read_scene(source, labels=labels, on_defect=on_defect)
    if (scene.name, scene.group) != (source.name, source.group):
        raise ValueError(f"reader {reader} gave {scene.name} for {source.name}")
    _check_scene(scene, [len(level.classes) for level in labels.levels])
    return scene


def order(*, scene: Scene, recipe: Recipe) -> tuple[Scene, F8, F8]:
    """Shift a scene to its minimum and sort its points by cell of the stride.

    Returns
    -------
    scene : Scene
        All columns in cell order; ``xyz`` float64 relative to ``origin``.
    origin, extent : float64 (3,)
        Least world coordinates, and greatest coordinates relative to them, metres.
    """
    origin = scene.xyz.min(axis=0)
    xyz = scene.xyz - origin
    try:
        rows = sort_by_cell(xyz, recipe.stride_m)
    except OptionError as error:
        raise OptionError(f"{scene.name}: {error}") from error
    ordered = Scene(
        name=scene.name,
        group=scene.group,
        xyz=xyz[rows],
        color=None if scene.color is None else scene.color[rows],
        normal=None if scene.normal is None else scene.normal[rows],
        semantic=scene.semantic[rows],
        instance=scene.instance[rows],
        source=scene.source[rows],
        n_read=scene.n_read,
        defects=scene.defects,
    )
    return ordered, origin, xyz.max(axis=0)


def cut(*, xyz: F8, extent: F8, recipe: Recipe) -> Blocks:
    """Cut points in cell order into overlapping blocks, serpentine order."""
    corners = block_corners(float(extent[0]), float(extent[1]), recipe.block_m, recipe.stride_m)
    cells = index_cells(xyz, recipe.stride_m)
    kept, start, member = cut_blocks(xyz, cells, corners, recipe.block_m, recipe.min_points)
    return Blocks(corners[kept], kept, start, member)


def draw(*, blocks: Blocks, source: I8, name: str, recipe: Recipe) -> NDArray[np.uint32]:
    """Draw the sample of each block, seeded by the scene's name, uint32 (b, n_points)."""
    return draw_samples(
        blocks.kept,
        blocks.start,
        blocks.member,
        source,
        n_points=recipe.n_points,
        with_replacement=recipe.draw == "with_replacement",
        seed=scene_seed(recipe.seed, name),
    )


def count(
    *, sample: NDArray[np.uint32], semantic: NDArray[np.int16], n_classes: int
) -> NDArray[np.int32]:
    """Count the sampled points of each block by class, int32 (b, n_classes)."""
    return count_classes(sample, semantic, n_classes)


def instances(
    *,
    coord: NDArray[np.float32],
    semantic: NDArray[np.int16],
    instance: NDArray[np.int32],
    sample: NDArray[np.uint32],
) -> dict[str, NDArray[Any]]:
    """Tabulate the instances of one level, by ascending id.

    Returns
    -------
    dict of str to array (k, …)
        ``instance``, ``class``, ``count``, ``sampled``, ``centre``, ``box`` as in the store.
        ``sampled`` counts the entries of an instance in the samples of all blocks, a point as
        often as it was drawn: the size that the published code compares with (ASIS
        ``estimate_mean_ins_size.py``).
    """
    ids = np.unique(instance[instance >= 0])
    table = instance_table(coord, semantic, instance)
    drawn = np.bincount(sample.reshape(-1), minlength=instance.size)
    sampled = np.zeros(ids.size, np.int64)
    has = instance >= 0
    np.add.at(sampled, np.searchsorted(ids, instance[has]), drawn[has])
    return {
        "instance": ids.astype(np.int32),
        "class": table.class_id,
        "count": table.size,
        "sampled": sampled,
        "centre": table.centre,
        "box": table.box,
    }


def regions(*, table: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Tabulate the semantic regions of one level from its instances, by ascending class.

    Returns
    -------
    dict of str to array (k, …)
        ``class``, ``instances``, ``centre`` as in the store.
    """
    region = region_table(table["class"], table["centre"])
    return {"class": region.class_id, "instances": region.instances, "centre": region.centre}


def associate(
    *,
    coord: NDArray[np.float32],
    semantic: NDArray[np.int16],
    n_classes: int,
    recipe: Recipe,
) -> tuple[F8, I8]:
    """Sum the class histograms of neighbourhoods by class of their centre.

    Returns
    -------
    sums : float64 (R, C, C)
    counts : int64 (C,)
    """
    sums, counts = neighbour_sums(coord, semantic, n_classes, np.array(recipe.msa_radii_m))
    return sums, counts


@dataclass(frozen=True)
class Stage:
    """A stage's function and the version of its output."""

    function: Callable[..., Any]
    version: int


STAGES: dict[str, Stage] = {
    "read": Stage(read, 1),
    "order": Stage(order, 1),
    "cut": Stage(cut, 1),
    "draw": Stage(draw, 1),
    "count": Stage(count, 1),
    "instances": Stage(instances, 1),
    "regions": Stage(regions, 1),
    "associate": Stage(associate, 1),
}


def stage_versions() -> dict[str, int]:
    """Return name → version of all stages."""
    return {name: stage.version for name, stage in STAGES.items()}


def _check_scene(scene: Scene, n_classes: list[int]) -> None:
    """Refuse a scene that would make a broken store, whoever read it."""

    def refuse(found: str, wanted: str) -> None:
        raise SourceError(
            scene=scene.name,
            found=found,
            wanted=wanted,
            remedy="correct the source or leave the scene out",
        )

    n, n_levels = scene.n_points, len(n_classes)
    if n == 0:
        refuse("no points", "at least 1")
    if not np.isfinite(scene.xyz).all():
        refuse("a coordinate that is not finite", "numbers in metres")
    extent = scene.xyz.max(axis=0) / 2 - scene.xyz.min(axis=0) / 2  # halves cannot overflow
    if extent.max() > MAX_EXTENT_M / 2:
        refuse(f"points {2 * float(extent.max()):.6g} m apart", f"metres, at most {MAX_EXTENT_M:g}")
    dropped = sum(d.dropped for d in scene.defects)
    if scene.n_read != n + dropped:
        refuse(f"{n} points and {dropped} dropped of {scene.n_read} read", "a balance")
    for name, array in (("semantic", scene.semantic), ("instance", scene.instance)):
        if array.shape != (n, n_levels):
            refuse(f"{name} labels of shape {array.shape}", f"{(n, n_levels)}")
        if array.size and array.min() < -1:
            refuse(f"{name} label {array.min()}", "-1 (none) or more")
    for level, classes in enumerate(n_classes):
        top = scene.semantic[:, level].max()
        if top >= classes:
            refuse(f"class id {top} at level {level}", f"less than {classes}")
