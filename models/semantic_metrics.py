"""Semantic scores from a confusion matrix, as the ASIS evaluation defines them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

ZeroDivision = Literal["zero", "nan", "skip"]
ZERO_DIVISION: tuple[ZeroDivision, ...] = ("zero", "nan", "skip")


def confusion_matrix(
    truth: NDArray[Any], prediction: NDArray[Any], n_classes: int
) -> NDArray[np.int64]:
    """Count points by true class (rows) and predicted class (columns).

    Parameters
    ----------
    truth, prediction : int (n,)
        Classes; points of true class −1 are left out, a prediction of −1 (no answer) counts in the
        last column.

    Returns
    -------
    int64 (C, C + 1)
    """
    truth, prediction = np.asarray(truth, np.int64), np.asarray(prediction, np.int64)
    known = truth >= 0
    column = np.where(prediction[known] < 0, n_classes, prediction[known])
    counts = np.bincount(
        truth[known] * (n_classes + 1) + column, minlength=n_classes**2 + n_classes
    )
    return counts.reshape(n_classes, n_classes + 1)


def semantic_scores(
    confusion: NDArray[np.int64], zero_division: ZeroDivision = "zero"
) -> tuple[dict[str, float], dict[str, NDArray[np.float64]]]:
    """Return the means oAcc, mAcc, mIoU and the per-class Acc and IoU.

    oAcc = correct / labelled points; Acc = correct / points of the class; IoU = correct / (points
    of the class + points predicted as it − correct). Counts are summed over all rooms before any
    division. 0/0 follows ``zero_division``, see :class:`models.metrics.Scorer`.
    """
    n_classes = confusion.shape[0]
    correct = np.diagonal(confusion).astype(np.float64)
    true, predicted = confusion.sum(axis=1), confusion[:, :n_classes].sum(axis=0)
    per_class = {
        "Acc": ratio(correct, true, zero_division),
        "IoU": ratio(correct, true + predicted - correct, zero_division),
    }
    overall = ratio(correct.sum(), confusion.sum(), zero_division)
    means = {
        "oAcc": float(overall),
        "mAcc": mean_over_classes(per_class["Acc"], zero_division),
        "mIoU": mean_over_classes(per_class["IoU"], zero_division),
    }
    return means, per_class


def constant_baseline(
    confusion: NDArray[np.int64],
    class_id: int | None = None,
    zero_division: ZeroDivision = "zero",
) -> dict[str, float]:
    """Return oAcc, mAcc and mIoU of answering one class everywhere.

    Parameters
    ----------
    confusion : int64 (C, C + 1)
        Only its row sums count.
    class_id : int, optional
        The answer, such as the commonest class of the training scenes; by default the commonest
        class of these very points, of equals the smallest.
    """
    true = confusion.sum(axis=1)
    constant = np.zeros_like(confusion)
    constant[:, int(true.argmax()) if class_id is None else class_id] = true
    return semantic_scores(constant, zero_division)[0]


def ratio(
    above: NDArray[Any] | Any, below: NDArray[Any] | Any, zero_division: ZeroDivision
) -> NDArray[np.float64]:
    """Divide; 0/0 is 0 under "zero" and NaN otherwise."""
    above, below = np.asarray(above, np.float64), np.asarray(below, np.float64)
    empty = 0.0 if zero_division == "zero" else np.nan
    return np.where(below > 0, above / np.where(below > 0, below, 1), empty)


def mean_over_classes(values: NDArray[np.float64], zero_division: ZeroDivision) -> float:
    """Average over classes; undefined classes are left out under "skip" only."""
    if zero_division == "skip":
        values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else float("nan")
