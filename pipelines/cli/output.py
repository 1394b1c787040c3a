"""Results on stdout: JSON that any parser reads, and plain tables."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import click

_NUMBER = re.compile(r"-|-?[0-9][0-9,.e+-]*")


def echo_json(value: Any) -> None:
    """Print ``value`` as JSON; numbers that JSON does not know become null."""
    click.echo(json.dumps(to_plain(value), indent=2, ensure_ascii=False, allow_nan=False))


def to_plain(value: Any) -> Any:
    """Return ``value`` made of JSON's own types: dataclasses, arrays, paths and tuples unfolded."""
    if is_dataclass(value) and not isinstance(value, type):
        return to_plain(asdict(value))
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        return to_plain(value.tolist())
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    return value


def echo_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows in columns, numbers to the right, without colour or frame."""
    cells = [[_cell(value) for value in row] for row in rows]
    right = [
        bool(cells) and all(_NUMBER.fullmatch(row[k]) for row in cells) for k in range(len(header))
    ]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    for line in [list(header), *cells]:
        aligned = [
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(line, widths, right, strict=True)
        ]
        click.echo("  ".join(aligned).rstrip())


def echo_pairs(pairs: Sequence[tuple[str, Any]]) -> None:
    """Print names and values in two columns."""
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        click.echo(f"{name.ljust(width)}  {_cell(value)}".rstrip())


def percent(share: float | None) -> str | None:
    """Return a share as a percentage with two decimals, None where it is not known."""
    return None if share is None or not math.isfinite(share) else f"{100 * share:.2f}"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if not math.isfinite(value):
            return "-"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return str(value)
