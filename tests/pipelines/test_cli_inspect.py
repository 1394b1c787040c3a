"""``jointcloud inspect`` on a store, a raw folder and single files."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tests.pipelines.commands import Tiny, errors, invoke, invoke_json

PNG = b"\x89PNG\r\n\x1a\n"


def test_a_store_by_class_fold_and_scene(tiny: Tiny, tiny_store: Path) -> None:
    survey = invoke_json("inspect", tiny_store)
    assert survey["kind"] == "store"
    assert survey["points"] == tiny.points
    (level,) = survey["levels"]
    assert {c["name"]: c["points"] for c in level["classes"]} == {
        "ceiling": 2000, "floor": 2000, "wall": 2000, "chair": 4000, "table": 2000
    }  # fmt: skip
    assert {c["name"]: c["instances"] for c in level["classes"]} == {
        "ceiling": 5, "floor": 5, "wall": 5, "chair": 10, "table": 5
    }  # fmt: skip
    assert level["unlabelled_points"] == 0
    folds = {fold["name"]: fold for fold in survey["folds"]}
    assert (folds["area1"]["train_scenes"], folds["area1"]["test_scenes"]) == (3, 2)
    assert folds["all"]["train_points"] == folds["all"]["test_points"] == tiny.points
    assert sum(s["points"] for s in survey["by_scene"]) == tiny.points
    assert sum(s["blocks"] for s in survey["by_scene"]) == survey["blocks"] > 0
    floor = sum(s["extent_m"][0] * s["extent_m"][1] for s in survey["by_scene"])
    assert survey["points_per_m2"] == pytest.approx(tiny.points / floor)


def test_a_store_as_text(tiny_store: Path) -> None:
    text = invoke("inspect", tiny_store).stdout
    for part in ("chair", "4,000", "33.33", "unlabelled", "area1", "Area_3/office_1"):
        assert part in text


@pytest.mark.parametrize("by", [None, "instance"])
def test_a_picture_of_a_scene(tiny_store: Path, tmp_path: Path, by: str | None) -> None:
    out = tmp_path / "p.png"
    more = ["--by", by] if by else []
    command = ["inspect", tiny_store, "--scene", "Area_2/office_1", "--picture", out, *more]
    assert invoke_json(*command)["picture"] == {"file": str(out), "scene": "Area_2/office_1"}
    assert out.read_bytes().startswith(PNG)


def test_an_unknown_scene_and_a_picture_that_cannot_be_written(
    tiny_store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "p.png"
    (line,) = errors(invoke("inspect", tiny_store, "--scene", "Area_9/x", "--picture", out))
    assert "Area_9/x" in line
    (line,) = errors(invoke("inspect", tiny_store, "--picture", tmp_path / "none" / "p.png"))
    assert "cannot write it" in line


def test_a_raw_folder(tiny: Tiny, tmp_path: Path) -> None:
    command = ["inspect", tiny.raw, "--dataset", "tiny", "--catalog", tiny.catalog]
    survey = invoke_json(*command)
    assert survey["kind"] == "raw"
    assert survey["scenes"] == 5
    assert survey["groups"] == [
        {"name": "Area_1", "found": 2, "expected": 2},
        {"name": "Area_2", "found": 2, "expected": 2},
        {"name": "Area_3", "found": 1, "expected": None},
    ]
    assert 0.7 < survey["points_estimated"] / tiny.points < 1.3
    assert "Area_1/office_2" in invoke(*command).stdout
    out = tmp_path / "p.png"
    assert invoke(*command, "--scene", "Area_1/office_2", "--picture", out).exit_code == 0
    assert out.read_bytes().startswith(PNG)


def test_a_raw_folder_without_its_data_set_is_one_line(tiny: Tiny) -> None:
    (line,) = errors(invoke("inspect", tiny.raw))
    assert "--dataset NAME" in line


def test_a_single_cloud_with_and_without_labels(tmp_path: Path) -> None:
    xyz = np.random.default_rng(0).uniform(0, 2, (500, 3))
    plain = tmp_path / "plain.xyz"
    plain.write_text("x y z\n" + "\n".join(" ".join(f"{v:.4f}" for v in row) for row in xyz))
    survey = invoke_json("inspect", plain)
    assert survey["kind"] == "cloud"
    assert survey["points"] == survey["unlabelled_points"] == 500
    assert survey["color"] is False
    assert survey["extent_m"] == pytest.approx(np.ptp(xyz, axis=0), abs=1e-3)
    labelled = tmp_path / "labelled.npz"
    np.savez(labelled, xyz=xyz, semantic=np.arange(500) % 3, instance=np.arange(500) % 7)
    survey = invoke_json("inspect", labelled)
    assert survey["classes"] == {"0": 167, "1": 167, "2": 166}
    assert survey["instances"] == 7
    out = tmp_path / "p.png"
    assert invoke("inspect", labelled, "--picture", out).exit_code == 0
    assert out.read_bytes().startswith(PNG)


def test_nothing_there_and_an_unknown_format(tmp_path: Path) -> None:
    (line,) = errors(invoke("inspect", tmp_path / "none"))
    assert "found nothing, wanted a store, a raw folder or a cloud file" in line
    (tmp_path / "scan.e57").write_bytes(b"x")
    (line,) = errors(invoke("inspect", tmp_path / "scan.e57"))
    assert ".e57" in line


def test_a_viewer_that_is_not_installed_names_what_to_install(
    tiny_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "open3d", None)
    (line,) = errors(invoke("inspect", tiny_store, "--view"))
    assert "pip install 'jointcloud[view]'" in line
    assert "libusb-1.0-0" in line


@pytest.mark.parametrize("option", [("--scene", "Area_1/office_1"), ("--by", "class")])
def test_what_to_draw_goes_with_a_drawing(tiny_store: Path, option: tuple[str, str]) -> None:
    result = invoke("inspect", tiny_store, *option)
    assert result.exit_code == 2
    assert "--scene and --by go with --picture or --view" in result.stderr
