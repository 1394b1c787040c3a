"""A store of a few tiny rooms, built through the real reader and the real stages."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from prep.labels import ClassInfo, Labels, Level
from prep.readers import READERS
from prep.recipe import Recipe
from prep.store import (
    PartTask,
    StoreHeader,
    build_part,
    create_store,
    finish_store,
    hold_store,
)

LABELS = Labels(
    (
        Level(
            "class",
            (
                ClassInfo(0, "floor", (90, 90, 90)),
                ClassInfo(1, "box", (200, 60, 40)),
                ClassInfo(2, "pole", (40, 80, 200)),
            ),
        ),
    )
)

RECIPE = Recipe(n_points=96, min_points=20, wfs_threshold=5, msa_radii_m=(0.2,), seed=7)


def make_room(seed: int, *, points: int = 900, colored: bool = True) -> dict[str, np.ndarray]:
    """A floor of 1.6 by 1.3 m with two boxes and a pole, far from the origin.

    Returns columns by name; about one point in fifty has no label.
    """
    rng = np.random.default_rng(seed)
    n = points // 4
    floor = np.c_[rng.uniform(0, 1.6, n * 2), rng.uniform(0, 1.3, n * 2), np.zeros(n * 2)]
    boxes = [rng.uniform(0, 0.3, (n // 2, 3)) + at for at in ([0.1, 0.1, 0.1], [1.1, 0.8, 0.1])]
    pole = np.c_[rng.normal(0.9, 0.02, n), rng.normal(0.3, 0.02, n), rng.uniform(0, 1, n)]
    xyz = np.concatenate([floor, *boxes, pole])
    sizes = [len(floor), len(boxes[0]), len(boxes[1]), len(pole)]
    semantic = np.repeat([0, 1, 1, 2], sizes)
    instance = np.repeat([0, 1, 2, 3], sizes)
    semantic[rng.random(len(xyz)) < 0.02] = -1
    instance[semantic < 0] = -1
    color = np.array([c.color for c in LABELS.levels[0].classes])[semantic.clip(0)]
    color = (color + rng.integers(-20, 20, color.shape)).clip(0, 255)
    order = rng.permutation(len(xyz))
    columns = {
        **{name: xyz[order, i] + 4000.0 for i, name in enumerate("xyz")},
        "semantic": semantic[order].astype(np.int32),
        "instance": instance[order].astype(np.int32),
    }
    if colored:
        names = ("red", "green", "blue")
        columns |= {name: color[order, i].astype(np.uint8) for i, name in enumerate(names)}
    return columns


def build_tiny_store(
    folder: Path, *, rooms: int = 3, colored: bool = True, recipe: Recipe = RECIPE
) -> Path:
    """Build ``folder/tiny.zarr``: groups a and b, fold ``b`` tests b, two rooms in a part."""
    raw = folder / "raw"
    for index in range(rooms):
        group = raw / ("b" if index == rooms - 1 else "a")
        group.mkdir(parents=True, exist_ok=True)
        np.savez(group / f"room_{index}.npz", **make_room(index, colored=colored))
    sources = READERS["cloud"].list_scenes(raw, labels=LABELS, options={})
    parts = [tuple(sources[i : i + 2]) for i in range(0, len(sources), 2)]
    header = StoreHeader(
        dataset="tiny",
        labels=LABELS,
        recipe=recipe,
        reader="cloud",
        n_parts=len(parts),
        groups=("a", "b"),
        folds={"b": ("b",)},
    )
    store = folder / "tiny.zarr"
    with hold_store(store):
        create_store(store, header)
        for index, scenes in enumerate(parts):
            build_part(PartTask(str(store), index, scenes))
        finish_store(store)
    return store
