"""A cloud with its predicted classes and instances, as PLY."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from plyfile import PlyData, PlyElement, PlyListProperty

from prep.errors import OptionError, SourceError
from prep.readers.ply import VERTEX, read_ply
from prep.scene import Scene

ADDED = {"semantic": "i2", "instance": "i4", "confidence": "f4"}
"""Properties that are added to each vertex, and their types."""

UNLABELLED_COLOR = (128, 128, 128)


def write_labelled_ply(
    out: Path,
    *,
    scene: Scene,
    semantic: NDArray[np.integer[Any]],
    instance: NDArray[np.integer[Any]],
    confidence: NDArray[np.floating[Any]],
    source: Path | None = None,
    label_colors: NDArray[np.uint8] | None = None,
) -> None:
    """Write every input point, in the input's order, with its prediction.

    Where the source is a PLY, its vertex properties, faces, other elements and comments are kept,
    and ASCII stays ASCII; binary files come out little-endian. An input property that has the
    name of an added one is kept as ``input_NAME``. From other sources x y z (float64), colours and
    normals are written. The file appears whole or not at all.

    Parameters
    ----------
    out : Path
        File to write; an older one is replaced.
    scene : Scene
        As read from ``source``.
    semantic, instance, confidence : (n,) arrays
        By point of the scene. Rows of the source that the reader left out get −1, −1 and 0; their
        coordinates are NaN where the source is not a PLY.
    source : Path, optional
        File that the scene was read from.
    label_colors : uint8 (C, 3), optional
        Paint the points by class instead of their own colours (which are then not kept);
        unlabelled ones are grey.

    Raises
    ------
    OptionError
        ``out`` is the source itself, or cannot be written.
    SourceError
        The source PLY cannot be read, or is not the one that the scene was read from.
    """
    if source is not None and out.exists() and out.samefile(source):
        raise OptionError(f"output {out} is the input itself; give another name")
    given = {"semantic": semantic, "instance": instance, "confidence": confidence}
    for name, values in given.items():
        if values.shape != (scene.n_points,):
            raise ValueError(f"{name} has shape {values.shape}, not ({scene.n_points},)")
    added = {
        name: _spread(values, scene.source, scene.n_read, 0 if name == "confidence" else -1)
        for name, values in given.items()
    }
    columns = {name: (ADDED[name], values) for name, values in added.items()}
    if label_colors is not None:
        palette = np.vstack([label_colors, [UNLABELLED_COLOR]]).astype(np.uint8)
        painted = palette[added["semantic"]]
        for k, name in enumerate(("red", "green", "blue")):
            columns[name] = ("u1", painted[:, k])
    if source is not None and source.suffix.lower() == ".ply":
        data = _extend(source, scene, columns)
    else:
        data = PlyData([_describe({**_scene_columns(scene), **columns}, {})], byte_order="<")
    _write(data, out)


def _spread(
    values: NDArray[Any], rows: NDArray[np.int64], n_read: int, missing: int
) -> NDArray[Any]:
    """Return values by row of the source."""
    spread = np.full(n_read, missing, dtype=values.dtype)
    spread[rows] = values
    return spread


def _scene_columns(scene: Scene) -> dict[str, tuple[str, NDArray[Any]]]:
    columns: dict[str, tuple[str, NDArray[Any]]] = {}
    xyz = np.full((scene.n_read, 3), np.nan)
    xyz[scene.source] = scene.xyz
    for k, name in enumerate("xyz"):
        columns[name] = ("f8", xyz[:, k])
    for names, dtype, values in (
        (("nx", "ny", "nz"), "f4", scene.normal),
        (("red", "green", "blue"), "u1", scene.color),
    ):
        if values is not None:
            for k, name in enumerate(names):
                columns[name] = (dtype, _spread(values[:, k], scene.source, scene.n_read, 0))
    return columns


def _extend(source: Path, scene: Scene, columns: dict[str, tuple[str, NDArray[Any]]]) -> PlyData:
    """Return the source with columns added to its vertices, in place of older ones."""
    data = read_ply(source, scene=scene.name)
    vertex = data[VERTEX]
    if len(vertex.data) != scene.n_read:
        raise SourceError(
            scene=scene.name,
            file=str(source),
            found=f"{len(vertex.data)} vertices",
            wanted=f"the {scene.n_read} that were read before",
            remedy="predict again, the file has changed",
        )
    old = vertex.data.dtype.names or ()
    kept: dict[str, tuple[str, NDArray[Any]]] = {}
    for name in old:
        values = vertex.data[name]
        kind = values.dtype.str[1:] if values.dtype != object else "O"
        if name not in columns:
            kept[name] = (kind, values)
        elif name in ADDED and f"input_{name}" not in old:
            kept[f"input_{name}"] = (kind, values)
    lists = {p.name: p for p in vertex.properties if isinstance(p, PlyListProperty)}
    extended = _describe({**kept, **columns}, lists, vertex.comments)
    elements = [extended if e.name == VERTEX else e for e in data.elements]
    return PlyData(
        elements,
        text=data.text,
        byte_order="<",  # plyfile does not swap the scalars of elements that have lists
        comments=data.comments,
        obj_info=data.obj_info,
    )


def _describe(
    columns: dict[str, tuple[str, NDArray[Any]]],
    lists: dict[str, PlyListProperty],
    comments: tuple[str, ...] | list[str] = (),
) -> PlyElement:
    """Return the element vertex with these columns; ``lists`` gives the types of list columns."""
    n = len(next(iter(columns.values()))[1])
    table = np.empty(n, dtype=[(name, kind) for name, (kind, _) in columns.items()])
    for name, (_, values) in columns.items():
        table[name] = values
    return PlyElement.describe(
        table,
        VERTEX,
        len_types={name: p.len_dtype for name, p in lists.items()},
        val_types={name: p.val_dtype for name, p in lists.items()},
        comments=list(comments),
    )


def _write(data: PlyData, out: Path) -> None:
    """Write under another name first, so that ``out`` is never half a file."""
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as stream:
            data.write(stream)
        partial.replace(out)
    except OSError as error:
        raise OptionError(f"output {out}: {error.strerror}; choose another place") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
