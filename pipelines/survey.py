"""What a store, a raw folder or a cloud holds: counts, density, extent, and a view of one scene."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.catalog_parse import DatasetEntry
from pipelines.plan import estimate_points, find_scenes
from prep.errors import OptionError, StoreError

if TYPE_CHECKING:
    from prep.labels import Labels
    from prep.store import Store


@dataclass(frozen=True)
class Cloud:
    """Points of one scene ready to be shown; label columns are of one level, −1 unlabelled."""

    name: str
    xyz: NDArray[np.floating]
    color: NDArray[np.uint8] | None
    semantic: NDArray[np.integer]
    instance: NDArray[np.integer]
    labels: Labels | None


def survey_store(store: Store) -> dict[str, Any]:
    """Count the points, instances and blocks of a store by class and by scene.

    Only the small tables of the store are read, no points.
    """
    labels, scenes = store.labels, store.scenes
    n_classes = [len(level.classes) for level in labels.levels]
    points = np.zeros((len(n_classes), max(n_classes)), np.int64)
    instances = np.zeros_like(points)
    without_class = np.zeros(len(n_classes), np.int64)
    for index in range(store.n_parts):
        part = store.part(index, ["msa/counts", "instances/level", "instances/class"])
        points += part["msa/counts"].sum(axis=0)
        level, klass = part["instances/level"], part["instances/class"]
        np.add.at(instances, (level[klass >= 0], klass[klass >= 0]), 1)
        np.add.at(without_class, level[klass < 0], 1)
    total = int(scenes.rows.sum())
    floor_m2 = scenes.extent[:, 0] * scenes.extent[:, 1]
    return {
        "kind": "store",
        "path": str(store.path),
        "dataset": store.dataset,
        "digest": store.digest,
        "scenes": len(scenes.names),
        "points": total,
        "blocks": int(scenes.blocks.sum()),
        "floor_m2": float(floor_m2.sum()),
        "points_per_m2": total / float(floor_m2.sum()) if floor_m2.sum() > 0 else None,
        "levels": [
            {
                "name": level.name,
                "unlabelled_points": total - int(points[k].sum()),
                "instances_without_class": int(without_class[k]),
                "classes": [
                    {
                        "id": c.id,
                        "name": c.name,
                        "points": int(points[k, c.id]),
                        "share": int(points[k, c.id]) / total if total else None,
                        "instances": int(instances[k, c.id]),
                    }
                    for c in level.classes
                ],
            }
            for k, level in enumerate(labels.levels)
        ],
        "folds": [_survey_fold(store, name) for name in store.folds],
        "by_scene": [
            {
                "name": name,
                "group": scenes.groups[k],
                "points": int(scenes.rows[k]),
                "blocks": int(scenes.blocks[k]),
                "extent_m": scenes.extent[k].tolist(),
                "points_per_m2": float(scenes.rows[k] / floor_m2[k]) if floor_m2[k] > 0 else None,
            }
            for k, name in enumerate(scenes.names)
        ],
    }


def survey_raw(entry: DatasetEntry, root: Path) -> dict[str, Any]:
    """List the scenes of a raw folder with their sizes; no point is read."""
    sources = find_scenes(entry, root)
    found = Counter(source.group for source in sources)
    return {
        "kind": "raw",
        "path": str(root),
        "dataset": entry.name,
        "scenes": len(sources),
        "bytes": sum(source.n_bytes for source in sources),
        "points_estimated": sum(estimate_points(source) for source in sources),
        "groups": [
            {"name": group, "found": found[group], "expected": entry.groups.get(group)}
            for group in sorted({*found, *entry.groups})
        ],
        "by_scene": [{"name": s.name, "files": len(s.files), "bytes": s.n_bytes} for s in sources],
    }


def survey_cloud(cloud: Cloud, path: Path) -> dict[str, Any]:
    """Count the points of one cloud."""
    n = len(cloud.xyz)
    extent = np.ptp(cloud.xyz, axis=0) if n else np.zeros(3)
    floor_m2 = float(extent[0] * extent[1])
    classes, counts = np.unique(cloud.semantic[cloud.semantic >= 0], return_counts=True)
    return {
        "kind": "cloud",
        "path": str(path),
        "points": n,
        "least_m": cloud.xyz.min(axis=0).tolist() if n else None,
        "extent_m": extent.tolist(),
        "points_per_m2": n / floor_m2 if floor_m2 > 0 else None,
        "color": cloud.color is not None,
        "unlabelled_points": int((cloud.semantic < 0).sum()),
        "classes": {int(c): int(k) for c, k in zip(classes, counts, strict=True)},
        "instances": len(np.unique(cloud.instance[cloud.instance >= 0])),
    }


def store_scene(store: Store, name: str | None) -> Cloud:
    """Read one scene of a store, the first one without ``name``, at the first level."""
    scenes = store.scenes
    if not scenes.names:
        raise StoreError(f"{store.path}: no scene in it; nothing to show")
    index = 0 if name is None else scenes.index(name)
    part = store.part(int(scenes.part[index]), ["coord", "color", "semantic", "instance"])
    rows = slice(int(scenes.first[index]), int(scenes.first[index] + scenes.rows[index]))
    return Cloud(
        scenes.names[index],
        part.coord[rows],
        None if part.color is None else part.color[rows],
        part.semantic[rows, 0],
        part.instance[rows, 0],
        store.labels,
    )


def raw_scene(entry: DatasetEntry, root: Path, name: str | None) -> Cloud:
    """Read one scene of a raw folder, the first one without ``name``."""
    from prep.readers import READERS

    sources = find_scenes(entry, root)
    chosen = [source for source in sources if name in (None, source.name)]
    if not chosen:
        raise OptionError(f"--scene {name}: no such scene below {root}; it has {sources[0].name} …")
    scene = READERS[entry.reader].read_scene(chosen[0], labels=entry.labels, on_defect="repair")
    labels = (scene.semantic[:, 0], scene.instance[:, 0], entry.labels)
    return Cloud(scene.name, scene.xyz, scene.color, *labels)


def file_cloud(path: Path) -> Cloud:
    """Read one cloud file, labelled or not."""
    from prep.readers.cloud import read_cloud

    scene = read_cloud(path, columns=None)
    return Cloud(
        path.stem, scene.xyz, scene.color, scene.semantic[:, 0], scene.instance[:, 0], None
    )


def paint(cloud: Cloud, by: str) -> NDArray[np.uint8]:
    """Return the colour of each point, uint8 (n, 3).

    Parameters
    ----------
    cloud : Cloud
    by : {"class", "instance", "rgb"}
        Grey where the cloud has no such thing.
    """
    from pipelines.pictures import GREY, class_colors, instance_colors

    if by == "rgb":
        grey = np.broadcast_to(np.array(GREY, np.uint8), (len(cloud.xyz), 3))
        return grey if cloud.color is None else cloud.color
    if by == "class" and cloud.labels is not None:
        colors = [c.color for c in cloud.labels.levels[0].classes]
        return class_colors(cloud.semantic, colors)
    return instance_colors(cloud.semantic if by == "class" else cloud.instance)


def draw(cloud: Cloud, by: str | None) -> bytes:
    """Return a PNG of a cloud; a room is shown without its ceiling and nearer walls.

    Parameters
    ----------
    cloud : Cloud
    by : {"class", "instance", "rgb"}, optional
        By default all of them side by side, of what the cloud has.
    """
    from pipelines.pictures import encode_png, scene_picture
    from pipelines.render import choose_view, open_box, render_cloud

    classes = [] if cloud.labels is None else cloud.labels.levels[0].classes
    if by is None and classes and (cloud.semantic >= 0).any():
        table = [(c.name, c.color) for c in classes]
        return encode_png(
            scene_picture(cloud.xyz, cloud.color, cloud.semantic, cloud.instance, table)
        )
    ceiling = None
    names = [c.name for c in classes]
    if "ceiling" in names:
        ceiling = cloud.semantic == names.index("ceiling")
    view = choose_view(cloud.xyz, ceiling=ceiling)
    shown = np.ones(len(cloud.xyz), bool)
    if ceiling is not None:
        shown = open_box(cloud.xyz, view, ceiling=ceiling)
    return encode_png(render_cloud(cloud.xyz[shown], paint(cloud, by or "rgb")[shown], view))


def _survey_fold(store: Store, name: str) -> dict[str, Any]:
    fold = store.fold(name)
    rows = store.scenes.rows
    return {
        "name": name,
        "train_scenes": len(fold.train),
        "test_scenes": len(fold.test),
        "train_points": int(rows[fold.train].sum()),
        "test_points": int(rows[fold.test].sum()),
        "blocks_added_by_water_filling": len(fold.resampled),
    }
