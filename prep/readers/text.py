"""One pass from the bytes of a table of points to arrays.

A row is ``x y z r g b`` (or any number of coordinates and colours), separated by blanks, tabs or
commas. Rows end with LF, CRLF or the end of the file; blank rows hold no point; a UTF-8 byte order
mark is skipped. These are ways of writing and leave no record. A row that reads cleanly costs one
pass over its bytes; every other row goes to the rules of :mod:`prep.readers.repair`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prep.readers.repair import Repairer
from prep.readers.text_kernel import fill_rows
from prep.scene import Defect, OnDefect

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class PointTable:
    """Rows of one text file.

    Attributes
    ----------
    xyz : float64 (n, numbers)
        Coordinates, the nearest float64 to the decimal that is written.
    color : uint8 (n, colors)
    row : int64 (n,)
        Index of each kept row among all rows of the file.
    n_read : int
        Rows of the file: ``n_read == n + sum(d.dropped for d in defects)``.
    defects : tuple of Defect
        In the order of the file.
    """

    xyz: NDArray[np.float64]
    color: NDArray[np.uint8]
    row: NDArray[np.int64]
    n_read: int
    defects: tuple[Defect, ...]


def parse_points(
    data: bytes | NDArray[np.uint8],
    *,
    numbers: int = 3,
    colors: int = 3,
    scene: str = "",
    file: str = "",
    on_defect: OnDefect = "repair",
) -> PointTable:
    """Parse the bytes of a table of points.

    Parameters
    ----------
    data : bytes or uint8 (n,)
        The whole file.
    numbers, colors : int
        Columns of finite numbers, then columns of integers 0..255 (``103.000`` is one).
    scene, file : str
        Names for messages.
    on_defect : {"repair", "fail", "skip"}
        ``repair`` mends what a rule can mend and leaves out, with a record, the few rows that no
        rule can. ``skip`` mends too, but a row that would be left out is an error, so that the
        caller leaves out the scene. ``fail`` makes an error of the first defect.

    Raises
    ------
    SourceError
        As said under ``on_defect``, or when more rows are doubtful than
        :func:`prep.readers.repair.doubtful_limit` allows.
    """
    raw = bytes(data) if isinstance(data, np.ndarray) else data
    begin = len(BYTE_ORDER_MARK) if raw.startswith(BYTE_ORDER_MARK) else 0
    if b"\n" not in raw:
        raw = raw.replace(b"\r", b"\n")  # line ends of classic Mac OS
    if not raw.endswith(b"\n"):
        raw += b"\n"
    view = np.frombuffer(raw, dtype=np.uint8)
    n_rows = len(raw) // (2 * (numbers + colors)) + 1  # a digit and an end for each column
    xyz, color, bad, hard = _fill(view, begin, n_rows, numbers, colors)
    for index, start, stop in hard.tolist():
        xyz[index // numbers, index % numbers] = float(raw[start:stop])
    if not len(bad):
        row = np.arange(len(xyz), dtype=np.int64)
        return PointTable(xyz, color, row, len(xyz), ())
    repairer = Repairer(numbers, colors, scene, file, on_defect, len(xyz) + len(bad))
    return _splice(raw, xyz, color, bad, repairer)


def _fill(
    view: NDArray[np.uint8], begin: int, n_rows: int, numbers: int, colors: int
) -> tuple[NDArray[np.float64], NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Run the kernel, a second time when the first met more exceptions than it had room for."""
    powers = np.array([float(f"1e{k}") for k in range(23)])
    xyz = np.empty((n_rows, numbers))
    color = np.empty((n_rows, colors), dtype=np.uint8)
    n_bad = n_hard = 64
    while True:
        bad = np.empty((n_bad, 4), dtype=np.int64)
        hard = np.empty((n_hard, 3), dtype=np.int64)
        with np.errstate(over="ignore"):  # digits past the 18th, seen only without the JIT
            n, n_bad, n_hard = fill_rows(view, begin, powers, xyz, color, bad, hard)
        if n_bad <= len(bad) and n_hard <= len(hard):
            return xyz[:n], color[:n], bad[:n_bad], hard[:n_hard]


def _splice(
    raw: bytes,
    xyz: NDArray[np.float64],
    color: NDArray[np.uint8],
    bad: NDArray[np.int64],
    repairer: Repairer,
) -> PointTable:
    """Put the mended rows between the clean ones."""
    xyz_pieces, color_pieces, row_pieces = [], [], []
    done, n_read = 0, 0

    def take_clean(stop: int) -> None:
        nonlocal done, n_read
        xyz_pieces.append(xyz[done:stop])
        color_pieces.append(color[done:stop])
        row_pieces.append(np.arange(n_read, n_read + stop - done, dtype=np.int64))
        n_read += stop - done
        done = stop

    for position, line, start, end in bad.tolist():
        take_clean(position)
        mended = repairer.repair(raw[start:end], line)
        for row in mended:
            if row is not None:
                xyz_pieces.append(np.array([row[0]]))
                color_pieces.append(np.array([row[1]], dtype=np.uint8))
                row_pieces.append(np.array([n_read], dtype=np.int64))
            n_read += 1
    take_clean(len(xyz))
    return PointTable(
        np.concatenate(xyz_pieces),
        np.concatenate(color_pieces),
        np.concatenate(row_pieces),
        n_read,
        tuple(repairer.defects),
    )
