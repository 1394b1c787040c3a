"""The text files that ASIS, JSNet and JSPNet write for each test room: read, score, write.

``ROOM_pred.txt`` has a point a line, ``x y z r g b confidence semantic instance``, and
``ROOM_gt.txt`` the same points as ``semantic instance``. Instance −1 is no instance, and so is
semantic −1 in the ground truth no label. Lines are separated as ``numpy.savetxt`` does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.metrics import Scorer, Scores
from models.semantic_metrics import ZeroDivision
from prep.errors import SourceError

_PREDICTED = ("x", "y", "z", "r", "g", "b", "confidence", "semantic", "instance")
_TRUE = ("semantic", "instance")
_REMEDY = "write the files as ASIS's test.py does"


@dataclass(frozen=True)
class AsisRoom:
    """One room as the files hold it.

    Attributes
    ----------
    name : str
    xyz : float64 (n, 3)
    color : float64 (n, 3)
    confidence : float64 (n,)
    semantic, instance, true_semantic, true_instance : int64 (n,)
    """

    name: str
    xyz: NDArray[np.float64]
    color: NDArray[np.float64]
    confidence: NDArray[np.float64]
    semantic: NDArray[np.int64]
    instance: NDArray[np.int64]
    true_semantic: NDArray[np.int64]
    true_instance: NDArray[np.int64]


def list_asis_rooms(folder: Path) -> list[str]:
    """Return the names of the rooms in a folder, sorted.

    Raises
    ------
    SourceError
        If there is none, or a room has only one of its two files.
    """
    if not folder.is_dir():
        raise SourceError(
            file=str(folder),
            found="no such folder",
            wanted="a folder of ROOM_pred.txt and ROOM_gt.txt",
            remedy="give the log folder of a test run",
        )
    names = {
        ending: {p.name.removesuffix(ending) for p in folder.glob(f"*{ending}") if p.is_file()}
        for ending in ("_pred.txt", "_gt.txt")
    }
    if not any(names.values()):
        raise SourceError(
            file=str(folder),
            found="no such file",
            wanted="ROOM_pred.txt and ROOM_gt.txt",
            remedy="give the folder that holds them",
        )
    alone = sorted(names["_pred.txt"] ^ names["_gt.txt"])
    if alone:
        here, gone = ("_pred.txt", "_gt.txt")
        if alone[0] in names[gone]:
            here, gone = gone, here
        raise SourceError(
            scene=alone[0],
            file=f"{alone[0]}{gone}",
            found=f"only {alone[0]}{here}" + (f" (and {len(alone) - 1} more)" * (len(alone) > 1)),
            wanted="both files of each room",
            remedy="add the missing file or remove the other",
        )
    return sorted(names["_pred.txt"])


def read_asis_room(folder: Path, name: str, n_classes: int) -> AsisRoom:
    """Read the two files of a room.

    Raises
    ------
    SourceError
        If a line has another number of columns, a value is no number, a class or an instance is
        not whole, a class lies outside 0..n_classes−1 (−1 allowed in the ground truth), an
        instance is below −1, or the files differ in length.
    """
    predicted = _read_table(folder, name, f"{name}_pred.txt", _PREDICTED)
    true = _read_table(folder, name, f"{name}_gt.txt", _TRUE)
    if len(predicted) != len(true):
        raise SourceError(
            scene=name,
            file=f"{name}_gt.txt",
            found=f"{len(true)} points",
            wanted=f"{len(predicted)} as in {name}_pred.txt",
            remedy="write both files from one run",
        )
    for table, columns, ending, lowest in (
        (predicted, _PREDICTED, "pred", 0),
        (true, _TRUE, "gt", -1),
    ):
        for column, least, most in (("semantic", lowest, n_classes - 1), ("instance", -1, 2**31)):
            values = table[:, columns.index(column)]
            bad = (values < least) | (values > most) | (values != np.trunc(values))
            if bad.any():
                row = int(bad.argmax())
                raise SourceError(
                    scene=name,
                    file=f"{name}_{ending}.txt",
                    line=_line_of_row(folder / f"{name}_{ending}.txt", row),
                    found=f"{column} {values[row]:g}",
                    wanted=f"a whole number from {least} to {most}",
                    remedy="give the class names that the run was made with"
                    if column == "semantic"
                    else _REMEDY,
                )
    return AsisRoom(
        name,
        predicted[:, :3],
        predicted[:, 3:6],
        predicted[:, 6],
        *(predicted[:, i].astype(np.int64) for i in (7, 8)),
        *(true[:, i].astype(np.int64) for i in (0, 1)),
    )


def score_asis_folder(
    folder: Path, class_names: tuple[str, ...], *, zero_division: ZeroDivision = "zero"
) -> Scores:
    """Score all rooms of a folder, as ``eval_iou_accuracy.py`` of ASIS does.

    Raises
    ------
    SourceError
        See :func:`list_asis_rooms` and :func:`read_asis_room`.
    """
    scorer = Scorer(tuple(class_names), zero_division)
    for name in list_asis_rooms(folder):
        room = read_asis_room(folder, name, len(class_names))
        scorer.add(room.true_semantic, room.true_instance, room.semantic, room.instance)
    return scorer.result()


def write_asis_files(
    folder: Path,
    name: str,
    *,
    xyz: NDArray[Any],
    color: NDArray[Any],
    confidence: NDArray[Any],
    semantic: NDArray[Any],
    instance: NDArray[Any],
    true_semantic: NDArray[Any],
    true_instance: NDArray[Any],
) -> tuple[Path, Path]:
    """Write a room so that the official evaluation can read it; returns both paths.

    Parameters
    ----------
    folder : Path
        Made when missing.
    name : str
        Scene name; a ``/`` becomes ``_`` (``Area_5/office_1`` → ``Area_5_office_1_pred.txt``).
    xyz : float (n, 3)
        Metres; six digits are written.
    color : uint8 (n, 3)
    confidence : float (n,)
    semantic, instance, true_semantic, true_instance : int (n,)
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = name.replace("/", "_")
    paths = folder / f"{stem}_pred.txt", folder / f"{stem}_gt.txt"
    x, y, z = np.asarray(xyz, np.float64).T
    r, g, b = np.asarray(color, np.int64).T
    columns = (x, y, z, r, g, b, np.asarray(confidence, np.float64), semantic, instance)
    for path, names, values in (
        (paths[0], _PREDICTED, columns),
        (paths[1], _TRUE, (true_semantic, true_instance)),
    ):
        table = pd.DataFrame(dict(zip(names, values, strict=True)))
        table.to_csv(path, sep=" ", header=False, index=False, float_format="%.6f")
    return paths


