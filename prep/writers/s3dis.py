"""Write scenes in the raw layout of the S3DIS release.

::

    ROOT/GROUP/ROOM/Annotations/CLASS_n.txt      rows x y z r g b, metres to the millimetre
    ROOT/GROUP/ROOM/ROOM.txt                     all points, if wanted
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prep.errors import OptionError
from prep.labels import Labels
from prep.scene import Scene

ROWS_AT_ONCE = 200_000


def write_s3dis(scene: Scene, root: Path, labels: Labels, *, room_file: bool = False) -> Path:
    """Write the first level of a scene; returns the room's folder.

    One file is one instance. Where instances ascend by class name, as those of the synthetic
    rooms do, the names are chosen so that sorting them by character gives the instances' order
    back: reading the folder returns the same scene.

    Parameters
    ----------
    scene : Scene
        Named ``GROUP/ROOM``; every point has a class and an instance. A scene without colours
        is written grey, 128 128 128, as is usual in this layout.
    root : Path
        Folder of the data set; made if it is missing.
    room_file : bool
        Write ``ROOM.txt`` with all points too.

    Raises
    ------
    OptionError
        The name is not ``GROUP/ROOM``, a point is unlabelled, an instance has two classes, or
        the folder holds instances of another scene.
    """
    parts = scene.name.split("/")
    if len(parts) != 2 or not all(p.strip(". ") for p in parts):
        raise OptionError(f"{scene.name}: found this scene name, wanted GROUP/ROOM; rename it")
    room = root / parts[0] / parts[1]
    color = scene.color
    if color is None:
        color = np.full((scene.n_points, 3), 128, dtype=np.uint8)
    annotations = room / "Annotations"
    names, file_of_point = _annotation_files(scene, labels)
    annotations.mkdir(parents=True, exist_ok=True)
    strangers = {f.stem for f in annotations.glob("*.txt")} - set(names)
    if strangers:
        raise OptionError(
            f"{annotations}: found {min(strangers)}.txt, wanted no instances but those of "
            f"{scene.name}; write into a new folder"
        )
    order = np.argsort(file_of_point, kind="stable")
    start = np.searchsorted(file_of_point[order], np.arange(len(names) + 1))
    for i, name in enumerate(names):
        rows = order[start[i] : start[i + 1]]
        (annotations / f"{name}.txt").write_bytes(format_rows(scene.xyz[rows], color[rows]))
    if room_file:
        (room / f"{parts[1]}.txt").write_bytes(format_rows(scene.xyz, color))
    return room


def _annotation_files(scene: Scene, labels: Labels) -> tuple[list[str], NDArray[np.int64]]:
    """Return the file names, and for each point the index of its file."""
    semantic, instance = scene.semantic[:, 0], scene.instance[:, 0]
    if np.any(semantic < 0) or np.any(instance < 0):
        n = int(np.count_nonzero((semantic < 0) | (instance < 0)))
        raise OptionError(
            f"{scene.name}: found {n} points without class or instance, wanted none; "
            "label them, or leave them out before writing this layout"
        )
    ids, first, inverse = np.unique(instance, return_index=True, return_inverse=True)
    class_of = semantic[first]
    mixed = np.flatnonzero(semantic != class_of[inverse])
    if len(mixed):
        raise OptionError(
            f"{scene.name}: found instance {instance[mixed[0]]} with two classes, wanted one; "
            "split it"
        )
    known = labels.levels[0].names
    names = [""] * len(ids)
    for c in np.unique(class_of):
        members = np.flatnonzero(class_of == c)
        numbered = sorted(f"{known[c]}_{k + 1}" for k in range(len(members)))
        for member, name in zip(members, numbered, strict=True):
            names[member] = name
    return names, inverse


def format_rows(xyz: NDArray[np.float64], color: NDArray[np.uint8]) -> bytes:
    """Return lines ``%.3f %.3f %.3f %d %d %d``; (n, 3) and (n, 3) to text.

    Coordinates are rounded to millimetres, ties to even; there is no negative zero.
    """
    chunks = [
        _format_chunk(xyz[k : k + ROWS_AT_ONCE], color[k : k + ROWS_AT_ONCE])
        for k in range(0, len(xyz), ROWS_AT_ONCE)
    ]
    return b"".join(chunks)


def _format_chunk(xyz: NDArray[np.float64], color: NDArray[np.uint8]) -> bytes:
    """Fill a table of characters, one row a line, then leave out the leading zeros."""
    millimetres = np.rint(xyz * 1000.0).astype(np.int64)
    columns: list[tuple[NDArray[np.uint8], NDArray[np.bool_]]] = []

    def literal(character: str) -> None:
        text = np.full(len(xyz), ord(character), dtype=np.uint8)
        columns.append((text, np.ones(len(xyz), dtype=bool)))

    def digits(value: NDArray[np.int64], places: int, least: int) -> None:
        for place in range(places - 1, -1, -1):
            power = 10**place
            shown = (value >= power) | (place < least)
            columns.append(((value // power % 10 + 48).astype(np.uint8), shown))

    for axis in range(3):
        size = np.abs(millimetres[:, axis])
        columns.append((np.full(len(xyz), 45, dtype=np.uint8), millimetres[:, axis] < 0))
        digits(size // 1000, len(str(int(size.max()) // 1000)), 1)
        literal(".")
        digits(size % 1000, 3, 3)
        literal(" ")
    for channel in range(3):
        digits(color[:, channel].astype(np.int64), 3, 1)
        literal("\n" if channel == 2 else " ")
    text = np.stack([c for c, _ in columns], axis=1)
    shown = np.stack([s for _, s in columns], axis=1)
    return bytes(text[shown].tobytes())
