"""S3DIS v1.2, aligned or not, and any data in its layout.

::

    ROOT/GROUP/ROOM/Annotations/CLASS_n.txt      rows x y z r g b, metres and 0..255
    ROOT/GROUP/GROUP_alignmentAngle.txt          only in the non-aligned release

One annotation file is one instance. Its instance id is its index among the room's annotation
files, which are sorted by name, character by character (``wall_10`` before ``wall_2``): the same
on every file system, and there may be more than 255. Only ``Annotations`` is read, so that the
room's own file may be missing, damaged or misnamed. Names that begin with a point and files other
than ``.txt`` are passed over.

Options
-------
align : bool, default False
    Turn each room about the vertical axis through the centre of its bounding box, clockwise seen
    from above, by the angle that ``GROUP_alignmentAngle.txt`` gives for it (degrees). Leave it
    off for the aligned release, which has no such file.
unknown_class : str, optional
    Class for files whose class is neither in the data set's classes nor among their aliases; an
    error otherwise.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from prep.errors import OptionError, SourceError
from prep.labels import Labels
from prep.readers.alignment import read_angles, rotate_z
from prep.readers.annotations import class_id, drop_copy, original_of
from prep.readers.listing import folders, inside, visible
from prep.readers.text import PointTable, parse_points
from prep.scene import Defect, OnDefect, Scene, SceneSource

ANNOTATIONS = "Annotations"
LAYOUT = "GROUP/ROOM/Annotations/CLASS_n.txt"


def list_scenes(root: Path, *, labels: Labels, options: dict[str, object]) -> list[SceneSource]:
    """Return the rooms under ``root``, sorted by name.

    Raises
    ------
    SourceError
        The layout is another one, a room has no annotation file, a file's class is unknown, a
        link leads to nothing, or an alignment angle is missing.
    OptionError
        An option is unknown or of a wrong type.
    """
    align, unknown_class = _parse_options(options, labels)
    groups = _groups(root)
    sources = []
    for group in groups:
        angles = read_angles(group, root) if align else {}
        for room in folders(group):
            source = _list_room(room, root)
            for file in source.files:
                class_id(file, source.name, labels, unknown_class)
            kept: dict[str, object] = {}
            if unknown_class is not None:
                kept["unknown_class"] = unknown_class
            if align:
                if room.name not in angles:
                    raise SourceError(
                        scene=source.name,
                        file=f"{group.name}/{group.name}_alignmentAngle.txt",
                        found="no angle for this room",
                        wanted=f"a line '{room.name} DEGREES'",
                        remedy="add it, or leave the reader option align off",
                    )
                kept["angle_deg"] = angles[room.name]
            sources.append(replace(source, options=kept))
    return sorted(sources, key=lambda source: source.name)


def read_scene(source: SceneSource, *, labels: Labels, on_defect: OnDefect) -> Scene:
    """Read one room, a file at a time.

    Points are in the order of the sorted files; ``Scene.source`` counts their rows through. A
    file without points is recorded and its instance left out. Of a file named as a copy of
    another (``wall_3 (1).txt``), the points that the other has too are left out and recorded;
    what remains, if anything, is an instance of its own.

    Raises
    ------
    SourceError
        A file cannot be read (see :func:`prep.readers.text.parse_points`), or the room has no
        points.
    """
    unknown_class = source.options.get("unknown_class")
    tables: dict[str, PointTable] = {}
    defects: list[Defect] = []
    for file in source.files:
        table = _read_file(source, file, on_defect)
        defects += table.defects
        if table.n_read == 0:
            defects.append(_empty_file(source, file, on_defect))
        tables[file] = table
    first_row = dict(zip(source.files, _first_rows(tables, source.files), strict=True))
    for file in source.files:
        original = original_of(file, source.files)
        if original is not None:
            tables[file], defect = drop_copy(
                tables[file], tables[original], source.name, file, original, on_defect
            )
            defects += [defect] if defect else []

    xyz = np.concatenate([tables[f].xyz for f in source.files])
    if not len(xyz):
        raise SourceError(
            scene=source.name,
            file=f"{source.name}/{ANNOTATIONS}",
            found="no points in any file",
            wanted="rows x y z r g b",
            remedy="restore the files, or leave out the scene with --on-defect skip",
        )
    angle = source.options.get("angle_deg")
    if angle is not None:
        xyz = rotate_z(xyz, float(str(angle)))
    sizes = [len(tables[f].xyz) for f in source.files]
    n_levels = len(labels.levels)
    semantic = np.full((len(xyz), n_levels), -1, dtype=np.int16)
    instance = np.full((len(xyz), n_levels), -1, dtype=np.int32)
    ids = [
        class_id(f, source.name, labels, None if unknown_class is None else str(unknown_class))
        for f in source.files
    ]
    semantic[:, 0] = np.repeat(np.array(ids, dtype=np.int16), sizes)
    instance[:, 0] = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    return Scene(
        name=source.name,
        group=source.group,
        xyz=xyz,
        color=np.concatenate([tables[f].color for f in source.files]),
        normal=None,
        semantic=semantic,
        instance=instance,
        source=np.concatenate([tables[f].row + first_row[f] for f in source.files]),
        n_read=sum(tables[f].n_read for f in source.files),
        defects=tuple(defects),
    )


def _parse_options(options: dict[str, object], labels: Labels) -> tuple[bool, str | None]:
    unknown = sorted(set(options) - {"align", "unknown_class"})
    if unknown:
        raise OptionError(
            f"reader s3dis: unknown option {', '.join(unknown)}; known: align, unknown_class"
        )
    align = options.get("align", False)
    if not isinstance(align, bool):
        raise OptionError(f"reader s3dis: align {align!r} must be true or false")
    unknown_class = options.get("unknown_class")
    known = labels.class_ids()
    if unknown_class is not None and str(unknown_class) not in known:
        raise OptionError(
            f"reader s3dis: unknown_class {unknown_class!r} must be one of {', '.join(known)}"
        )
    return align, None if unknown_class is None else str(unknown_class)


def _groups(root: Path) -> list[Path]:
    """Return the group folders; every visible folder must be one."""
    if not root.is_dir():
        raise SourceError(
            file=str(root), found="no folder", wanted=LAYOUT, remedy="check the path after --root"
        )
    groups = folders(root)
    found, remedy = "", "give the folder that holds the areas as --root"
    if not groups:
        found = "no folders"
    elif any((group / ANNOTATIONS).is_dir() for group in groups):
        found, remedy = "a group's rooms", f"give its parent: --root {root.resolve().parent}"
    elif not any(_is_group(group) for group in groups):
        found = f"folder {groups[0].name} without rooms"
        nested = [group for group in groups if any(_is_group(g) for g in folders(group))]
        if len(nested) == 1:
            remedy = f"the areas are one folder deeper: --root {nested[0]}"
    else:
        empty = next((group for group in groups if not folders(group)), None)
        if empty is not None:
            found = f"folder {empty.name} without rooms"
            remedy = "restore its rooms or remove the folder"
    if found:
        raise SourceError(file=str(root), found=found, wanted=LAYOUT, remedy=remedy)
    return groups


def _is_group(folder: Path) -> bool:
    return any((room / ANNOTATIONS).is_dir() for room in folders(folder))


def _list_room(room: Path, root: Path) -> SceneSource:
    name = f"{room.parent.name}/{room.name}"
    annotations = room / ANNOTATIONS
    found = ""
    files: list[Path] = []
    if not annotations.is_dir():
        found = "no folder Annotations"
    else:
        files = [f for f in visible(annotations) if f.suffix.lower() == ".txt" and f.is_file()]
        found = "" if files else "no .txt file in Annotations"
    if found:
        raise SourceError(
            scene=name,
            file=name,
            found=found,
            wanted=LAYOUT,
            remedy="restore the room or remove its folder",
        )
    for file in files:
        inside(file, root, name)
    return SceneSource(
        name=name,
        group=room.parent.name,
        root=str(root.resolve()),
        files=tuple(f"{name}/{ANNOTATIONS}/{f.name}" for f in files),
        n_bytes=sum(f.stat().st_size for f in files),
    )


def _read_file(source: SceneSource, file: str, on_defect: OnDefect) -> PointTable:
    path = source.path(file)
    inside(path, Path(source.root), source.name)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(
            scene=source.name,
            file=file,
            found=error.strerror or type(error).__name__,
            wanted="a readable file",
            remedy="restore it",
        ) from error
    return parse_points(data, scene=source.name, file=file, on_defect=on_defect)


def _first_rows(tables: dict[str, PointTable], files: tuple[str, ...]) -> list[int]:
    """Return the number of rows before each file."""
    counts = [tables[f].n_read for f in files]
    return [sum(counts[:i]) for i in range(len(counts))]


def _empty_file(source: SceneSource, file: str, on_defect: OnDefect) -> Defect:
    if on_defect == "fail":
        raise SourceError(
            scene=source.name,
            file=file,
            found="no rows",
            wanted="rows x y z r g b",
            remedy="restore the file, or --on-defect repair leaves out the instance",
        )
    return Defect(source.name, file, 0, "empty file", "no rows", "instance left out")
