"""What must hold inside a part, whatever wrote it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep import stages
from prep.store.commit import Commit
from prep.store.header import StoreHeader
from prep.store.schema import FIXED_AXES, OPTIONAL_ARRAYS, PART_ARRAYS

Arrays = Mapping[str, NDArray[Any]]
Faults = Iterator[str]


def check_part(header: StoreHeader, commit: Commit, arrays: Arrays) -> list[str]:
    """Return one line per invariant of a part that does not hold, naming the array.

    Parameters
    ----------
    header : StoreHeader
    commit : Commit
        The part's record.
    arrays : dict of str to array
        All arrays of the part.
    """
    faults = [*_check_balance(commit), *_check_shapes(header, commit, arrays)]
    if faults:
        return faults
    first = 0
    for scene, row in enumerate(commit.scenes):
        points = slice(first, first + row["rows"])
        first = points.stop
        for check in (_check_points, _check_blocks, _check_labels):
            found = list(check(header, row, scene, points, arrays))
            faults += [f"{fault} (scene {row['name']})" for fault in found]
            if found:
                break  # what follows would trip over the same
    return faults


def _check_balance(commit: Commit) -> Faults:
    dropped: dict[str, int] = {}
    for defect in commit.defects:
        dropped[defect.scene] = dropped.get(defect.scene, 0) + defect.dropped
    for scene in commit.scenes:
        name, lost = scene["name"], dropped.get(scene["name"], 0)
        if scene["read"] != scene["rows"] + lost or scene["dropped"] != lost:
            yield (
                f"commit: scene {name} read {scene['read']} points, stored {scene['rows']} and "
                f"logged {lost} as dropped"
            )


def _check_shapes(header: StoreHeader, commit: Commit, arrays: Arrays) -> Faults:
    classes = [len(level.classes) for level in header.labels.levels]
    lengths = {
        **FIXED_AXES,
        "point": commit.points,
        "scene": len(commit.scenes),
        "block": sum(scene["blocks"] for scene in commit.scenes),
        "instance": sum(sum(scene["instances"]) for scene in commit.scenes),
        "level": len(classes),
        "class": max(classes, default=0),
        "neighbour_class": max(classes, default=0),
        "radius": len(header.recipe.msa_radii_m),
        "sample": header.recipe.n_points,
    }
    for spec in PART_ARRAYS:
        if spec.name not in arrays:
            if spec.name not in OPTIONAL_ARRAYS:
                yield f"{spec.name}: missing"
            continue
        array = arrays[spec.name]
        lengths.setdefault(spec.axes[0], array.shape[0] if array.ndim else 0)
        wanted = tuple(lengths[axis] for axis in spec.axes)
        if array.shape != wanted or array.dtype != spec.dtype:
            yield f"{spec.name}: {array.dtype} {array.shape}, wanted {spec.dtype} {wanted}"


def _check_points(
    header: StoreHeader, row: Mapping[str, Any], scene: int, points: slice, arrays: Arrays
) -> Faults:
    coord = arrays["coord"][points]
    top = np.array(row["extent"], np.float64).astype(np.float32)
    if not np.isfinite(coord).all():
        yield "coord: a value that is not finite"
    elif coord.min(axis=0).any() or (coord.max(axis=0) != top).any():
        yield f"coord: spans {coord.min(axis=0)} to {coord.max(axis=0)}, wanted 0 to {top}"
    for level, info in enumerate(header.labels.levels):
        semantic = arrays["semantic"][points, level]
        if semantic.min() < -1 or semantic.max() >= len(info.classes):
            yield f"semantic: class id outside -1 to {len(info.classes) - 1}"
    if arrays["instance"][points].min(initial=0) < -1:
        yield "instance: id below -1"
    source = np.sort(arrays["source"][points])
    if source[0] < 0 or source[-1] >= row["read"] or not np.diff(source).all():
        yield f"source: rows that repeat or lie outside 0 to {row['read'] - 1}"


def _check_blocks(
    header: StoreHeader, row: Mapping[str, Any], scene: int, points: slice, arrays: Arrays
) -> Faults:
    mine = arrays["blocks/scene"] == scene
    if np.count_nonzero(mine) != row["blocks"] or np.any(np.diff(arrays["blocks/scene"]) < 0):
        yield "blocks/scene: not as many blocks, scene by scene, as the record says"
        return
    sample = arrays["blocks/sample"][mine]
    if sample.size and sample.max() >= row["rows"]:
        yield "blocks/sample: a row past the scene's last"
        return
    plane = arrays["coord"][points, :2].astype(np.float64)
    low = arrays["blocks/corner"][mine]
    slack = np.spacing(np.float32(max(row["extent"][:2])))
    for corner, rows in zip(low, sample, strict=True):
        off = plane[rows] - corner
        if off.min() < -slack or off.max() > header.recipe.block_m + slack:
            yield f"blocks/sample: a point outside the block at {corner}"
            break
    for level, info in enumerate(header.labels.levels):
        semantic = np.ascontiguousarray(arrays["semantic"][points, level])
        recount = stages.count(sample=sample, semantic=semantic, n_classes=len(info.classes))
        stored = arrays["blocks/counts"][mine, level]
        yield from _compare("blocks/counts", stored[:, : len(info.classes)], recount)
        if stored[:, len(info.classes) :].any():
            yield "blocks/counts: points of classes that the level does not have"


def _check_labels(
    header: StoreHeader, row: Mapping[str, Any], scene: int, points: slice, arrays: Arrays
) -> Faults:
    """Compare the tables of instances and regions, and the points by class, with a recount."""
    coord = arrays["coord"][points]
    sample = arrays["blocks/sample"][arrays["blocks/scene"] == scene]
    for level, info in enumerate(header.labels.levels):
        n = len(info.classes)
        semantic = np.ascontiguousarray(arrays["semantic"][points, level])
        instance = np.ascontiguousarray(arrays["instance"][points, level])
        table = stages.instances(coord=coord, semantic=semantic, instance=instance, sample=sample)
        for group, columns in (("instances", table), ("regions", stages.regions(table=table))):
            at = (arrays[f"{group}/scene"] == scene) & (arrays[f"{group}/level"] == level)
            for name, column in columns.items():
                stored = f"{group}/{name}"
                yield from _compare(stored, arrays[stored][at], column)
        recount = np.bincount(semantic[semantic >= 0], minlength=n)
        yield from _compare("msa/counts", arrays["msa/counts"][scene, level, :n], recount)
        sums = arrays["msa/sums"][scene, level, :, :n, :n].sum(axis=2)
        if not np.allclose(sums, recount, rtol=1e-6, atol=1e-6):
            yield "msa/sums: rows do not add up to the points of the class"


def _compare(name: str, stored: NDArray[Any], recomputed: NDArray[Any]) -> Faults:
    if not np.array_equal(stored, recomputed):
        yield f"{name}: not what the points give"
