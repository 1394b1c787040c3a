"""Points in the order of the cells of a horizontal grid.

A point's cell is ``floor(x / cell_m), floor(y / cell_m)`` in float64. That division is monotone,
so a cell strictly between those of two bounds holds only points strictly between the bounds:
whoever cuts by coordinates has to test the points of the bounds' own cells and no others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from prep.errors import OptionError

MAX_CELLS = 1 << 24


class Cells(NamedTuple):
    """Where the cells of a grid lie in an array of points in cell order.

    Attributes
    ----------
    cell_m : float
        Side of a cell, metres.
    n_x, n_y : int
        Cells along each axis; cell (ix, iy) has number ``ix * n_y + iy``.
    first : int64 (n_x * n_y + 1,)
        Rows ``first[c]`` to ``first[c + 1]`` are the points of cell c.
    low, high : float64 (n_x * n_y, 2)
        Bounds of the points of a cell, metres; +inf and -inf for an empty cell.
    """

    cell_m: float
    n_x: int
    n_y: int
    first: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def sort_by_cell(xy: NDArray[np.float64], cell_m: float) -> NDArray[np.int64]:
    """Return the order that sorts points by cell, those of a cell staying in their order.

    Parameters
    ----------
    xy : float64 (n, 2) or (n, 3)
        Metres, none negative (a third column is ignored).
    cell_m : float
        Side of a cell, metres.

    Returns
    -------
    int64 (n,)
        Stable order by ``ix``, then ``iy``.

    Raises
    ------
    ValueError
        A coordinate is negative or not finite.
    OptionError
        The grid would have more than 2^24 cells: one stray point, or millimetres for metres.
    """
    n_x, n_y = _grid_shape(xy, cell_m)
    return _sorting_order(xy, cell_m, n_x, n_y)


def index_cells(xy: NDArray[np.float64], cell_m: float) -> Cells:
    """Return where each cell lies in points that are in cell order.

    Parameters
    ----------
    xy : float64 (n, 2) or (n, 3)
        Metres, in the order of :func:`sort_by_cell` with the same ``cell_m``.
    cell_m : float
        Side of a cell, metres.

    Raises
    ------
    ValueError
        The points are not in cell order, or as in :func:`sort_by_cell`.
    OptionError
        As in :func:`sort_by_cell`.
    """
    n_x, n_y = _grid_shape(xy, cell_m)
    first, low, high = _cell_ranges(xy, cell_m, n_x, n_y)
    if first[-1] < 0:
        raise ValueError("points are not in the order of sort_by_cell")
    return Cells(cell_m, n_x, n_y, first, low, high)


def _grid_shape(xy: NDArray[np.float64], cell_m: float) -> tuple[int, int]:
    if xy.shape[0] == 0:
        return 1, 1
    sound, high_x, high_y = _largest(xy)
    if not sound:
        raise ValueError("found a negative coordinate or one that is not finite")
    n_x, n_y = int(high_x / cell_m) + 1, int(high_y / cell_m) + 1
    if n_x * n_y > MAX_CELLS:
        raise OptionError(
            f"found a floor of {high_x:.6g} x {high_y:.6g} m, that is {n_x * n_y:,} cells of "
            f"{cell_m:g} m, wanted at most {MAX_CELLS:,}; remove stray points, "
            "check that the unit is metres, or raise stride_m"
        )
    return n_x, n_y


@njit(cache=True, nogil=True)
def _largest(xy: NDArray[np.float64]) -> tuple[bool, float, float]:
    """Whether all x and y are finite and not negative, and the largest of each."""
    high_x = high_y = 0.0
    sound = True
    for i in range(xy.shape[0]):
        x, y = xy[i, 0], xy[i, 1]
        sound &= x >= 0 and y >= 0 and x < np.inf and y < np.inf
        high_x = x if x > high_x else high_x
        high_y = y if y > high_y else high_y
    return sound, high_x, high_y


@njit(cache=True, nogil=True, error_model="numpy")
def _sorting_order(xy: NDArray[np.float64], cell_m: float, n_x: int, n_y: int) -> NDArray[np.int64]:
    n = xy.shape[0]
    cell = np.empty(n, np.int32)
    cursor = np.zeros(n_x * n_y, np.int64)
    for i in range(n):
        c = int(xy[i, 0] / cell_m) * n_y + int(xy[i, 1] / cell_m)
        cell[i] = c
        cursor[c] += 1
    total = 0
    for c in range(n_x * n_y):
        count = cursor[c]
        cursor[c] = total
        total += count
    order = np.empty(n, np.int64)
    for i in range(n):
        c = cell[i]
        order[cursor[c]] = i
        cursor[c] += 1
    return order


@njit(cache=True, nogil=True, error_model="numpy")
def _cell_ranges(
    xy: NDArray[np.float64], cell_m: float, n_x: int, n_y: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    n = xy.shape[0]
    n_cells = n_x * n_y
    first = np.zeros(n_cells + 1, np.int64)
    low = np.full((n_cells, 2), np.inf)
    high = np.full((n_cells, 2), -np.inf)
    i = 0
    previous = -1
    while i < n:
        c = int(xy[i, 0] / cell_m) * n_y + int(xy[i, 1] / cell_m)
        if c <= previous:
            first[n_cells] = -1
            return first, low, high
        begin = i
        low_x, low_y = xy[i, 0], xy[i, 1]
        high_x, high_y = low_x, low_y
        while i < n:
            x, y = xy[i, 0], xy[i, 1]
            if int(x / cell_m) * n_y + int(y / cell_m) != c:
                break
            low_x = x if x < low_x else low_x
            low_y = y if y < low_y else low_y
            high_x = x if x > high_x else high_x
            high_y = y if y > high_y else high_y
            i += 1
        first[c + 1] = i - begin
        low[c, 0], low[c, 1] = low_x, low_y
        high[c, 0], high[c, 1] = high_x, high_y
        previous = c
    for c in range(n_cells):
        first[c + 1] += first[c]
    return first, low, high
