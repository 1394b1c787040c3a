"""Raw tables from PLY, NPY, NPZ and text files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipInfo

import numpy as np
from numpy.typing import NDArray

from prep.errors import SourceError
from prep.readers.columns import VECTORS, RawTable, role_of
from prep.readers.formats import TEXT_SUFFIXES
from prep.readers.ply import read_ply, vertex_columns

_UNNAMED = {
    3: ("x", "y", "z"),
    6: ("x", "y", "z", "red", "green", "blue"),
}
"""Meaning of columns without names, by their number."""

_MOST_UNPACKED = 1 << 30
_MOST_EXPANSION = 200
"""Bytes that any archive may unpack to; a larger one, so many times its own size."""

_NUMBER = re.compile(
    r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\Z|[+-]?(?:nan|inf)\Z", re.IGNORECASE
)


def read_table(path: Path, *, scene: str, file: str, columns: Mapping[str, str | None]) -> RawTable:
    """Read the columns of one file.

    Columns without names mean ``x y z`` where there are three, ``x y z red green blue`` where
    there are six, and need the option ``columns`` otherwise; seven in a ``.pts`` file are Leica's
    ``x y z intensity red green blue``.

    Raises
    ------
    SourceError
        The file cannot be read, or needs Python objects to be unpickled.
    """
    suffix = path.suffix.lower()
    if suffix == ".ply":
        vertices = vertex_columns(read_ply(path, scene=scene, file=file))
        return RawTable(scene, file, vertices)
    if suffix in TEXT_SUFFIXES:
        return _read_text(path, scene, file, columns)
    try:
        with path.open("rb") as stream:
            loaded = np.load(stream, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return RawTable(scene, file, _array_columns(loaded, columns))
            with loaded:
                _check_expansion(loaded.zip.infolist(), path.stat().st_size)
                arrays = {name: loaded[name] for name in loaded.files}
        return _npz_table(arrays, scene, file, columns)
    except Exception as error:  # zipfile, zlib, tokenize and struct errors too: all mean one thing
        if isinstance(error, SourceError):
            raise
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SourceError(
            scene=scene,
            file=file,
            found=" ".join((reason or type(error).__name__).split())[:150],
            wanted="a structured array, an (n, k) array, or an NPZ of columns, without pickles",
            remedy="save it again with plain number or string types",
        ) from error


def _check_expansion(members: list[ZipInfo], n_bytes: int) -> None:
    """Refuse an archive that would unpack to far more than any cloud of its size does.

    Zip never gives a member more bytes than its entry states.
    """
    unpacked = sum(member.file_size for member in members)
    if unpacked > _MOST_UNPACKED and unpacked > _MOST_EXPANSION * n_bytes:
        raise ValueError(f"{n_bytes} bytes that unpack to {unpacked}")


def _array_columns(
    array: NDArray[Any], columns: Mapping[str, str | None]
) -> dict[str, NDArray[Any]]:
    """Name the columns of an array."""
    if array.dtype.names:
        fields = {name: array[name] for name in array.dtype.names}
        if any(values.ndim != 1 for values in fields.values()):
            raise ValueError(f"fields of type {array.dtype}, not one value each")
        return fields
    if array.ndim != 2:
        raise ValueError(f"an array of shape {array.shape}")
    return _name_columns([array[:, k] for k in range(array.shape[1])], columns)


def _name_columns(
    values: list[NDArray[Any]], columns: Mapping[str, str | None], suffix: str = ""
) -> dict[str, NDArray[Any]]:
    names: tuple[str, ...] = tuple(str(k) for k in range(len(values)))
    if not columns:
        names = _UNNAMED.get(len(values), names)
        if suffix == ".pts" and len(values) == 7:
            names = ("x", "y", "z", "intensity", "red", "green", "blue")
    return dict(zip(names, values, strict=True))


def _npz_table(
    arrays: dict[str, NDArray[Any]], scene: str, file: str, columns: Mapping[str, str | None]
) -> RawTable:
    """Take (n,), (n, 1) and named (n, 3) arrays as columns; ``class_names`` names the classes."""
    names = arrays.pop("class_names", None)
    if len(arrays) == 1 and next(iter(arrays.values())).dtype.names:
        return RawTable(scene, file, _array_columns(next(iter(arrays.values())), columns))
    table: dict[str, NDArray[Any]] = {}
    for name, values in arrays.items():
        roles = VECTORS.get(name.lower())
        if roles and values.ndim == 2 and values.shape[1] == 3:
            table.update({role: values[:, k] for k, role in enumerate(roles)})
        elif values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1):
            table[name] = values.reshape(-1)
        elif len(arrays) == 1:
            table = _array_columns(values, columns)
        elif roles or role_of(name) or name in columns.values():
            raise ValueError(f"{name} of shape {values.shape}")
    n = len(table.get("x", max(table.values(), key=len, default=np.empty(0))))
    short = [name for name, values in table.items() if len(values) != n]
    wrong = [name for name in short if role_of(name) or name in columns.values()]
    if wrong:
        raise ValueError(f"{len(table[wrong[0]])} values of {wrong[0]} for {n} points")
    return RawTable(
        scene,
        file,
        {name: values for name, values in table.items() if name not in short},
        None if names is None else tuple(str(name) for name in names.tolist()),
    )


def _read_text(path: Path, scene: str, file: str, columns: Mapping[str, str | None]) -> RawTable:
    import pandas as pd

    def fail(found: str, line: int = 0) -> SourceError:
        return SourceError(
            scene=scene,
            file=file,
            line=line,
            found=found,
            wanted="a table with the same columns in every row",
            remedy="mend the file",
        )

    try:
        head, separator, skip = _sniff(path)
        frame = pd.read_csv(
            path,
            sep=separator,
            header=None,
            skiprows=skip,
            encoding="utf-8-sig",
            low_memory=False,
        )
    except pd.errors.EmptyDataError as error:
        raise fail("no rows") from error
    except pd.errors.ParserError as error:
        match = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        if match is None:
            raise fail(" ".join(str(error).split())[:150]) from error
        raise fail(f"{match[3]} columns, not {match[1]}", int(match[2])) from error
    except (OSError, UnicodeError) as error:
        raise fail(" ".join(str(error).split())[:150]) from error
    values = [frame[k].to_numpy() for k in range(frame.shape[1])]
    line, cells = _short_row(path, skip, separator, pd.isna(values[-1]), len(values))
    if line:
        raise fail(f"{cells} columns, not {len(values)}", line)
    if head is None:
        table = _name_columns(values, columns, path.suffix.lower())
    elif len(head) != len(values):
        raise fail(f"{len(head)} names for {len(values)} columns", skip)
    elif len(set(head)) != len(head):
        raise fail(f"a name twice in {' '.join(head)}", skip)
    else:
        table = dict(zip(head, values, strict=True))

    def line_of(row: int) -> int:
        return next((n for k, (n, _) in enumerate(_filled_lines(path, skip)) if k == row), 0)

    return RawTable(scene, file, table, line_of=line_of)


def _filled_lines(path: Path, skip: int) -> Iterator[tuple[int, bytes]]:
    """Yield the number, from 1, and the bytes of each line after ``skip`` that is not blank."""
    with path.open("rb") as lines:
        for number, text in enumerate(lines, 1):
            if number > skip and text.strip():
                yield number, text


def _short_row(
    path: Path, skip: int, separator: str, last_missing: NDArray[np.bool_], n_columns: int
) -> tuple[int, int]:
    """Return line and number of columns of the first row that has too few; 0, 0 if none has.

    The parser fills such rows up with missing values, and a missing class would be no class.
    """
    if last_missing.any():
        for (number, text), missing in zip(_filled_lines(path, skip), last_missing, strict=False):
            if missing:
                blank = separator not in (",", ";")
                cells = len(text.split()) if blank else text.count(separator.encode()) + 1
                if cells < n_columns:
                    return number, cells
    return 0, 0


def _sniff(path: Path) -> tuple[list[str] | None, str, int]:
    """Return the names of the columns, the separator, and how many lines come before the rows.

    The names stand in the last line before the rows that holds no number. In a comment they count
    only if there is one for each column.
    """
    head: list[str] | None = None
    in_comment = False
    skip = 0
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        for line in lines:
            text = line.strip()
            comment = text.startswith(("#", "//"))
            separator = next((s for s in ";," if s in text), r"\s+")
            cells = [c.strip().strip("\"'") for c in re.split(separator, text.lstrip("#/ "))]
            names = not any(_NUMBER.match(cell) for cell in cells)
            count = path.suffix.lower() == ".pts" and len(cells) == 1 and cells[0].isdigit()
            if text and not (comment or names or count):
                return (
                    (None if in_comment and len(head or ()) != len(cells) else head),
                    separator,
                    skip,
                )
            skip += 1
            if text and names:
                head, in_comment = cells, comment
    return head, r"\s+", skip
