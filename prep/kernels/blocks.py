"""Overlapping square blocks of a room, as lists of point indices.

The reference (ASIS ``room2blocks``) masks all points once per block. Here the points are in cell
order (:mod:`prep.kernels.grid`), so a block is a few runs of rows: cells whose points all lie
inside are taken whole, only cells that the block's edge crosses are tested point by point. Any
ratio of block to stride works; the cost grows with points times overlap.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from prep.errors import OptionError
from prep.kernels.grid import MAX_CELLS, Cells


def block_corners(
    extent_x: float, extent_y: float, block_m: float, stride_m: float
) -> NDArray[np.float64]:
    """Return the lower corners of all blocks in the serpentine order of the reference.

    Parameters
    ----------
    extent_x, extent_y : float
        Largest x and y of the room, whose smallest are 0, metres.
    block_m, stride_m : float
        Side of a block and distance between corners, metres.

    Returns
    -------
    float64 (k, 2)
        ``nx * ny`` corners ``(i, j) * stride_m`` with nx = ceil((extent_x - block_m) / stride_m)
        + 1; i ascends, j ascends for even i and descends for odd i. A room narrower than a block
        has one block along that axis (the reference has none below block - stride).

    Raises
    ------
    OptionError
        More than 2^24 blocks.
    """
    n_x = max(1, math.ceil((extent_x - block_m) / stride_m) + 1)
    n_y = max(1, math.ceil((extent_y - block_m) / stride_m) + 1)
    if n_x * n_y > MAX_CELLS:
        raise OptionError(
            f"found a floor of {extent_x:.6g} x {extent_y:.6g} m, that is {n_x * n_y:,} blocks "
            f"at a stride of {stride_m:g} m, wanted at most {MAX_CELLS:,}; remove stray points, "
            "check that the unit is metres, or raise stride_m"
        )
    i, j = np.divmod(np.arange(n_x * n_y), n_y)
    j = np.where(i % 2 == 0, j, n_y - 1 - j)
    return np.stack([i * stride_m, j * stride_m], axis=1).astype(np.float64)


def cut_blocks(
    xyz: NDArray[np.float64],
    cells: Cells,
    corners: NDArray[np.float64],
    block_m: float,
    min_points: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Find the points of each block, both ends of ``[corner, corner + block_m]`` inclusive.

    Parameters
    ----------
    xyz : float64 (n, 3) or (n, 2)
        Metres, shifted to a minimum of 0, in the cell order of ``cells``.
    cells : Cells
        From :func:`prep.kernels.grid.index_cells` on the same points.
    corners : float64 (k, 2)
        From :func:`block_corners`.
    block_m : float
        Side of a block, metres.
    min_points : int
        Blocks with fewer points are left out.

    Returns
    -------
    kept : int64 (b,)
        Rows of ``corners`` that have enough points, ascending.
    start : int64 (b + 1,)
        The points of block t are ``member[start[t] : start[t + 1]]``.
    member : int64 (start[-1],)
        Rows of ``xyz``, ascending within a block.
    """
    count = _count_members(xyz, cells, corners, block_m)
    kept = np.flatnonzero(count >= min_points).astype(np.int64)
    start = np.zeros(kept.size + 1, np.int64)
    np.cumsum(count[kept], out=start[1:])
    member = np.empty(int(start[-1]), np.int64)
    _fill_members(xyz, cells, corners[kept], block_m, start, member)
    return kept, start, member


@njit(cache=True, nogil=True)
def _cell_span(low: float, block_m: float, cell_m: float, n: int) -> tuple[int, int]:
    """Return the first cell, and one past the last, of ``[low, low + block_m]`` on an axis."""
    a = max(0.0, min(low / cell_m, n))
    b = min((low + block_m) / cell_m, n)
    return int(a), min(int(b) + 1, n)


@njit(cache=True, nogil=True)
def _count_members(
    xyz: NDArray[np.float64], cells: Cells, corner: NDArray[np.float64], block_m: float
) -> NDArray[np.int64]:
    count = np.zeros(corner.shape[0], np.int64)
    for b in range(corner.shape[0]):
        x0, y0 = corner[b, 0], corner[b, 1]
        x1, y1 = x0 + block_m, y0 + block_m
        ix0, ix1 = _cell_span(x0, block_m, cells.cell_m, cells.n_x)
        iy0, iy1 = _cell_span(y0, block_m, cells.cell_m, cells.n_y)
        total = 0
        for ix in range(ix0, ix1):
            for c in range(ix * cells.n_y + iy0, ix * cells.n_y + iy1):
                low_x, low_y = cells.low[c, 0], cells.low[c, 1]
                high_x, high_y = cells.high[c, 0], cells.high[c, 1]
                if low_x > x1 or low_y > y1 or high_x < x0 or high_y < y0:
                    continue
                if low_x >= x0 and low_y >= y0 and high_x <= x1 and high_y <= y1:
                    total += cells.first[c + 1] - cells.first[c]
                    continue
                for i in range(cells.first[c], cells.first[c + 1]):
                    x, y = xyz[i, 0], xyz[i, 1]
                    if x >= x0 and x <= x1 and y >= y0 and y <= y1:
                        total += 1
        count[b] = total
    return count


@njit(cache=True, nogil=True)
def _fill_members(
    xyz: NDArray[np.float64],
    cells: Cells,
    corner: NDArray[np.float64],
    block_m: float,
    start: NDArray[np.int64],
    member: NDArray[np.int64],
) -> None:
    for b in range(corner.shape[0]):
        x0, y0 = corner[b, 0], corner[b, 1]
        x1, y1 = x0 + block_m, y0 + block_m
        ix0, ix1 = _cell_span(x0, block_m, cells.cell_m, cells.n_x)
        iy0, iy1 = _cell_span(y0, block_m, cells.cell_m, cells.n_y)
        k = start[b]
        for ix in range(ix0, ix1):
            for c in range(ix * cells.n_y + iy0, ix * cells.n_y + iy1):
                low_x, low_y = cells.low[c, 0], cells.low[c, 1]
                high_x, high_y = cells.high[c, 0], cells.high[c, 1]
                if low_x > x1 or low_y > y1 or high_x < x0 or high_y < y0:
                    continue
                if low_x >= x0 and low_y >= y0 and high_x <= x1 and high_y <= y1:
                    for i in range(cells.first[c], cells.first[c + 1]):
                        member[k] = i
                        k += 1
                    continue
                for i in range(cells.first[c], cells.first[c + 1]):
                    x, y = xyz[i, 0], xyz[i, 1]
                    if x >= x0 and x <= x1 and y >= y0 and y <= y1:
                        member[k] = i
                        k += 1
