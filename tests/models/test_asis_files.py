"""The published code's result files: its own scores, round trip, and every fault's line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from models.asis_files import list_asis_rooms, read_asis_room, score_asis_folder, write_asis_files
from prep.errors import SourceError

GOLDEN = Path(__file__).parents[1] / "golden" / "asis_eval"
CLASSES = tuple("abcdefghijklm")
PRED = "0.1 0.2 0.3 10 20 30 0.9 1 0\n1.1 1.2 1.3 10 20 30 0.8 2 -1\n"
TRUE = "1 0\n2 1\n"


def _folder(tmp_path, pred=PRED, true=TRUE):
    for ending, text in (("pred", pred), ("gt", true)):
        if text is not None:
            (tmp_path / f"Area_5_office_1_{ending}.txt").write_text(text)
    return tmp_path


def test_equals_the_official_evaluation():
    expected = json.loads((GOLDEN / "expected.json").read_text())
    scores = score_asis_folder(GOLDEN, CLASSES, zero_division="nan")
    for name, value in scores.mean.items():
        assert value == pytest.approx(expected[name], abs=1e-9)
    for name, values in expected["per_class"].items():
        assert scores.per_class[name] == pytest.approx(values, abs=1e-9, nan_ok=True)
    assert scores.rooms == 2


def test_what_is_written_reads_back(tmp_path):
    rng = np.random.default_rng(0)
    n = 50
    room = {
        "xyz": rng.random((n, 3)).round(6),
        "color": rng.integers(0, 256, (n, 3)).astype(np.uint8),
        "confidence": rng.random(n).round(6),
        "semantic": rng.integers(0, 13, n),
        "instance": rng.integers(-1, 300, n),
        "true_semantic": rng.integers(-1, 13, n).astype(np.int16),
        "true_instance": rng.integers(-1, 300, n).astype(np.int32),
    }
    paths = write_asis_files(tmp_path / "log", "Area_5/office_1", **room)
    assert [p.name for p in paths] == ["Area_5_office_1_pred.txt", "Area_5_office_1_gt.txt"]
    back = read_asis_room(tmp_path / "log", "Area_5_office_1", 13)
    for name, value in room.items():
        np.testing.assert_array_equal(getattr(back, name), value)
    # what the official script does: numpy text, one row a point
    assert np.loadtxt(paths[0]).shape == (n, 9)
    np.testing.assert_array_equal(np.loadtxt(paths[1])[:, 1], room["true_instance"])


def test_blank_lines_crlf_and_whole_floats_are_fine(tmp_path):
    folder = _folder(tmp_path, PRED.replace("\n", "\r\n") + "\r\n", "1.0 0\n\n2.000 1")
    room = read_asis_room(folder, "Area_5_office_1", 13)
    assert room.true_semantic.tolist() == [1, 2]
    assert room.instance.tolist() == [0, -1]


@pytest.mark.parametrize(
    ("pred", "true", "text"),
    [
        (PRED, None, r"office_1_gt\.txt: found only .*_pred\.txt.*both files"),
        (None, TRUE, r"office_1_pred\.txt: found only .*_gt\.txt.*both files"),
        (None, None, "ROOM_pred.txt and ROOM_gt.txt"),
        (PRED, "1 0\n", "found 1 points, wanted 2 as in"),
        (PRED, "1 0\n2\n", r"_gt\.txt:2: found 1 columns, wanted 2"),
        (PRED + "1 2 3\n", TRUE, r"_pred\.txt:3: found 3 columns, wanted 9"),
        (PRED.replace("0.9 1 0", "0.9 1 0 7"), TRUE, r"_pred\.txt:1: found 10 columns"),
        (PRED.replace("1.2", "wall"), TRUE, r"_pred\.txt:2: found 'wall'"),
        (PRED.replace("1.2", "nan"), TRUE, r"_pred\.txt:2: found 'nan'"),
        (PRED, "1 0\n\n2 1_0\n", r"_gt\.txt:3: found '1_0'"),
        (PRED, "1 0\n\n2.5 1\n", r"_gt\.txt:3: found semantic 2\.5, wanted a whole number"),
        (PRED, "1 0\n2 1e99\n", r"_gt\.txt:2: found instance 1e\+99"),
        (PRED, "1 0\n13 1\n", r"_gt\.txt:2: found semantic 13, wanted .* -1 to 12"),
        (PRED.replace("0.9 1", "0.9 -1"), TRUE, r"_pred\.txt:1: found semantic -1, .* 0 to 12"),
        (PRED.replace("2 -1", "2 -2"), TRUE, r"_pred\.txt:2: found instance -2"),
        ("", TRUE, r"_pred\.txt: found no points"),
    ],
)
def test_every_fault_has_its_line(tmp_path, pred, true, text):
    with pytest.raises(SourceError, match=text):
        score_asis_folder(_folder(tmp_path, pred, true), CLASSES)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(SourceError, match="no such folder"):
        list_asis_rooms(tmp_path / "gone")
