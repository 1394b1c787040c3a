"""Colours, normals, classes and instances from the raw columns of a user's file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.labels import Labels
from prep.readers.columns import RawTable

UNLABELLED = ("", "-1", "nan", "none", "unlabelled", "unlabeled")
"""Class values, in lower case, that mean no class."""


@dataclass(frozen=True)
class ClassOptions:
    """How values of the semantic column become classes.

    Attributes
    ----------
    unlabelled : tuple of str
        More values that mean no class (``255``, ``void``).
    unknown_class : str or None
        Class for values that are neither an id nor a name; an error otherwise.
    """

    unlabelled: tuple[str, ...] = ()
    unknown_class: str | None = None


def color_values(table: RawTable, names: list[str]) -> tuple[NDArray[np.uint8], int]:
    """Return colours, and how many points had none that is finite (they are black).

    Floating point columns whose values all lie in [0, 1] are scaled by 255 and rounded; all
    others must lie in 0..255 and are rounded.

    Returns
    -------
    color : uint8 (n, 3)
    n_missing : int
    """
    columns = [table.numbers(name) for name in names]
    is_float = all(table.columns[name].dtype.kind == "f" for name in names)
    color = np.stack(columns, axis=1)
    missing = ~np.isfinite(color).all(axis=1)
    color[missing] = 0
    if is_float and color.size and color.min() >= 0 and color.max() <= 1:
        color *= 255
    wrong = np.flatnonzero(((color < 0) | (color > 255)).any(axis=1))
    if len(wrong):
        row = int(wrong[0])
        raise table.error(
            row,
            found=f"colour {' '.join(f'{v:g}' for v in color[row])}",
            wanted="0..255, or floating point 0..1",
            remedy="scale the colours, or leave them out with the reader option columns: "
            "{red: null, green: null, blue: null}",
        )
    return np.rint(color).astype(np.uint8), int(missing.sum())


def normal_values(table: RawTable, names: list[str]) -> tuple[NDArray[np.float32], int]:
    """Return normals, and how many points had none that is finite (theirs are 0 0 0).

    Returns
    -------
    normal : float32 (n, 3)
    n_missing : int
    """
    normal = np.stack([table.numbers(name) for name in names], axis=1).astype(np.float32)
    missing = ~np.isfinite(normal).all(axis=1)
    normal[missing] = 0
    return normal, int(missing.sum())


def semantic_values(
    table: RawTable, name: str, labels: Labels | None, options: ClassOptions
) -> NDArray[np.int16]:
    """Return class ids from a column of ids or names; −1 is no class.

    A value is looked up as a name or alias first, then as an id. Without ``labels`` ids are taken
    as they are, and names, having no ids, become −1.

    Returns
    -------
    int16 (n,)

    Raises
    ------
    SourceError
        A value is neither, with its first row.
    """
    distinct, first, inverse = _distinct(table.columns[name])
    ids = [
        _class_id(table, value, int(row), labels, options)
        for value, row in zip(distinct, first, strict=True)
    ]
    return np.array(ids, dtype=np.int16)[inverse]


def instance_values(table: RawTable, name: str) -> NDArray[np.int32]:
    """Return instance ids from a column of integers or names; −1 is no instance.

    Negative and missing values become −1. Integers that fit stay as they are; names and others
    are numbered in the order of their first points.

    Returns
    -------
    int32 (n,)
    """
    distinct, first, inverse = _distinct(table.columns[name])
    none = [value.lower() in UNLABELLED or _integer(value, 0) < 0 for value in distinct]
    numbers = [_integer(value, 2**31) for value in distinct]
    if all(number < 2**31 for number, empty in zip(numbers, none, strict=True) if not empty):
        ids = [-1 if empty else number for number, empty in zip(numbers, none, strict=True)]
    else:
        ids = [-1] * len(distinct)
        named = [int(k) for k in np.argsort(first, kind="stable") if not none[int(k)]]
        for number, k in enumerate(named):
            ids[k] = number
    return np.array(ids, dtype=np.int32)[inverse]


def renumber_by_class(
    semantic: NDArray[np.int16], instance: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Return ids unique in the scene where ``instance`` counts inside each class.

    Parameters
    ----------
    semantic, instance : int16 (n,), int32 (n,)

    Returns
    -------
    int32 (n,)
        Pairs of class and instance numbered in ascending order; −1 stays −1.
    """
    pairs = np.stack([semantic.astype(np.int64), instance.astype(np.int64)], axis=1)
    unique, inverse = np.unique(pairs[instance >= 0], axis=0, return_inverse=True)
    renumbered = np.full(len(instance), -1, dtype=np.int32)
    renumbered[instance >= 0] = np.arange(len(unique), dtype=np.int32)[inverse.reshape(-1)]
    return renumbered


def shared_instances(semantic: NDArray[np.int16], instance: NDArray[np.int32]) -> int:
    """Return how many instance ids stand for points of more than one class."""
    labelled = (instance >= 0) & (semantic >= 0)
    pairs = np.unique(np.stack([instance[labelled], semantic[labelled]], axis=1), axis=0)
    return int((np.unique(pairs[:, 0], return_counts=True)[1] > 1).sum())


def _class_id(
    table: RawTable, value: str, row: int, labels: Labels | None, options: ClassOptions
) -> int:
    if value.lower() in UNLABELLED or value in options.unlabelled:
        return -1
    number = _integer(value, -1)
    if table.class_names is not None and number >= 0:
        if number < len(table.class_names):
            value = table.class_names[number]
            if value in options.unlabelled:
                return -1
        number = -1
    if labels is None:
        return number if 0 <= number < 2**15 else -1
    ids = labels.class_ids()
    if value in ids:
        return ids[value]
    if 0 <= number < len(labels.levels[0].classes):
        return number
    if options.unknown_class is not None:
        return ids[options.unknown_class]
    known = ", ".join(f"{c.id} {c.name}" for c in labels.levels[0].classes)
    raise table.error(
        row,
        found=f"class {value[:40]!r}",
        wanted=f"−1 or one of {known}",
        remedy="add an alias to the data set's classes in the catalogue, or set the reader option "
        "unlabelled: [VALUE] or unknown_class: NAME",
    )


def _distinct(
    values: NDArray[Any],
) -> tuple[list[str], NDArray[np.intp], NDArray[np.intp]]:
    """Return the distinct values as text (``3.0`` as ``3``), their first rows, and the inverse."""
    if values.dtype.kind in "biuf":
        distinct, first, inverse = np.unique(values, return_index=True, return_inverse=True)
        return [_text(v) for v in distinct.tolist()], first, inverse
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    texts = np.array([_text(v).strip() for v in values.tolist()], dtype=np.str_)
    distinct, first, inverse = np.unique(texts, return_index=True, return_inverse=True)
    return [str(v) for v in distinct], first, inverse


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _integer(text: str, default: int) -> int:
    """Return the integer that a text of at most 19 digits is, or ``default``."""
    digits = text.removeprefix("-")
    whole = digits.isascii() and digits.isdigit() and len(digits) < 20
    return int(text) if whole else default
