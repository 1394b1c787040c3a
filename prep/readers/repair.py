"""The rules that mend one row of a text file, found by its content.

===================  =============================================================================
rule                 what is met, and what becomes of it
===================  =============================================================================
lost bit             a byte that lost its bit 0x20 (``byte | 0x20`` is right again): NUL was a
                     blank, 0x10..0x19 were the digits 0..9, 0x0E was a point, and a lone carriage
                     return a minus sign. All control bytes in S3DIS v1.2 are of this kind.
carriage return      several whole rows on one line, parted by lone carriage returns: split
color                a colour outside 0..255 or not an integer: clipped and rounded (doubtful)
columns              too many or too few columns: the row is left out (doubtful)
not a number         a cell that is not a decimal number: the row is left out (doubtful)
not finite           NaN, infinity or overflow: the row is left out (doubtful)
===================  =============================================================================
"""

from __future__ import annotations

import math
import re

from prep.errors import SourceError
from prep.scene import Defect, OnDefect

Row = tuple[tuple[float, ...], tuple[int, ...]]
"""Coordinates and colours of one row."""

_SEPARATORS = re.compile(rb"[ \t,]+")
_DECIMAL = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z")
_NOT_FINITE = re.compile(rb"[+-]?(?:nan|inf|infinity)\Z", re.IGNORECASE)
_LOST_BIT = bytes.maketrans(b"\x00\x0d\x0e" + bytes(range(0x10, 0x1A)), b" -.0123456789")
_MAX_DOUBTFUL = 99


def doubtful_limit(n_rows: int) -> int:
    """Return how many doubtful rows a file of ``n_rows`` may have.

    One in a hundred, at least 5 (but no more than half of the rows), at most 99: beyond that the
    file is of another format rather than damaged.
    """
    return min(_MAX_DOUBTFUL, max(n_rows // 100, min(5, n_rows // 2)))


class RowFault(ValueError):
    """A row does not read: ``rule`` names the reason, ``what`` the value met."""

    def __init__(self, rule: str, what: str) -> None:
        super().__init__(f"{rule}: {what}")
        self.rule, self.what = rule, what


def read_cells(line: bytes, n_columns: int) -> list[float]:
    """Read the finite numbers of one row; raises RowFault."""
    cells = _SEPARATORS.split(line.strip(b" \t,"))
    if len(cells) != n_columns:
        raise RowFault("columns", f"{len(cells)} columns")
    values = []
    for cell in cells:
        if _NOT_FINITE.match(cell):
            raise RowFault("not finite", quote(cell))
        if not _DECIMAL.match(cell):
            raise RowFault("not a number", quote(cell))
        values.append(float(cell))
        if not math.isfinite(values[-1]):
            raise RowFault("not finite", quote(cell))
    return values


def read_row(line: bytes, numbers: int, colors: int) -> Row:
    """Read one row strictly; raises RowFault."""
    values = read_cells(line, numbers + colors)
    for value in values[numbers:]:
        if not (0 <= value <= 255 and value.is_integer()):
            raise RowFault("color", f"{value:g}")
    return tuple(values[:numbers]), tuple(int(v) for v in values[numbers:])


class Repairer:
    """Mends the rows of one file that are not clean, and keeps the record.

    Parameters
    ----------
    numbers, colors : int
        Columns of finite numbers, then of integers 0..255.
    scene, file : str
        Names for the record.
    on_defect : {"repair", "fail", "skip"}
        See :func:`prep.readers.text.parse_points`.
    n_rows : int
        Rows of the file, for :func:`doubtful_limit`.
    """

    def __init__(
        self, numbers: int, colors: int, scene: str, file: str, on_defect: OnDefect, n_rows: int
    ) -> None:
        self.numbers, self.colors = numbers, colors
        self.scene, self.file, self.on_defect = scene, file, on_defect
        self.n_rows, self.limit = n_rows, doubtful_limit(n_rows)
        self.doubtful = 0
        self.defects: list[Defect] = []

    def repair(self, line: bytes, number: int) -> list[Row | None]:
        """Return the rows of a line (None: left out), after recording what was wrong.

        Parameters
        ----------
        line : bytes
            Without its line feed.
        number : int
            1-based, for the record.
        """
        line = line.rstrip(b"\r")
        pieces = [piece for piece in line.split(b"\r") if piece.strip(b" \t,")]
        try:
            rows: list[Row | None] = [self._read(piece) for piece in pieces]
        except RowFault as fault:
            return self._mend(line, number, fault)
        if len(rows) > 1:
            self._record(number, "carriage return", line, f"split into {len(rows)} rows")
        return rows

    def _mend(self, line: bytes, number: int, fault: RowFault) -> list[Row | None]:
        mended = line.translate(_LOST_BIT)
        if mended != line:
            if not mended.strip(b" \t,"):
                self._record(number, "lost bit", line, "blank row")
                return []
            try:
                row = self._read(mended)
            except RowFault:
                pass
            else:
                self._record(number, "lost bit", line, quote(mended))
                return [row]
        if fault.rule == "color":
            values = read_cells(line, self.numbers + self.colors)
            color = tuple(round(min(max(v, 0.0), 255.0)) for v in values[self.numbers :])
            self._record(number, "color", line, " ".join(map(str, color)), doubtful=True)
            return [(tuple(values[: self.numbers]), color)]
        self._record(number, fault.rule, line, "left out", doubtful=True, dropped=1)
        return [None]

    def _read(self, line: bytes) -> Row:
        return read_row(line, self.numbers, self.colors)

    def _record(
        self,
        number: int,
        rule: str,
        line: bytes,
        repair: str,
        *,
        doubtful: bool = False,
        dropped: int = 0,
    ) -> None:
        found = quote(line)
        if self.on_defect == "fail":
            remedy = "leaves out the row" if dropped else "mends it"
            raise self._error(number, f"{found} ({rule})", f"--on-defect repair {remedy}")
        if self.on_defect == "skip" and dropped:
            remedy = "--on-defect repair leaves out only the row"
            raise self._error(number, f"{found} ({rule})", remedy)
        self.doubtful += doubtful
        if self.doubtful > self.limit:
            found = f"{found} ({rule}), doubtful row {self.doubtful} of {self.n_rows} rows"
            remedy = "mend the file, or leave out the scene with --on-defect skip"
            raise self._error(number, found, f"at most {self.limit} doubtful rows pass; {remedy}")
        self.defects.append(
            Defect(self.scene, self.file, number, rule, found, repair, dropped=dropped)
        )

    def _error(self, number: int, found: str, remedy: str) -> SourceError:
        wanted = f"{self.numbers} finite numbers"
        if self.colors:
            wanted += f" and {self.colors} integers 0..255"
        return SourceError(
            scene=self.scene,
            file=self.file,
            line=number,
            found=found,
            wanted=wanted,
            remedy=remedy,
        )


def quote(text: bytes, limit: int = 70) -> str:
    """Return printable text of a row, control bytes escaped, shortened to ``limit`` characters."""
    shown = repr(text.decode("latin-1"))
    return shown if len(shown) <= limit else shown[: limit - 2] + "…" + shown[0]
