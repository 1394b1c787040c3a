"""Mean shift with a flat kernel, label for label what scikit-learn 1.9 answers, only faster.

``MeanShift(bandwidth, bin_seeding=True)`` is what ASIS, JSNet and JSPNet cluster embeddings with
(bandwidth 0.6, Euclidean). Departures, none of which changes a label:

* A mean that another seed has visited is not followed again: from equal means equal paths follow.
* The loop runs compiled, over the tree of :mod:`models.kd_tree`, which adds points in the order of
  scikit-learn's tree; the comparisons at the rim of a ball are scikit-learn's, box by box.

Where scikit-learn raises because no seed has a point in reach (sparse points in many dimensions),
the points themselves become the seeds. Among at most 11 points or modes, scikit-learn has no tree
and expands ‖a−b‖² into a² − 2ab + b² in its BLAS; here the difference is squared, so two of them
that lie a bandwidth apart to the last bit (made-up grids, not embeddings) may fall on the other
side of the rim.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.kd_tree import Floats, KdTree, build_kd_tree
from models.mean_shift import climb, nearest, suppress

_STOP_FRACTION = 1e-3  # of the bandwidth: a shorter step ends a climb
_BALL_NEIGHBOURS = 5  # NearestNeighbors' default, which decides whether it builds a tree


@dataclass(frozen=True)
class Clusters:
    """What :func:`mean_shift` found.

    Attributes
    ----------
    labels : int32 (n,)
        Cluster of each point, 0..k−1.
    centres : float (k, d)
        Modes of the density, by falling number of points in their ball.
    """

    labels: NDArray[np.int32]
    centres: Floats


def mean_shift(
    points: NDArray[Any],
    bandwidth: float,
    *,
    max_iter: int = 300,
    max_clusters: int | None = None,
) -> Clusters:
    """Cluster points as ``sklearn.cluster.MeanShift(bandwidth, bin_seeding=True)`` does.

    Parameters
    ----------
    points : float32 or float64 (n, d)
        Embeddings; float32 is summed in float32, as scikit-learn does.
    bandwidth : float
        Radius of the flat kernel, > 0, inclusive, in the units of ``points``.
    max_iter : int
        A climb ends after this many steps beyond the first at the latest.
    max_clusters : int, optional
        Keep only so many of the largest modes; every point still goes to its nearest kept one.

    Returns
    -------
    Clusters
        No points give no clusters.

    Raises
    ------
    ValueError
        If ``points`` is not (n, d) with d >= 1, holds NaN or infinity, or an option is senseless.
    """
    points = np.asarray(points)
    dtype = np.float32 if points.dtype == np.float32 else np.float64
    points = np.ascontiguousarray(points, dtype)
    bandwidth = float(bandwidth)
    _check(points, bandwidth, max_iter, max_clusters)
    if not len(points):
        return Clusters(np.zeros(0, np.int32), points.copy())
    tree = build_kd_tree(points, neighbours=_BALL_NEIGHBOURS)
    means, counts = _climb_all(bin_seeds(points, bandwidth), points, tree, bandwidth, max_iter)
    if not counts.any():
        means, counts = _climb_all(points, points, tree, bandwidth, max_iter)
    centres = _strongest(means, counts)
    around = build_kd_tree(centres, neighbours=_BALL_NEIGHBOURS)
    kept = suppress(centres, *_ball_arguments(around, bandwidth))
    centres = centres[kept][:max_clusters]
    near = build_kd_tree(centres, neighbours=1)
    labels = nearest(points, near.order, near.column, near.first, near.last, near.lower,
                      near.upper, near.plain)  # fmt: skip
    return Clusters(labels, centres)


def bin_seeds(points: Floats, bandwidth: float) -> Floats:
    """Return the corners of the grid of side ``bandwidth`` that are nearest to some point.

    In the order in which the points first meet them, rounded to float32 as scikit-learn does;
    the points themselves when no two share a corner. Shape (seeds, d), dtype of ``points``.
    """
    corner = np.round(points / points.dtype.type(bandwidth)) + points.dtype.type(0)  # -0.0 to 0.0
    order = np.lexsort(corner.T)  # stable: of equal corners the first point comes first
    fresh = np.ones(len(points), bool)
    fresh[1:] = (corner[order[1:]] != corner[order[:-1]]).any(axis=1)
    if fresh.all():
        return points
    corner = corner[np.sort(order[fresh])].astype(np.float32)
    return (corner * np.float32(bandwidth)).astype(points.dtype)


def _check(points: Floats, bandwidth: float, max_iter: int, max_clusters: int | None) -> None:
    if points.ndim != 2 or points.shape[1] == 0:
        raise ValueError(f"mean shift wants points of shape (n, d), found {points.shape}")
    bad = ~np.isfinite(points).all(axis=1)
    if bad.any():
        raise ValueError(
            f"mean shift wants finite points, found NaN or infinity in {bad.sum()} of {len(points)}"
            f" (first: point {int(bad.argmax())})"
        )
    if not (np.isfinite(bandwidth) and bandwidth > 0):
        raise ValueError(f"mean shift wants a bandwidth > 0, found {bandwidth}")
    if max_iter < 0 or (max_clusters is not None and max_clusters < 1):
        raise ValueError(
            f"mean shift wants max_iter >= 0 and max_clusters >= 1, found {max_iter} and "
            f"{max_clusters}"
        )


def _ball_arguments(tree: KdTree, radius: float) -> tuple[Any, ...]:
    """Return what the kernels need to search balls: arrays, radius, squared radius, exponents."""
    # without a tree scikit-learn squares the radius in the dtype of the points
    squared = float(np.square(tree.row.dtype.type(radius))) if tree.plain else radius * radius
    return (tree.order, tree.column, tree.row, tree.first, tree.last, tree.lower, tree.upper,
            tree.plain, radius, squared, 2.0, 0.5)  # fmt: skip


def _climb_all(
    seeds: Floats, points: Floats, tree: KdTree, bandwidth: float, max_iter: int
) -> tuple[Floats, NDArray[np.int64]]:
    stop = float(points.dtype.type(_STOP_FRACTION * bandwidth))
    return climb(seeds, stop, max_iter, *_ball_arguments(tree, bandwidth))


def _strongest(means: Floats, counts: NDArray[np.int64]) -> Floats:
    """Return the distinct means by falling (count, coordinates).

    Of equal means the last seed's count stands.
    """
    found = np.flatnonzero(counts)
    means, counts = means[found], counts[found]
    order = np.lexsort(means.T[::-1])  # by coordinates, the first counting most; stable
    last = np.ones(len(order), bool)
    last[:-1] = (means[order[1:]] != means[order[:-1]]).any(axis=1)
    order = order[last]
    return means[order[np.argsort(counts[order], kind="stable")[::-1]]]
