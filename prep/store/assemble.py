"""The arrays of a part, gathered scene by scene."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep import stages
from prep.recipe import Recipe
from prep.scene import Scene
from prep.store.header import StoreHeader
from prep.store.schema import FIXED_AXES, PART_ARRAYS, ArraySpec

Array = NDArray[Any]


class Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Add the time inside to a stage."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - begin
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent


class PartArrays:
    """Collects the arrays of the scenes of a part; a scene's own memory can go after each."""

    def __init__(self, header: StoreHeader) -> None:
        self.header = header
        self.n_classes = [len(level.classes) for level in header.labels.levels]
        self.pieces: dict[str, list[Array]] = {spec.name: [] for spec in PART_ARRAYS}
        self.scenes: list[dict[str, Any]] = []

    def add(self, scene: Scene, clock: Clock) -> None:
        """Run all stages of a scene that was just read, and keep what goes into the store."""
        recipe = self.header.recipe
        here = len(self.scenes)
        read, dropped = scene.n_read, sum(d.dropped for d in scene.defects)
        with clock.time("order"):
            scene, origin, extent = stages.order(scene=scene, recipe=recipe)
            coord = scene.xyz.astype(np.float32)
        with clock.time("cut"):
            blocks = stages.cut(xyz=scene.xyz, extent=extent, recipe=recipe)
        with clock.time("draw"):
            sample = stages.draw(blocks=blocks, source=scene.source, name=scene.name, recipe=recipe)
        self._keep("coord", coord)
        self._keep("semantic", scene.semantic)
        self._keep("instance", scene.instance)
        self._keep("source", scene.source)
        for name, column in (("color", scene.color), ("normal", scene.normal)):
            kind = np.uint8 if name == "color" else np.float32
            missing: Array = np.broadcast_to(np.zeros(3, kind), coord.shape)
            self._keep(name, missing if column is None else column)
        self._keep("blocks/scene", np.full(len(sample), here, np.int32))
        self._keep("blocks/corner", blocks.corner)
        self._keep("blocks/sample", sample)
        numbers = self._add_levels(here, coord, scene, sample, clock, recipe)
        self.scenes.append(
            {
                "name": scene.name,
                "group": scene.group,
                "rows": scene.n_points,
                "read": read,
                "dropped": dropped,
                "blocks": len(sample),
                "instances": numbers,
                "color": scene.color is not None,
                "normal": scene.normal is not None,
                "origin": origin.tolist(),
                "extent": extent.tolist(),
            }
        )

    def take(self, spec: ArraySpec) -> Array | None:
        """Join the pieces of one array and let go of them; None for an optional one."""
        pieces = self.pieces.pop(spec.name)
        if spec.name in ("color", "normal") and not any(s[spec.name] for s in self.scenes):
            return None
        if pieces:
            return np.concatenate(pieces)
        lengths = {
            "level": len(self.n_classes),
            "class": self._most_classes,
            "neighbour_class": self._most_classes,
            "sample": self.header.recipe.n_points,
            "radius": len(self.header.recipe.msa_radii_m),
            **FIXED_AXES,
        }
        return np.empty((0, *(lengths[axis] for axis in spec.axes[1:])), spec.dtype)

    @property
    def _most_classes(self) -> int:
        return max(self.n_classes, default=0)

    def _keep(self, name: str, array: Array) -> None:
        self.pieces[name].append(array)

    def _add_levels(
        self,
        here: int,
        coord: NDArray[np.float32],
        scene: Scene,
        sample: NDArray[np.uint32],
        clock: Clock,
        recipe: Recipe,
    ) -> list[int]:
        """Keep what depends on labels, level by level; return the numbers of instances."""
        most, radii = self._most_classes, len(recipe.msa_radii_m)
        n_levels = len(self.n_classes)
        counts = np.zeros((len(sample), n_levels, most), np.int32)
        sums = np.zeros((1, n_levels, radii, most, most))
        points = np.zeros((1, n_levels, most), np.int64)
        numbers = []
        for level, n in enumerate(self.n_classes):
            semantic = np.ascontiguousarray(scene.semantic[:, level])
            instance = np.ascontiguousarray(scene.instance[:, level])
            with clock.time("count"):
                counts[:, level, :n] = stages.count(sample=sample, semantic=semantic, n_classes=n)
            with clock.time("centres"):
                table = stages.instances(
                    coord=coord, semantic=semantic, instance=instance, sample=sample
                )
                regions = stages.regions(table=table)
            with clock.time("associate"):
                sums[0, level, :, :n, :n], points[0, level, :n] = stages.associate(
                    coord=coord, semantic=semantic, n_classes=n, recipe=recipe
                )
            self._keep_table("instances", here, level, table)
            self._keep_table("regions", here, level, regions)
            numbers.append(table["instance"].size)
        self._keep("blocks/counts", counts)
        self._keep("msa/sums", sums)
        self._keep("msa/counts", points)
        return numbers

    def _keep_table(self, group: str, scene: int, level: int, columns: dict[str, Array]) -> None:
        rows = len(columns["class"])
        self._keep(f"{group}/scene", np.full(rows, scene, np.int32))
        self._keep(f"{group}/level", np.full(rows, level, np.int32))
        for name, column in columns.items():
            self._keep(f"{group}/{name}", column)
