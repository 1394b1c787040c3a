"""The slow obvious twin of the text parser: strict, a line at a time, no repairs."""

from __future__ import annotations

import math
import string


def read_strictly(
    data: bytes, numbers: int = 3, colors: int = 3
) -> tuple[list[list[float]], list[int]]:
    """Return the rows that read, and the 1-based lines that hold anything else."""
    text = data.decode("latin-1").removeprefix("\xef\xbb\xbf")
    if "\n" not in text:
        text = text.replace("\r", "\n")
    rows, bad = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        cells = [cell for cell in split_blanks(line.rstrip("\r")) if cell]
        if not cells:
            continue
        values = [float(cell) if is_decimal(cell) else math.nan for cell in cells]
        fits = (
            len(values) == numbers + colors
            and all(math.isfinite(v) for v in values)
            and all(v in range(256) for v in values[numbers:])
        )
        if fits:
            rows.append(values)
        else:
            bad.append(number)
    return rows, bad


def split_blanks(line: str) -> list[str]:
    """Split at blanks, tabs and commas only."""
    return line.replace("\t", " ").replace(",", " ").split(" ")


def is_decimal(cell: str) -> bool:
    """Tell whether a cell is a plain decimal number, with or without an exponent."""
    mantissa, mark, exponent = cell.replace("E", "e").partition("e")
    unsigned = mantissa[1:] if mantissa[:1] in ("+", "-") else mantissa
    whole, _, fraction = unsigned.partition(".")
    power = exponent[1:] if exponent[:1] in ("+", "-") else exponent
    return (
        whole + fraction != ""
        and set(whole + fraction) <= set(string.digits)
        and (not mark or (power != "" and set(power) <= set(string.digits)))
    )
