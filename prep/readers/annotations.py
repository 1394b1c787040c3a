"""What the names of annotation files tell: the class, and which file is a copy of which."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from prep.errors import SourceError
from prep.labels import Labels
from prep.readers.text import PointTable
from prep.scene import Defect, OnDefect

_COPY = re.compile(r"(?P<stem>.+?)(?: \([0-9]+\)| copy(?: [0-9]+)?| - Copy(?: \([0-9]+\))?)\Z")


def class_id(file: str, scene: str, labels: Labels, unknown_class: str | None) -> int:
    """Return the class of an annotation file.

    Its name begins with the class; the longest known name wins, so that ``office_chair_1`` is an
    ``office_chair`` where there is one. Aliases count; ``unknown_class`` stands in for a class
    that is not known. Raises SourceError without it.
    """
    stem = PurePosixPath(file).stem
    copy = _COPY.match(stem)
    stem = copy["stem"] if copy else stem
    ids = labels.class_ids()
    match = max(
        (name for name in ids if stem == name or stem.startswith(f"{name}_")),
        key=len,
        default=unknown_class,
    )
    if match is None:
        known = ", ".join(c.name for c in labels.levels[0].classes)
        raise SourceError(
            scene=scene,
            file=file,
            found=f"class {stem.split('_')[0]!r}",
            wanted=f"one of {known}",
            remedy="add it or an alias to the data set's classes in the catalogue, "
            "or set the reader option unknown_class: NAME",
        )
    return ids[match]


def original_of(file: str, files: tuple[str, ...]) -> str | None:
    """Return the file that ``file`` is named as a copy of, if there is one."""
    path = PurePosixPath(file)
    match = _COPY.match(path.stem)
    if match is None:
        return None
    original = str(path.with_name(match["stem"] + path.suffix))
    return original if original in files else None


def drop_copy(
    copy: PointTable,
    original: PointTable,
    scene: str,
    file: str,
    original_file: str,
    on_defect: OnDefect,
) -> tuple[PointTable, Defect | None]:
    """Leave out the points of a copied file that the original has too."""
    twice = np.isin(_keys(copy.xyz), _keys(original.xyz))
    n_twice = int(twice.sum())
    if not n_twice:
        return copy, None
    found = f"a copy: {n_twice} of {len(twice)} points are in {PurePosixPath(original_file).name}"
    if on_defect == "fail":
        raise SourceError(
            scene=scene,
            file=file,
            found=found,
            wanted="each point once",
            remedy="remove the copy, or --on-defect repair leaves it out",
        )
    kept = replace(copy, xyz=copy.xyz[~twice], color=copy.color[~twice], row=copy.row[~twice])
    repair = "left out" if twice.all() else "left out the points that are there twice"
    return kept, Defect(scene, file, 0, "copied file", found, repair, dropped=n_twice)


def _keys(xyz: NDArray[np.float64]) -> NDArray[np.void]:
    """Return one comparable value a point."""
    return np.ascontiguousarray(xyz + 0.0).view(np.dtype((np.void, xyz.shape[1] * 8))).ravel()
