"""``jointcloud train``, ``evaluate``, ``predict`` and ``report`` on tiny rooms."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from plyfile import PlyData

from tests.pipelines.commands import errors, invoke, invoke_json

TINY = ("--backbone", "pointnet", "--batch", "8", "--quiet")


@dataclass(frozen=True)
class Trained:
    run: Path
    cache: Path
    store: Path


@pytest.fixture(scope="module")
def trained(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    found = Trained(folder / "run", folder / "cache", tiny_store)
    assert train(found).exit_code == 0
    return found


def train(trained: Trained, *more: str, system: str = "vanilla"):  # type: ignore[no-untyped-def]  # click's Result
    command = ["train", system, "--store", trained.store, "--fold", "area1", "--out", trained.run]
    return invoke(*command, "--cache", trained.cache, "--epochs", "1", *TINY, *more)


def test_training_writes_a_run_and_says_what_was_reached(trained: Trained) -> None:
    result = train(trained)
    assert "1 (0 now)" in result.stdout
    assert json.loads((trained.run / "config.json").read_text())["fold"] == "area1"
    assert (trained.run / "checkpoints" / "last.safetensors").exists()
    report = json.loads(train(trained, "--json").stdout)
    assert report["trained_epochs"] == 0
    assert report["samples"] > 0


def test_wrong_training_options_are_one_line(trained: Trained, tmp_path: Path) -> None:
    other = Trained(tmp_path / "run", trained.cache, trained.store)
    assert "'asys' is not known" in errors(train(other, system="asys"))[0]
    assert "no fold 'area9'" in errors(train(other, "--fold", "area9"))[0]
    assert "neighbors" in errors(train(other, "--set", "neighbors=3", system="asis"))[0]
    assert "--set: 'reach' is not key=value" in errors(train(other, "--set", "reach"))[0]
    assert "pointnet3" in errors(train(other, "--backbone", "pointnet3"))[0]
    assert train(other, "--epochs", "0").exit_code == 2
    inside = Trained(trained.store / "run", trained.cache, trained.store)
    assert "found a folder inside the store" in errors(train(inside))[0]
    assert not inside.run.exists()
    assert not other.run.exists()


def test_other_settings_on_the_same_run_are_refused(trained: Trained) -> None:
    (line,) = errors(train(trained, "--seed", "5"))
    assert "seed" in line


@pytest.mark.parametrize("protocol", ["paper", "full"])
def test_scores_under_both_protocols(trained: Trained, protocol: str) -> None:
    command = ["evaluate", trained.run, "--protocol", protocol, "--cache", trained.cache, "--quiet"]
    scores = invoke_json(*command)
    assert scores["protocol"] == protocol
    assert scores["fold"] == "area1"
    assert len(scores["class_names"]) == 5
    for name in ("oAcc", "mAcc", "mIoU", "mCov", "mWCov", "mPrec", "mRec"):
        assert 0 <= scores["mean"][name] <= 1
    if protocol == "full":
        assert scores["points"] == 4800
    text = invoke(*command).stdout
    assert f"protocol  {protocol}" in text
    assert "mWCov" in text
    assert "chair" in text
    assert invoke_json(*command, "--zero-division", "skip")["zero_division"] == "skip"


def test_evaluate_wants_one_thing_to_score(trained: Trained, tmp_path: Path) -> None:
    for wrong in (
        ("evaluate",),
        ("evaluate", trained.run),
        ("evaluate", trained.run, "--protocol", "papers"),
        ("evaluate", trained.run, "--asis", tmp_path),
        ("evaluate", "--asis", tmp_path, "--protocol", "paper"),
    ):
        assert invoke(*wrong).exit_code == 2
    (line,) = errors(invoke("evaluate", tmp_path, "--protocol", "full"))
    assert "wanted the folder that train wrote" in line


def test_files_of_other_programs_are_scored(tmp_path: Path) -> None:
    semantic, instance = np.array([0, 0, 1, 1, 1, 2]), np.array([0, 0, 1, 1, 2, 3])
    rows = np.zeros((6, 9))
    rows[:, 7], rows[:, 8] = semantic, instance
    np.savetxt(tmp_path / "Area_5_office_1_pred.txt", rows, fmt="%.4f")
    truth = np.stack([[0, 0, 1, 1, 1, 1], instance], axis=1)
    np.savetxt(tmp_path / "Area_5_office_1_gt.txt", truth, fmt="%d")
    scores = invoke_json("evaluate", "--asis", tmp_path)
    assert scores["mean"]["oAcc"] == pytest.approx(5 / 6)
    assert scores["per_class"]["IoU"][:3] == pytest.approx([1, 3 / 4, 0])
    assert scores["zero_division"] == "zero"
    text = invoke("evaluate", "--asis", tmp_path).stdout
    assert "oAcc   83.33 %" in text
    assert "0/0, taken as zero: " in text
    assert "beam, column" in text  # a score is named once, with all its classes
    assert re.search(r"^per cent .* instances  predicted$", text, re.M)
    scores = invoke_json("evaluate", "--asis", tmp_path, "--zero-division", "nan")
    assert scores["mean"]["mPrec"] is None
    (line,) = errors(invoke("evaluate", "--asis", tmp_path / "none"))
    assert "none" in line


def test_every_point_of_a_cloud_is_labelled_in_its_order(trained: Trained, tmp_path: Path) -> None:
    xyz = np.random.default_rng(0).uniform(0, 1.5, (700, 3))
    cloud, out = tmp_path / "room.npy", tmp_path / "out.ply"
    np.save(cloud, xyz)
    result = invoke_json("predict", trained.run, cloud, "--out", out, "--quiet")
    assert result["points"] == 700
    vertex = PlyData.read(out)["vertex"]
    assert np.allclose(np.stack([vertex[a] for a in "xyz"], 1), xyz)
    assert result["classes"] == {
        name: int((vertex["semantic"] == k).sum()) for k, name in enumerate(result["classes"])
    }
    assert result["labelled"] == int((vertex["semantic"] >= 0).sum())
    assert 0 <= vertex["confidence"].min() <= vertex["confidence"].max() <= 1
    text = invoke("predict", trained.run, cloud, "--out", out, "--paint", "--quiet").stdout
    assert "ceiling" in text
    assert {"red", "green", "blue"} <= set(PlyData.read(out)["vertex"].data.dtype.names)


def test_wrong_predictions_are_one_line(trained: Trained, tmp_path: Path) -> None:
    cloud = tmp_path / "room.npy"
    np.save(cloud, np.zeros((5, 3)))
    for out, part in (
        (tmp_path / "out.obj", "wanted .ply"),
        (tmp_path / "none" / "out.ply", "found no folder"),
    ):
        (line,) = errors(invoke("predict", trained.run, cloud, "--out", out))
        assert part in line
    (line,) = errors(invoke("predict", tmp_path, cloud, "--out", tmp_path / "o.ply"))
    assert "wanted the folder that train wrote" in line
    for wrong, found in ((tmp_path / "no.ply", "nothing"), (tmp_path, "a folder")):
        (line,) = errors(invoke("predict", trained.run, wrong, "--out", tmp_path / "o.ply"))
        assert f"{wrong}: found {found}, wanted a cloud file" in line


def test_the_report_is_one_file(trained: Trained, tmp_path: Path) -> None:
    out = tmp_path / "r.html"
    assert invoke_json("report", trained.run, "--out", out) == {"report": str(out)}
    assert out.read_text().startswith("<!")
    assert invoke("report", trained.run).stdout.strip() == str(trained.run / "report.html")
    shutil.rmtree(tmp_path / "none", ignore_errors=True)
    assert errors(invoke("report", tmp_path / "none"))
    for wrong, remedy in ((tmp_path, "name the file in it"), (out / "r.html", "check the path")):
        (line,) = errors(invoke("report", trained.run, "--out", wrong))
        assert line.endswith(remedy)