def _read_table(
    folder: Path, name: str, file: str, columns: tuple[str, ...]
) -> NDArray[np.float64]:
    """Read a table of finite numbers, (rows, columns); blank lines are no rows."""
    path = folder / file
    try:
        table = pd.read_csv(path, sep=r"\s+", header=None, dtype=np.float64)
        if table.shape[1] == len(columns) and np.isfinite(table.to_numpy()).all():
            return table.to_numpy()
    except (ValueError, pd.errors.ParserError, pd.errors.EmptyDataError):
        pass  # said better below, with the line
    for line, text in enumerate(path.read_text(errors="replace").splitlines(), start=1):
        cells = text.split()
        if not cells:
            continue
        bad = [cell for cell in cells if not _is_number(cell)]
        if len(cells) != len(columns) or bad:
            raise SourceError(
                scene=name,
                file=file,
                line=line,
                found=repr(bad[0]) if len(cells) == len(columns) else f"{len(cells)} columns",
                wanted=f"{len(columns)} finite numbers: {' '.join(columns)}",
                remedy=_REMEDY,
            )
    raise SourceError(
        scene=name, file=file, found="no points", wanted="a point a line", remedy=_REMEDY
    )


def _is_number(cell: str) -> bool:
    try:
        return "_" not in cell and math.isfinite(float(cell))
    except ValueError:
        return False


def _line_of_row(path: Path, row: int) -> int:
    """Return the 1-based line of the ``row``-th line that is not blank."""
    lines = path.read_text(errors="replace").splitlines()
    return [n for n, text in enumerate(lines, start=1) if text.strip()][row]
