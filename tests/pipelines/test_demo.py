"""``jointcloud demo``, once from end to end at its quick size.

Slow by nature (about 20 s on one core): it builds, trains, evaluates and reports for real.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result

from pipelines.demo import QUICK, describe_learning
from tests.pipelines.commands import errors, invoke, tree

QUICK_DEMO = ("demo", "--quick")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("demo")
    return out, invoke(*QUICK_DEMO, "--out", out)


def test_a_building_becomes_a_report(first: tuple[Path, Result]) -> None:
    out, result = first
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    points = 6 * QUICK.rooms_per_area * QUICK.points_per_room
    assert f"points    {points:,} read = {points:,} stored + 0 dropped" in lines
    assert lines[-1] == f"report  {out / 'report.html'}"
    assert (out / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "train asis on area6" in result.stderr


@pytest.mark.parametrize("protocol", ["paper", "full"])
def test_the_model_has_learned_and_says_so(first: tuple[Path, Result], protocol: str) -> None:
    out, result = first
    scores = json.loads((out / "run" / "evaluation" / f"{protocol}.json").read_text())
    assert scores["mean"]["mIoU"] > 1.5 * scores["baseline"]["mIoU"]
    assert scores["mean"]["oAcc"] > scores["baseline"]["oAcc"]
    (line,) = [s for s in result.stdout.splitlines() if s.startswith(f"protocol {protocol}")]
    assert line == describe_learning(scores)


def test_a_second_run_keeps_everything(
    first: tuple[Path, Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    import models.evaluate

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("evaluated again")

    out, before = first
    monkeypatch.setattr(models.evaluate, "evaluate_run", refuse)
    kept = {name: tree(out / name) for name in ("building", "store.zarr", "run")}
    again = invoke(*QUICK_DEMO, "--out", out, "--json")
    data = json.loads(again.stdout)
    assert data["train"]["trained_epochs"] == 0
    assert data["build"]["kept"] == data["build"]["parts"]
    assert {name: tree(out / name) for name in kept} == kept
    assert [describe_learning(s) for s in data["evaluation"].values()] == [
        line for line in before.stdout.splitlines() if line.startswith("protocol")
    ]


def test_another_seed_in_the_same_folder_is_one_line(first: tuple[Path, Result]) -> None:
    out, _ = first
    (line,) = errors(invoke(*QUICK_DEMO, "--out", out, "--seed", "9"))
    assert line == (
        f"error: {out}: found a demonstration with seed 0, wanted seed 9; give another --out "
        "or remove the folder"
    )


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    mine = tmp_path / "building" / "plan.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    (line,) = errors(invoke(*QUICK_DEMO, "--out", tmp_path))
    assert "wanted an empty or a new folder" in line
    assert mine.read_text() == "mine"
    (line,) = errors(invoke(*QUICK_DEMO, "--out", mine))
    assert "found a file" in line


@pytest.mark.parametrize(
    ("rooms", "gain", "text"),
    [
        (1, 0.25, "protocol full, 1 test room, 1,200 points: mIoU 35.0 % (+25.0), oAcc"),
        (2, -0.05, "protocol full, 2 test rooms, 1,200 points: mIoU 5.0 % (-5.0), oAcc"),
    ],
)
def test_the_gain_is_a_difference_of_percentages(rooms: int, gain: float, text: str) -> None:
    mean = dict.fromkeys(("mIoU", "oAcc", "mWCov", "mPrec", "mRec"), 0.1 + gain)
    base = {"class": "wall", "mIoU": 0.1, "oAcc": 0.1}
    scores = {"protocol": "full", "scenes": rooms, "points": 1200, "mean": mean, "baseline": base}
    assert describe_learning(scores).startswith(text)
    assert "over always saying wall; mWCov" in describe_learning(scores)
