"""The scores of semantic instance segmentation: oAcc, mAcc, mIoU, mCov, mWCov, mPrec, mRec.

Definitions are those of the ASIS evaluation (equations 7-9 of the paper define coverage without
classes; the published numbers come from the code, which goes by room and class):

* semantic scores divide counts that are summed over all rooms;
* Cov and WCov average over the rooms that have the class, then over classes;
* Prec and Rec divide matches summed over all rooms, then average over classes.

Points are taken as given, also those that overlapping blocks repeat.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.instance_metrics import score_room
from models.semantic_metrics import (
    ZERO_DIVISION,
    ZeroDivision,
    confusion_matrix,
    constant_baseline,
    mean_over_classes,
    ratio,
    semantic_scores,
)
from prep.errors import OptionError

MEANS = ("oAcc", "mAcc", "mIoU", "mCov", "mWCov", "mPrec", "mRec")
PER_CLASS = ("Acc", "IoU", "Cov", "WCov", "Prec", "Rec")


@dataclass(frozen=True)
class Scores:
    """Scores of a set of rooms.

    Attributes
    ----------
    class_names : tuple of str
    mean : dict of str to float
        By the names in ``MEANS``.
    per_class : dict of str to tuple of float
        By the names in ``PER_CLASS``, classes in the order of their ids.
    undefined : tuple of str
        ``"IoU of stairs"`` for each 0/0, whatever value the policy put there.
    confusion : tuple of tuple of int
        Rows true classes, columns predicted ones; a last column counts points without an answer.
    instances : dict of str to tuple of int
        By class: ``true`` ones, ``predicted`` ones, and of these the ``matched`` ones.
    baseline : dict of str to float
        oAcc, mAcc and mIoU of answering the commonest true class everywhere.
    rooms, points, unlabelled : int
        Rooms; their labelled points; points left out since their true class is −1.
    zero_division : str
    """

    class_names: tuple[str, ...]
    mean: dict[str, float]
    per_class: dict[str, tuple[float, ...]]
    undefined: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    instances: dict[str, tuple[int, ...]]
    baseline: dict[str, float]
    rooms: int
    points: int
    unlabelled: int
    zero_division: ZeroDivision

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; NaN becomes None."""
        return {
            "class_names": list(self.class_names),
            "mean": {k: _plain(v) for k, v in self.mean.items()},
            "per_class": {k: [_plain(v) for v in vs] for k, vs in self.per_class.items()},
            "undefined": list(self.undefined),
            "confusion": [list(row) for row in self.confusion],
            "instances": {k: list(v) for k, v in self.instances.items()},
            "baseline": {k: _plain(v) for k, v in self.baseline.items()},
            "rooms": self.rooms,
            "points": self.points,
            "unlabelled": self.unlabelled,
            "zero_division": self.zero_division,
        }


