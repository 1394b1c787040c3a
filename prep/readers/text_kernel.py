"""The numba kernel under :mod:`prep.readers.text`."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def fill_rows(data, begin, powers, xyz, color, bad, hard):  # type: ignore[no-untyped-def]  # numba
    """Read clean rows into ``xyz`` and ``color``; list the others and the long numbers.

    Parameters
    ----------
    data : uint8 (b,)
        Bytes, the last one a line feed; parsing starts at ``begin``.
    powers : float64 (23,)
        10^0 .. 10^22.
    xyz, color : float64 (lines, N), uint8 (lines, C)
        Filled from row 0.
    bad : int64 (k, 4)
        Rows that are not clean: clean rows before it, 1-based line, first byte, end.
    hard : int64 (h, 3)
        Numbers left to the caller: flat index into ``xyz``, first byte, end.

    Returns
    -------
    rows, n_bad, n_hard : int
        Counts; the last two may exceed the room in ``bad`` and ``hard``, which are then short.
    """
    zero = np.uint64(0)  # positions are unsigned: no test for an index from the end
    one = np.uint64(1)
    too_long = np.uint64(16)  # 15 digits always fit into 2^53
    size = np.uint64(len(data))
    n_numbers = xyz.shape[1]
    n_columns = n_numbers + color.shape[1]
    pos = np.uint64(begin)
    line = 0
    row = 0
    n_bad = 0
    n_hard = 0
    while pos < size:
        line += 1
        start = pos
        hard_before = n_hard
        column = 0
        clean = True
        while clean:
            if data[pos] <= 44:  # no sign, point or digit
                while data[pos] == 32 or data[pos] == 9 or data[pos] == 44:
                    pos += one
                if data[pos] == 10:
                    break
                if data[pos] == 13:
                    after = pos
                    while data[after] == 13:
                        after += one
                    if data[after] == 10:
                        pos = after
                        break
            if column == n_columns:
                clean = False
                break

            # A number of a few digits and at most one point; anything else goes to _read_number.
            first = pos
            negative = data[pos] == 45
            digits_at = pos + one if negative else pos
            pos = digits_at
            mantissa = np.int64(0)
            digit = np.int64(data[pos]) - 48
            while digit >= 0 and digit <= 9:
                mantissa = mantissa * 10 + digit
                pos += one
                digit = np.int64(data[pos]) - 48
            places = zero
            n_digits = pos - digits_at
            if digit == -2:
                pos += one
                point_end = pos
                digit = np.int64(data[pos]) - 48
                while digit >= 0 and digit <= 9:
                    mantissa = mantissa * 10 + digit
                    pos += one
                    digit = np.int64(data[pos]) - 48
                places = pos - point_end
                n_digits += places
            is_end = digit == -16 or digit == -38 or digit == -39 or digit == -4 or digit == -35
            fits = True
            if is_end and n_digits > zero and n_digits < too_long:
                value = float(mantissa) / powers[places]
                value = -value if negative else value
            else:
                value, pos, status = _read_number(data, first, powers)
                clean = status != 2
                fits = status == 0

            if column < n_numbers:
                xyz[row, column] = value
                if not fits:
                    if n_hard < len(hard):
                        hard[n_hard, 0] = row * n_numbers + column
                        hard[n_hard, 1] = first
                        hard[n_hard, 2] = pos
                    n_hard += 1
            elif fits and value >= 0.0 and value <= 255.0 and value == np.floor(value):
                color[row, column - n_numbers] = np.uint8(value)
            else:
                clean = False
            column += 1

        if clean and (column == 0 or column == n_columns):
            if column == n_columns:
                row += 1
        else:
            n_hard = hard_before
            while data[pos] != 10:
                pos += one
            if n_bad < len(bad):
                bad[n_bad, 0] = row
                bad[n_bad, 1] = line
                bad[n_bad, 2] = start
                bad[n_bad, 3] = pos
            n_bad += 1
        pos += one
    return row, n_bad, n_hard


@njit(cache=True, nogil=True, error_model="numpy")
def _read_number(data, pos, powers):  # type: ignore[no-untyped-def]  # numba
    """Read any decimal number that starts at ``pos``.

    An integer m <= 2^53 times a power of ten of at most 22 is exact in both factors, so that one
    product or division rounds once (Clinger 1990, "How to read floating point numbers
    accurately"). Longer ones are left to the caller.

    Returns
    -------
    value : float64
    end : int
        First byte after the number.
    status : int
        0 read; 1 a finite number, but ``value`` is not it; 2 no number, or one that may not be
        finite.
    """
    one = np.uint64(1)
    negative = data[pos] == 45
    if negative or data[pos] == 43:
        pos += one
    mantissa = np.int64(0)
    digits = 0  # significant ones; at most 18 enter the mantissa
    seen = 0
    exponent = np.int64(0)
    fits = True
    fraction = False
    while True:
        digit = np.int64(data[pos]) - 48
        if digit >= 0 and digit <= 9:
            seen += 1
            if digits < 18:
                mantissa = mantissa * 10 + digit
                if mantissa > 0:
                    digits += 1
                if fraction:
                    exponent -= 1
            else:
                if digit != 0:
                    fits = False
                if not fraction:
                    exponent += 1
        elif digit == -2 and not fraction:
            fraction = True
        else:
            break
        pos += one
    if seen == 0:
        return 0.0, pos, 2
    if data[pos] == 101 or data[pos] == 69:
        pos += one
        down = data[pos] == 45
        if down or data[pos] == 43:
            pos += one
        if data[pos] < 48 or data[pos] > 57:
            return 0.0, pos, 2
        power = np.int64(0)
        while data[pos] >= 48 and data[pos] <= 57:
            if power < 10000:
                power = power * 10 + np.int64(data[pos]) - 48
            pos += one
        exponent += -power if down else power
    end = data[pos]
    if end != 32 and end != 10 and end != 9 and end != 44 and end != 13:
        return 0.0, pos, 2

    if digits + exponent > 300:
        return 0.0, pos, 2
    while mantissa > 9007199254740992 and mantissa % 10 == 0:
        mantissa //= 10
        exponent += 1
    value = float(mantissa)
    if not fits or mantissa > 9007199254740992:
        return 0.0, pos, 1
    if mantissa > 0:
        if exponent > 22 or exponent < -22:
            return 0.0, pos, 1
        if exponent > 0:
            value *= powers[exponent]
        elif exponent < 0:
            value /= powers[-exponent]
    return (-value if negative else value), pos, 0
