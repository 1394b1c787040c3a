"""The layout of a store: version, keys of its objects and the table of its arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

FORMAT = "jointcloud"

#: Version that this program writes. It changes when a reader of the old layout would misread.
SCHEMA_VERSION = 1

#: Versions that this program can read.
READABLE_VERSIONS = (1,)

#: Store attributes stand on the root group, those of a finished store on the table of scenes.
ROOT_KEY = "zarr.json"
PARTS_KEY = "parts/zarr.json"
FOLDS_KEY = "folds/zarr.json"
SCENES_KEY = "scenes/zarr.json"

#: Held by the one builder of a store; a group, since Zarr warns about stray files.
LOCK_KEY = "lock/zarr.json"

#: Everything a store owns; a rebuild deletes these and nothing else.
OWN_PREFIXES = ("parts/", "scenes/", "folds/", "lock/")


@dataclass(frozen=True)
class ArraySpec:
    """One array of a group: name, dtype, names of its axes and what it holds."""

    name: str
    dtype: str
    axes: tuple[str, ...]
    about: str


#: Lengths of the axes that are the same in every store.
FIXED_AXES = {"axis": 3, "plane": 2, "bound": 2, "channel": 3}

PART_ARRAYS = (
    ArraySpec("coord", "float32", ("point", "axis"), "metres, relative to the scene's origin"),
    ArraySpec("color", "uint8", ("point", "channel"), "red, green, blue"),
    ArraySpec("normal", "float32", ("point", "axis"), "unit vector"),
    ArraySpec("semantic", "int16", ("point", "level"), "class id, -1 unlabelled"),
    ArraySpec("instance", "int32", ("point", "level"), "instance id in the scene, -1 none"),
    ArraySpec("source", "int64", ("point",), "row of the point in its source"),
    ArraySpec("blocks/scene", "int32", ("block",), "position of the scene in the part"),
    ArraySpec("blocks/corner", "float64", ("block", "plane"), "lower x and y, metres"),
    ArraySpec("blocks/sample", "uint32", ("block", "sample"), "row of the point in its scene"),
    ArraySpec("blocks/counts", "int32", ("block", "level", "class"), "sampled points by class"),
    ArraySpec("instances/scene", "int32", ("instance",), "position of the scene in the part"),
    ArraySpec("instances/level", "int32", ("instance",), "level of labels"),
    ArraySpec("instances/instance", "int32", ("instance",), "instance id in the scene"),
    ArraySpec("instances/class", "int32", ("instance",), "commonest class of its points, -1 none"),
    ArraySpec("instances/count", "int64", ("instance",), "points"),
    ArraySpec("instances/sampled", "int64", ("instance",), "entries in all samples of blocks"),
    ArraySpec("instances/centre", "float64", ("instance", "axis"), "mean of the points, metres"),
    ArraySpec("instances/box", "float64", ("instance", "bound", "axis"), "least, greatest, metres"),
    ArraySpec("regions/scene", "int32", ("region",), "position of the scene in the part"),
    ArraySpec("regions/level", "int32", ("region",), "level of labels"),
    ArraySpec("regions/class", "int32", ("region",), "class id"),
    ArraySpec("regions/instances", "int32", ("region",), "instances of the class"),
    ArraySpec("regions/centre", "float64", ("region", "axis"), "mean of their centres, metres"),
    ArraySpec(
        "msa/sums",
        "float64",
        ("scene", "level", "radius", "class", "neighbour_class"),
        "sum over the class's points of the class histogram of the ball around each",
    ),
    ArraySpec("msa/counts", "int64", ("scene", "level", "class"), "points by class"),
)

#: Arrays that a part lacks when none of its scenes has them.
OPTIONAL_ARRAYS = ("color", "normal")

SCENE_ARRAYS = (
    ArraySpec("part", "int32", ("scene",), "part that holds the scene"),
    ArraySpec("first", "int64", ("scene",), "first row of the scene in its part"),
    ArraySpec("rows", "int64", ("scene",), "points"),
    ArraySpec("blocks", "int32", ("scene",), "blocks"),
    ArraySpec("origin", "float64", ("scene", "axis"), "world position of coord 0, metres"),
    ArraySpec("extent", "float64", ("scene", "axis"), "greatest coordinate, metres"),
)

FOLD_ARRAYS = (
    ArraySpec("train", "int32", ("train",), "training scenes"),
    ArraySpec("test", "int32", ("test",), "test scenes"),
    ArraySpec("vb", "float64", ("level", "class"), "training blocks that hold the class"),
    ArraySpec("op", "float64", ("level", "class"), "original probability"),
    ArraySpec("sp", "float64", ("level", "class"), "sampling probability"),
    ArraySpec("resampled", "int32", ("resampled", "column"), "level, scene, block of the scene"),
    ArraySpec("maps", "float64", ("level", "radius", "class", "neighbour_class"), "rows sum to 1"),
    ArraySpec("instance_size", "float64", ("level", "class"), "mean sampled points of an instance"),
    ArraySpec("instance_points", "float64", ("level", "class"), "mean points of an instance"),
    ArraySpec("class_weight", "float64", ("level", "class"), "1 / share of the points, mean 1"),
)


def part_prefix(index: int) -> str:
    """Return the prefix of a part's objects, ``parts/00007/``."""
    return f"parts/{index:05d}/"


def commit_key(index: int) -> str:
    """Return the key of a part's commit record, a Zarr group whose attributes are the record."""
    return f"{part_prefix(index)}commit/zarr.json"


def fold_prefix(name: str) -> str:
    """Return the prefix of a fold's objects."""
    return f"folds/{name}/"


def array_of(key: str, names: Iterable[str]) -> str:
    """Return the array that an object belongs to, or the key itself for a group's metadata.

    ``key`` is relative to the group, ``names`` are the group's arrays.
    """
    for name in sorted(names, key=len, reverse=True):
        if key.startswith(f"{name}/"):
            return name
    return key
