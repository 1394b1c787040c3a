"""The nine features of a block's points, assembled when a block is loaded.

Source: ASIS ``room2blocks_plus_normalized``. Channels, metres unless said:

====  ======================================================================================
0, 1  x, y less half a block more than the smallest of the *sampled* points of the block
2     z above the room's minimum
3-5   red, green, blue / 255 (0 where the cloud has no colour)
6-8   x, y, z above the room's minimum / the room's extent, 0..1
====  ======================================================================================
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


def block_features(
    coord: NDArray[np.float32],
    color: NDArray[np.uint8] | None,
    sample: NDArray[np.uint32],
    room_max: NDArray[np.float64],
    out: NDArray[np.float32] | None = None,
    *,
    first: NDArray[np.int64] | None = None,
    block_m: float = 1.0,
) -> NDArray[np.float32]:
    """Gather the features of blocks; float64 inside, rounded once at the end.

    Parameters
    ----------
    coord : float32 (n, 3)
        Metres above the minimum of the room (of each room, where ``first`` is given).
    color : uint8 (n, 3) or None
    sample : uint32 (b, n_points)
        Rows of the points of each block.
    room_max : float64 (3,) or (b, 3)
        Extent of the room, or of the room of each block, metres. Channels 6-8 are 0 along an
        axis without extent.
    out : float32 (b, n_points, 9), optional
        Where to write; made if not given.
    first : int64 (b,), optional
        First row of each block's room in ``coord`` and ``color``, where these hold many rooms
        and ``sample`` counts from the room's own first row. None: all 0.
    block_m : float
        Side of a block, metres.

    Returns
    -------
    float32 (b, n_points, 9)
        ``out``.
    """
    n_blocks, n_points = sample.shape
    if out is None:
        out = np.empty((n_blocks, n_points, 9), np.float32)
    if first is None:
        first = np.zeros(n_blocks, np.int64)
    extent = np.broadcast_to(np.asarray(room_max, np.float64), (n_blocks, 3))
    divisor = np.where(extent > 0, extent, 1.0)
    painted = color is not None
    paint = np.zeros((0, 3), np.uint8) if color is None else color
    _gather(coord, paint, painted, sample, first, divisor, block_m / 2, out)
    return out


@njit(cache=True, nogil=True)
def _gather(
    coord: NDArray[np.float32],
    color: NDArray[np.uint8],
    painted: bool,
    sample: NDArray[np.uint32],
    first: NDArray[np.int64],
    divisor: NDArray[np.float64],
    half_m: float,
    out: NDArray[np.float32],
) -> None:
    for b in range(sample.shape[0]):
        base = first[b]
        max_x, max_y, max_z = divisor[b, 0], divisor[b, 1], divisor[b, 2]
        low_x, low_y = np.float32(np.inf), np.float32(np.inf)
        for k in range(sample.shape[1]):
            i = base + np.int64(sample[b, k])
            x, y, z = coord[i, 0], coord[i, 1], coord[i, 2]
            low_x = min(low_x, x)
            low_y = min(low_y, y)
            out[b, k, 0] = x
            out[b, k, 1] = y
            out[b, k, 2] = z
            if painted:
                out[b, k, 3] = color[i, 0] / 255.0
                out[b, k, 4] = color[i, 1] / 255.0
                out[b, k, 5] = color[i, 2] / 255.0
            else:
                out[b, k, 3] = 0.0
                out[b, k, 4] = 0.0
                out[b, k, 5] = 0.0
            out[b, k, 6] = np.float64(x) / max_x
            out[b, k, 7] = np.float64(y) / max_y
            out[b, k, 8] = np.float64(z) / max_z
        mid_x = np.float64(low_x) + half_m
        mid_y = np.float64(low_y) + half_m
        for k in range(sample.shape[1]):
            out[b, k, 0] = np.float64(out[b, k, 0]) - mid_x
            out[b, k, 1] = np.float64(out[b, k, 1]) - mid_y
