"""Real rooms: the office of S3DIS and a forest plot as a user's own data set."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.pipelines.commands import invoke, invoke_json


@pytest.fixture(scope="module")
def real() -> Path:
    folder = os.environ.get("JOINTCLOUD_REAL_DATA")
    if not folder:
        pytest.skip("JOINTCLOUD_REAL_DATA is not set")
    return Path(folder)


@pytest.mark.parametrize(
    ("dataset", "folder", "scene", "points", "instances"),
    [
        ("s3dis", "s3dis_room/raw", "Area_5/office_1", 480_470, 90),
        ("forest", "forest_s3dis_layout", "Area_2/linchang_2", 366_936, 26),
    ],
)
def test_a_real_scene_is_built_whole_and_verified(
    real: Path, tmp_path: Path, dataset: str, folder: str, scene: str, points: int, instances: int
) -> None:
    out = tmp_path / "s.zarr"
    command = ["build", dataset, "--root", real / folder, "--out", out, "--scenes", scene]
    # the maps have their own tests on this room; without them the build takes a second
    summary = invoke_json(*command, "--recipe", "msa_radii_m=[]", "--quiet")
    assert summary["scenes"] == 1
    assert summary["points_read"] == points
    assert summary["points_stored"] + summary["points_dropped"] == points
    assert summary["bytes_per_point"] < 14
    report = invoke_json("verify", out, "--quiet")
    assert report["ok"]
    survey = invoke_json("inspect", out)
    classes = survey["levels"][0]["classes"]
    assert sum(c["points"] for c in classes) == summary["points_stored"]
    assert sum(c["instances"] for c in classes) == instances


def test_a_part_of_s3dis_is_refused_with_the_counts(real: Path, tmp_path: Path) -> None:
    command = ["build", "s3dis", "--root", real / "s3dis_room/raw", "--out", tmp_path / "s.zarr"]
    result = invoke(*command)
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert len(lines) == 6
    assert lines[4].startswith("error: Area_5: found 1 scene, wanted 68; add the missing ones")
