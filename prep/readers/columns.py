"""Which column of a file holds what: roles, the names they go by, and the raw table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.errors import OptionError, SourceError

SYNONYMS: dict[str, tuple[str, ...]] = {
    "x": ("pos_x", "px", "x_coord"),
    "y": ("pos_y", "py", "y_coord"),
    "z": ("pos_z", "pz", "z_coord"),
    "red": ("r", "diffuse_red", "color_r"),
    "green": ("g", "diffuse_green", "color_g"),
    "blue": ("b", "diffuse_blue", "color_b"),
    "nx": ("normal_x", "n_x", "normalx"),
    "ny": ("normal_y", "n_y", "normaly"),
    "nz": ("normal_z", "n_z", "normalz"),
    "semantic": (
        *("label", "class", "sem", "seg", "segment", "category", "classification"),
        *("semantic_label", "sem_label", "class_id", "class_name", "labels", "semantics"),
    ),
    "instance": (
        *("ins", "inst", "instance_id", "obj", "object", "object_id", "instance_label"),
        *("ins_label", "instances", "objectid", "instanceid"),
    ),
}
"""Role → other names it goes by, in lower case."""

VECTORS: dict[str, tuple[str, ...]] = {
    "xyz": ("x", "y", "z"),
    "coord": ("x", "y", "z"),
    "coords": ("x", "y", "z"),
    "points": ("x", "y", "z"),
    "pos": ("x", "y", "z"),
    "position": ("x", "y", "z"),
    "positions": ("x", "y", "z"),
    "rgb": ("red", "green", "blue"),
    "color": ("red", "green", "blue"),
    "colors": ("red", "green", "blue"),
    "normal": ("nx", "ny", "nz"),
    "normals": ("nx", "ny", "nz"),
}
"""Name of an (n, 3) array → the roles of its columns."""

_GROUPS = (("x", "y", "z"), ("red", "green", "blue"), ("nx", "ny", "nz"))


@dataclass(frozen=True)
class RawTable:
    """The columns of one file, before anything is made of them.

    Attributes
    ----------
    scene, file : str
        Names for messages.
    columns : dict of str to (n,) arrays
        In the order of the file; columns without a name are called "0", "1", …
    class_names : tuple of str or None
        Where the file brings its own, semantic ids index them.
    line_of : callable
        Row → 1-based line of the file, 0 where it has no lines.
    """

    scene: str
    file: str
    columns: dict[str, NDArray[Any]]
    class_names: tuple[str, ...] | None = None
    line_of: Callable[[int], int] = field(default=lambda row: 0)

    @property
    def n_rows(self) -> int:
        """Number of points."""
        return len(next(iter(self.columns.values()), ()))

    def error(self, row: int | None, *, found: str, wanted: str, remedy: str) -> SourceError:
        """Return the error of a row, or of the whole file for None."""
        line = 0 if row is None else self.line_of(row)
        if row is not None and not line:
            found = f"{found} in row {row}"
        return SourceError(
            scene=self.scene, file=self.file, line=line, found=found, wanted=wanted, remedy=remedy
        )

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a column as float64; a cell that is not a number raises SourceError."""
        values = self.columns[name]
        if values.dtype.kind in "biuf":
            return values.astype(np.float64)
        numbers = np.empty(len(values))
        for row, value in enumerate(values.tolist()):
            try:
                if "_" in str(value):  # Python's own way of writing, nobody else's
                    raise ValueError
                numbers[row] = float(value)
            except (TypeError, ValueError, OverflowError):
                raise self.error(
                    row,
                    found=f"{str(value)[:40]!r} in column {name!r}",
                    wanted="a number",
                    remedy="mend the cell, or name the right column in the reader option columns",
                ) from None
        return numbers


def parse_columns(value: object) -> dict[str, str | None]:
    """Parse the reader option ``columns``: role → name or index of a column, null for none.

    Raises
    ------
    OptionError
        All faults at once.
    """
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise OptionError(f"columns {value!r} must map roles to columns, such as {{x: East}}")
    faults, columns = [], {}
    for role, column in value.items():
        if role not in SYNONYMS:
            faults.append(f"unknown role {role!r} (known: {', '.join(SYNONYMS)})")
        elif isinstance(column, bool) or not isinstance(column, str | int | None):
            faults.append(f"{role} {column!r} must be the name or the index of a column")
        else:
            columns[str(role)] = None if column is None else str(column)
    if faults:
        raise OptionError("columns: " + "; ".join(faults))
    return columns


def find_roles(table: RawTable, columns: Mapping[str, str | None]) -> dict[str, str]:
    """Return role → name of the column that holds it.

    What ``columns`` says goes first; then the role's own name, then its synonyms, in any case and
    with a prefix ``scalar_`` (CloudCompare).

    Raises
    ------
    SourceError
        A named column is missing, two columns fit one role, coordinates are missing, or only
        one or two of three columns of a vector are there.
    """
    names = {name: _plain(name) for name in table.columns}
    listing = ", ".join(table.columns) or "none"
    roles: dict[str, str] = {}
    for role, synonyms in SYNONYMS.items():
        if role in columns:
            name = columns[role]
            if name is None:
                continue
            if name not in table.columns:
                raise table.error(
                    None,
                    found=f"columns {listing}",
                    wanted=f"a column {name!r} for {role}",
                    remedy="name another in the reader option columns, or with "
                    f"--column {role}=NAME",
                )
            roles[role] = name
            continue
        fits = [name for name, plain in names.items() if plain == role]
        fits = fits or [name for name, plain in names.items() if plain in synonyms]
        if len(fits) > 1:
            raise table.error(
                None,
                found=f"columns {' and '.join(fits)}, both fit for {role}",
                wanted="one",
                remedy=f"choose with the reader option columns: {{{role}: NAME}}, or with "
                f"--column {role}=NAME",
            )
        if fits:
            roles[role] = fits[0]
    for group in _GROUPS:
        missing = [role for role in group if role not in roles]
        if missing and (group[0] == "x" or len(missing) < 3):
            raise table.error(
                None,
                found=f"columns {listing}",
                wanted=f"columns {' '.join(group)} (no {' '.join(missing)})",
                remedy=f"name it with the reader option columns: {{{missing[0]}: NAME}}, or with "
                f"--column {missing[0]}=NAME",
            )
    return roles


def role_of(name: str) -> str | None:
    """Return the role that a column's name stands for, if any."""
    plain = _plain(name)
    return next((r for r, synonyms in SYNONYMS.items() if plain == r or plain in synonyms), None)


def _plain(name: str) -> str:
    return name.strip().lower().removeprefix("scalar_")
