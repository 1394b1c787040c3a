"""Multi-scale semantic association maps (SASO, Sec. 3.4)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def association_maps(sums: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return what surrounds a point of each class, on average.

    Row c of ``M_s`` is the mean, over the training points of class c, of the distribution of
    labels in the ball of radius s around the point: each point counts once, however many
    neighbours it has (as in eq. 6), and itself is one of them.

    Parameters
    ----------
    sums : float64 (R, C, C)
        From :func:`prep.kernels.msa.neighbour_sums`, added over the training scenes.
    counts : int64 (C,)
        Likewise.

    Returns
    -------
    float64 (R, C, C)
        Rows add up to 1. The row of a class without points is 0: nothing is known about it, and
        whoever compares distributions with the rows (eq. 7) has to leave it out, since a row of
        zeros is closer to most distributions than a wrong class is.
    """
    weight = np.asarray(counts, np.float64)[None, :, None]
    return np.divide(sums, weight, out=np.zeros(np.shape(sums)), where=weight > 0)