@dataclass
class Scorer:
    """Accumulates rooms; two scorers merge, so that folds pool as the six-fold numbers do.

    Parameters
    ----------
    class_names : sequence of str
        In the order of the class ids.
    zero_division : {"zero", "nan", "skip"}
        What 0/0 gives, such as the precision of a class that was never predicted. "zero": 0, and
        it counts in the mean. "nan": NaN, and so is the mean (the published code). "skip": NaN,
        left out of the mean. In all three the case is listed in ``Scores.undefined``.
    threshold : float
        IoU from which on a prediction matches, inclusive.
    """

    class_names: tuple[str, ...]
    zero_division: ZeroDivision = "zero"
    threshold: float = 0.5
    rooms: int = 0
    unlabelled: int = 0
    confusion: NDArray[np.int64] = field(init=False)
    hits: NDArray[np.int64] = field(init=False)
    predicted: NDArray[np.int64] = field(init=False)
    true: NDArray[np.int64] = field(init=False)
    coverage: list[NDArray[np.float64]] = field(default_factory=list)
    weighted_coverage: list[NDArray[np.float64]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.class_names = tuple(self.class_names)
        if self.zero_division not in ZERO_DIVISION:
            raise OptionError(
                f"zero_division: found {self.zero_division!r}, wanted one of {ZERO_DIVISION}"
            )
        n = len(self.class_names)
        self.confusion = np.zeros((n, n + 1), np.int64)
        self.hits, self.predicted, self.true = (np.zeros(n, np.int64) for _ in range(3))

    def add(
        self,
        true_semantic: NDArray[Any],
        true_instance: NDArray[Any],
        semantic: NDArray[Any],
        instance: NDArray[Any],
    ) -> None:
        """Add one room, all arrays int (n,).

        A point of true class −1 (unlabelled) is taken out of everything, also out of the
        predictions that cover it. A point of true instance −1 (labelled, in no instance) counts in
        the semantic scores and in the size of the prediction there. Predictions: class −1 is no
        answer (wrong), instance −1 no instance.

        Raises
        ------
        ValueError
            If lengths differ or a class is outside −1..C−1.
        """
        arrays = [np.asarray(a) for a in (true_semantic, true_instance, semantic, instance)]
        if arrays[0].ndim != 1 or len({a.shape for a in arrays}) != 1:
            raise ValueError(f"a room wants four arrays (n,), found {[a.shape for a in arrays]}")
        n = len(self.class_names)
        for name, a in (("true", arrays[0]), ("predicted", arrays[2])):
            if a.size and not (a.min() >= -1 and a.max() < n):
                raise ValueError(f"{name} classes want -1..{n - 1}, found {a.min()}..{a.max()}")
        known = arrays[0] >= 0
        if not known.all():
            arrays = [a[known] for a in arrays]
        room = score_room(*arrays, n_classes=n, threshold=self.threshold)
        self.rooms += 1
        self.unlabelled += int((~known).sum())
        self.confusion += confusion_matrix(arrays[0], arrays[2], n)
        self.hits += room.hits
        self.predicted += room.predicted
        self.true += room.true
        self.coverage.append(room.coverage)
        self.weighted_coverage.append(room.weighted_coverage)

    def merge(self, other: Scorer) -> None:
        """Add all rooms of another scorer of the same classes and threshold."""
        if (self.class_names, self.threshold) != (other.class_names, other.threshold):
            raise ValueError("scorers of different classes or thresholds do not merge")
        self.rooms += other.rooms
        self.unlabelled += other.unlabelled
        self.confusion += other.confusion
        self.hits += other.hits
        self.predicted += other.predicted
        self.true += other.true
        self.coverage += other.coverage
        self.weighted_coverage += other.weighted_coverage

    def result(self) -> Scores:
        """Return the scores of all rooms so far."""
        policy = self.zero_division
        mean, per_class = semantic_scores(self.confusion, policy)
        per_class |= {
            "Cov": self._mean_over_rooms(self.coverage),
            "WCov": self._mean_over_rooms(self.weighted_coverage),
            "Prec": ratio(self.hits, self.predicted, policy),
            "Rec": ratio(self.hits, self.true, policy),
        }
        for name in ("Cov", "WCov", "Prec", "Rec"):
            mean[f"m{name}"] = mean_over_classes(per_class[name], policy)
        true = self.confusion.sum(axis=1)
        answered = self.confusion[:, : len(self.class_names)].sum(axis=0)
        empty = {"Acc": true == 0, "IoU": true + answered == 0, "Cov": self.true == 0,
                 "WCov": self.true == 0, "Prec": self.predicted == 0,
                 "Rec": self.true == 0}  # fmt: skip
        return Scores(
            class_names=self.class_names,
            mean={name: mean[name] for name in MEANS},
            per_class={name: tuple(per_class[name].tolist()) for name in PER_CLASS},
            undefined=tuple(
                f"{name} of {self.class_names[c]}"
                for name in PER_CLASS
                for c in np.flatnonzero(empty[name])
            ),
            confusion=tuple(tuple(row) for row in self.confusion.tolist()),
            instances={
                "true": tuple(self.true.tolist()),
                "predicted": tuple(self.predicted.tolist()),
                "matched": tuple(self.hits.tolist()),
            },
            baseline=constant_baseline(self.confusion, zero_division=policy),
            rooms=self.rooms,
            points=int(self.confusion.sum()),
            unlabelled=self.unlabelled,
            zero_division=policy,
        )

    def _mean_over_rooms(self, values: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        table = np.array(values).reshape(-1, len(self.class_names))
        found = ~np.isnan(table)
        return ratio(np.where(found, table, 0.0).sum(axis=0), found.sum(axis=0), self.zero_division)


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
