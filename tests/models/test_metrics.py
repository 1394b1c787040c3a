"""Metrics: the published code's numbers, hand-worked rooms, the slow twin, invariances."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.instance_metrics import score_room
from models.metrics import MEANS, Scorer
from models.semantic_metrics import confusion_matrix, constant_baseline
from prep.errors import OptionError
from tests import reference_scores

NAMES = ("floor", "table", "chair")


def _score(*rooms, **options):
    scorer = Scorer(NAMES, **options)
    for room in rooms:
        scorer.add(*(np.array(a) for a in room))
    return scorer.result()


#  point        0  1  2  3  4  5  6  7
HAND = ([0, 0, 0, 0, 1, 1, 1, 1],
        [0, 0, 0, 0, 1, 1, 2, 2],
        [0, 0, 0, 1, 1, 1, 1, 1],
        [0, 0, 0, 1, 1, 1, 1, 1])  # fmt: skip


def test_eight_points_worked_by_hand():
    scores = _score(HAND)
    assert scores.mean["oAcc"] == pytest.approx(7 / 8)
    assert scores.per_class["Acc"] == pytest.approx((3 / 4, 1, 0))
    assert scores.per_class["IoU"] == pytest.approx((3 / 4, 4 / 5, 0))
    # floor: one instance of 4, prediction of 3; table: two of 2, both best at 2/5
    assert scores.per_class["Cov"] == pytest.approx((3 / 4, 2 / 5, 0))
    assert scores.per_class["WCov"] == pytest.approx((3 / 4, 2 / 5, 0))
    assert scores.per_class["Prec"] == (1, 0, 0)
    assert scores.per_class["Rec"] == (1, 0, 0)
    assert scores.mean["mPrec"] == pytest.approx(1 / 3)
    assert scores.confusion == ((3, 1, 0, 0), (0, 4, 0, 0), (0, 0, 0, 0))
    assert scores.baseline["oAcc"] == pytest.approx(1 / 2)
    assert (scores.rooms, scores.points, scores.unlabelled) == (1, 8, 0)


def test_weighted_coverage_weighs_within_room_and_class():
    room = ([0] * 8, [0] * 6 + [1] * 2, [0] * 8, [0] * 6 + [-1] * 2)
    scores = _score(room)
    assert scores.per_class["Cov"][0] == pytest.approx(1 / 2)
    assert scores.per_class["WCov"][0] == pytest.approx(6 / 8)


def test_iou_of_exactly_one_half_matches():
    assert _score(([0] * 4, [0] * 4, [0] * 4, [0, 0, -1, -1])).per_class["Prec"][0] == 1


def test_coverage_is_a_mean_over_rooms_and_precision_a_ratio_of_sums():
    full = ([0] * 2, [0] * 2, [0] * 2, [0] * 2)
    none = ([0] * 4, [0, 1, 2, 3], [0] * 4, [0, 0, 0, 0])  # IoU 1/4 four times
    scores = _score(full, none)
    assert scores.per_class["Cov"][0] == pytest.approx((1 + 1 / 4) / 2)
    assert scores.per_class["Prec"][0] == pytest.approx(1 / 2)
    assert scores.per_class["Rec"][0] == pytest.approx(1 / 5)


def test_policies_for_zero_by_zero():
    zero, nan, skip = (_score(HAND, zero_division=p) for p in ("zero", "nan", "skip"))
    missing = tuple(f"{name} of chair" for name in ("Acc", "IoU", "Cov", "WCov", "Prec", "Rec"))
    assert zero.undefined == nan.undefined == skip.undefined == missing
    assert math.isnan(nan.mean["mPrec"]) and math.isnan(nan.per_class["Prec"][2])
    assert nan.mean["oAcc"] == zero.mean["oAcc"]
    assert skip.mean["mIoU"] == pytest.approx((3 / 4 + 4 / 5) / 2)
    assert zero.mean["mIoU"] == pytest.approx((3 / 4 + 4 / 5) / 3)
    assert nan.to_dict()["mean"]["mPrec"] is None
    json.dumps(nan.to_dict(), allow_nan=False)
    with pytest.raises(OptionError, match="zero_division"):
        Scorer(NAMES, "other")


def test_no_rooms_no_traceback():
    assert all(v == 0 for v in _score().mean.values())
    assert all(math.isnan(v) for v in _score(zero_division="skip").mean.values())


def test_unlabelled_points_count_nowhere():
    padded = tuple(a + b for a, b in zip(HAND, ([-1] * 3, [0, 5, -1], [0, 1, 2], [0, 1, 9]),
                                         strict=True))  # fmt: skip
    assert _score(padded).mean == _score(HAND).mean
    assert _score(padded).unlabelled == 3


def test_labelled_points_without_instance_count_in_the_size_of_predictions():
    room = ([0] * 4, [0, 0, -1, -1], [0] * 4, [0] * 4)
    scores = _score(room)
    assert scores.per_class["Cov"][0] == pytest.approx(2 / 4)
    assert scores.per_class["Rec"][0] == 1


def test_no_answer_is_a_wrong_answer():
    scores = _score(([0, 0], [0, 0], [0, -1], [0, -1]))
    assert scores.mean["oAcc"] == pytest.approx(1 / 2)
    assert scores.per_class["IoU"][0] == pytest.approx(1 / 2)
    assert scores.confusion[0] == (1, 0, 0, 1)


def test_class_of_an_instance_is_its_commonest_smallest_on_ties():
    # truth 1 and 0 twice each: class 0, like the prediction's
    room = score_room(
        *(np.array(a) for a in ([1, 0, 1, 0], [0] * 4, [0] * 4, [3] * 4)), n_classes=3
    )
    assert room.true.tolist() == [1, 0, 0]
    assert room.hits.tolist() == [1, 0, 0]


def test_merged_folds_equal_all_rooms_at_once():
    rng = np.random.default_rng(0)
    rooms = [_random_room(rng, 60) for _ in range(4)]
    first, second = Scorer(NAMES), Scorer(NAMES)
    for scorer, part in ((first, rooms[:2]), (second, rooms[2:])):
        for room in part:
            scorer.add(*room)
    first.merge(second)
    assert first.result() == _score(*rooms)
    with pytest.raises(ValueError, match="do not merge"):
        first.merge(Scorer(("a",)))


def test_baseline_of_a_given_class():
    confusion = confusion_matrix(np.array([0, 0, 1, 2, -1]), np.array([0, 1, 2, -1, 0]), 3)
    assert constant_baseline(confusion)["oAcc"] == pytest.approx(2 / 4)
    assert constant_baseline(confusion, 1) == pytest.approx(
        {"oAcc": 1 / 4, "mAcc": 1 / 3, "mIoU": (1 / 4) / 3}
    )


@pytest.mark.parametrize("bad", [3, -2])
def test_classes_outside_are_refused(bad):
    with pytest.raises(ValueError, match=r"want -1\.\.2"):
        _score(([0], [0], [bad], [0]))
    with pytest.raises(ValueError, match="four arrays"):
        _score(([0], [0, 1], [0], [0]))


def _random_room(rng, n):
    true = rng.integers(0, 6, n)
    found = np.where(rng.random(n) < 0.7, true, rng.integers(-1, 8, n))
    return (
        np.where(rng.random(n) < 0.9, true % 3, rng.integers(-1, 3, n)),
        np.where(rng.random(n) < 0.05, -1, true),
        np.where(rng.random(n) < 0.8, found % 3, rng.integers(-1, 3, n)),
        found,
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 100_000), st.integers(0, 3), st.integers(0, 40))
def test_equals_the_plain_twin(seed, n_rooms, n):
    rng = np.random.default_rng(seed)
    rooms = [_random_room(rng, n) for _ in range(n_rooms)]
    twin = reference_scores.scores([[a.tolist() for a in room] for room in rooms], 3)
    found = _score(*rooms).mean
    assert found == pytest.approx({name: twin[name] for name in MEANS}, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 100_000))
def test_names_of_instances_and_order_of_points_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    room = _random_room(rng, 50)
    turn = rng.permutation(50)
    renamed = [np.append(rng.permutation(1000)[:8] * 10**9, -1)[a] for a in (room[1], room[3])]
    other = [a[turn] for a in (room[0], renamed[0], room[2], renamed[1])]
    assert _score(other).mean == pytest.approx(_score(room).mean, abs=1e-12)
