"""The tables over all parts: scenes and folds, computed from commit records and statistics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.folds import SceneStatistics, fold_sides, reduce_fold
from prep.store.commit import Commit
from prep.store.fetch import read_array
from prep.store.header import StoreHeader
from prep.store.objects import Objects

Arrays = dict[str, NDArray[Any]]

#: The arrays of a part that folds are made from: nothing of the size of the points.
STATISTICS = (
    "blocks/scene",
    "blocks/counts",
    "instances/scene",
    "instances/level",
    "instances/class",
    "instances/count",
    "instances/sampled",
    "msa/sums",
    "msa/counts",
)


@dataclass(frozen=True)
class Tables:
    """Names and groups of all scenes, the arrays of ``scenes/`` and those of each fold."""

    names: tuple[str, ...]
    groups: tuple[str, ...]
    scenes: Arrays
    folds: dict[str, Arrays]
    left_out: dict[str, str]


def compute_tables(
    header: StoreHeader, commits: Sequence[Commit], statistics: Sequence[SceneStatistics]
) -> Tables:
    """Compute everything that stands outside the parts.

    Parameters
    ----------
    header : StoreHeader
    commits : sequence of Commit
        Of all parts, in order.
    statistics : sequence of SceneStatistics
        Of all scenes, part by part.
    """
    rows = [(index, scene) for index, commit in enumerate(commits) for scene in commit.scenes]
    groups = tuple(scene["group"] for _, scene in rows)
    sides, left_out = fold_sides(groups, header.folds)
    n_classes = [len(level.classes) for level in header.labels.levels]
    folds: dict[str, Arrays] = {}
    for name, (train, test) in sides.items():
        reduced = reduce_fold(
            name,
            train,
            [statistics[scene] for scene in train],
            n_classes=n_classes,
            recipe=header.recipe,
        )
        folds[name] = {"train": train, "test": test, **vars(reduced)}
    return Tables(
        names=tuple(scene["name"] for _, scene in rows),
        groups=groups,
        scenes=_scene_arrays(rows),
        folds=folds,
        left_out=left_out,
    )


def read_statistics(objects: Objects, prefix: str, commit: Commit) -> list[SceneStatistics]:
    """Read the statistics of the scenes of one part."""
    arrays = {
        name: read_array(objects, prefix, name, commit.objects.get(name, {})) for name in STATISTICS
    }
    return scene_statistics(arrays, len(commit.scenes))


def scene_statistics(arrays: Mapping[str, NDArray[Any]], n_scenes: int) -> list[SceneStatistics]:
    """Split the statistics of a part by scene."""
    statistics = []
    for scene in range(n_scenes):
        instances = arrays["instances/scene"] == scene
        statistics.append(
            SceneStatistics(
                blocks=arrays["blocks/counts"][arrays["blocks/scene"] == scene],
                instance_level=arrays["instances/level"][instances],
                instance_class=arrays["instances/class"][instances],
                instance_points=arrays["instances/count"][instances],
                instance_sampled=arrays["instances/sampled"][instances],
                sums=arrays["msa/sums"][scene],
                counts=arrays["msa/counts"][scene],
            )
        )
    return statistics


def _scene_arrays(rows: Sequence[tuple[int, Mapping[str, Any]]]) -> Arrays:
    part = np.array([index for index, _ in rows], np.int32)
    points = np.array([scene["rows"] for _, scene in rows], np.int64)
    first = np.zeros(len(rows), np.int64)
    for i in range(1, len(rows)):
        first[i] = first[i - 1] + points[i - 1] if part[i] == part[i - 1] else 0
    return {
        "part": part,
        "first": first,
        "rows": points,
        "blocks": np.array([scene["blocks"] for _, scene in rows], np.int32),
        "origin": np.array([scene["origin"] for _, scene in rows], np.float64).reshape(-1, 3),
        "extent": np.array([scene["extent"] for _, scene in rows], np.float64).reshape(-1, 3),
    }
