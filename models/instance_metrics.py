"""Instance scores of one room: coverage, and matches at IoU >= 0.5, as the ASIS evaluation.

The published code defines them per room and class, over ground-truth and predicted instances of
the same class, where an instance's class is the commonest of its points. Coverage has no
one-to-one rule; a prediction is right if it reaches the threshold with any ground truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.merging import compact_ids, count_and_classify


@dataclass(frozen=True)
class RoomInstances:
    """Instance scores of one room, by class, each (C,).

    Attributes
    ----------
    coverage, weighted_coverage : float64
        Mean over the class's true instances of the best IoU with a prediction of the same class;
        the second weighted by their points. NaN where the class has no true instance.
    hits, predicted, true : int64
        Predictions of IoU >= threshold with some true instance of their class; predictions; true
        instances.
    """

    coverage: NDArray[np.float64]
    weighted_coverage: NDArray[np.float64]
    hits: NDArray[np.int64]
    predicted: NDArray[np.int64]
    true: NDArray[np.int64]


def score_room(
    true_semantic: NDArray[Any],
    true_instance: NDArray[Any],
    semantic: NDArray[Any],
    instance: NDArray[Any],
    *,
    n_classes: int,
    threshold: float = 0.5,
) -> RoomInstances:
    """Compare the instances of one room; all arrays int (n,), classes < ``n_classes``.

    Points of true class −1 must be left out beforehand. Instance −1 is no instance on either
    side: such points count in the size of what the other side has there. A prediction whose points
    are all of predicted class −1 is none.
    """
    true_ids, true_member = compact_ids(true_instance)
    ids, member = compact_ids(instance)
    true_size, true_class = count_and_classify(true_member, true_semantic, len(true_ids))
    size, classes = count_and_classify(member, semantic, len(ids))
    real_true = (true_ids >= 0) & (true_class >= 0)
    real = (ids >= 0) & (classes >= 0)
    g, p, common = _pairs(true_member, member, len(ids))
    use = real_true[g] & real[p] & (true_class[g] == classes[p])
    g, p, common = g[use], p[use], common[use]
    iou = common / (true_size[g] + size[p] - common)
    best_true, best = np.zeros(len(true_ids)), np.zeros(len(ids))
    np.maximum.at(best_true, g, iou)
    np.maximum.at(best, p, iou)

    def by_class(of: NDArray[np.int64], weights: NDArray[Any] | None = None) -> NDArray[Any]:
        return np.bincount(of, weights, minlength=n_classes)

    of_true, weight = true_class[real_true], true_size[real_true].astype(np.float64)
    n_true = by_class(of_true)
    none = np.where(n_true > 0, 0.0, np.nan)
    return RoomInstances(
        coverage=by_class(of_true, best_true[real_true]) / np.maximum(n_true, 1) + none,
        weighted_coverage=by_class(of_true, best_true[real_true] * weight)
        / np.maximum(by_class(of_true, weight), 1)
        + none,
        hits=by_class(classes[real & (best >= threshold)]),
        predicted=by_class(classes[real]),
        true=n_true,
    )


def _pairs(
    true_member: NDArray[np.int64], member: NDArray[np.int64], n_predicted: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the pairs (true, predicted) that share points, and how many, in one pass."""
    pairs, which = compact_ids(true_member * n_predicted + member)
    return pairs // max(n_predicted, 1), pairs % max(n_predicted, 1), np.bincount(which)
