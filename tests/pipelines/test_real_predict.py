"""A real scan without labels of ours: every vertex of a ScanNet PLY gets its answer."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from plyfile import PlyData

from prep.synthetic.rooms import CLASSES
from tests.pipelines.commands import invoke, invoke_json

SCAN = "scannet/scene0000_00/scene0000_00_vh_clean_2.ply"


def test_every_vertex_of_a_scannet_scan_is_labelled(tmp_path: Path) -> None:
    folder = os.environ.get("JOINTCLOUD_REAL_DATA")
    if not folder:
        pytest.skip("JOINTCLOUD_REAL_DATA is not set")
    store, run, out = tmp_path / "s.zarr", tmp_path / "run", tmp_path / "out.ply"
    catalog = tmp_path / "rooms.yaml"
    catalog.write_text(
        "version: 1\n"
        "datasets:\n"
        "  rooms:\n"
        "    title: One synthetic room\n"
        "    reader: synthetic\n"
        "    reader_options: {areas: 1, rooms_per_area: 1, points_per_room: 3000}\n"
        "    levels:\n"
        "      - name: object\n"
        "        classes:\n"
        + "".join(
            f"          - {{id: {k}, name: {name}, color: [{9 * k}, 90, 120]}}\n"
            for k, name in enumerate(CLASSES)
        )
    )
    # large blocks with few points keep the network's share small; the road is the same
    recipe = ("--recipe", "n_points=2048", "--recipe", "block_m=3", "--recipe", "stride_m=2")
    invoke_json(
        *("build", "rooms", "--catalog", catalog, "--out", store, *recipe),
        *("--recipe", "msa_radii_m=[]", "--quiet"),
    )
    invoke("train", "vanilla", "--store", store, "--fold", "all", "--out", run, "--epochs", "1",
           "--batch", "2", "--cache", tmp_path / "cache", "--quiet")  # fmt: skip
    found = invoke_json("predict", run, Path(folder) / SCAN, "--out", out, "--quiet")
    before, after = PlyData.read(Path(folder) / SCAN), PlyData.read(out)
    assert found["points"] == after["vertex"].count == before["vertex"].count == 81_369
    for name in ("x", "y", "z", "red", "green", "blue"):
        np.testing.assert_array_equal(after["vertex"][name], before["vertex"][name])
    assert after["face"].count == before["face"].count
    semantic = np.asarray(after["vertex"]["semantic"])
    confidence = np.asarray(after["vertex"]["confidence"])
    assert semantic.min() >= 0
    assert semantic.max() < 13
    assert np.asarray(after["vertex"]["instance"]).min() >= -1
    assert confidence.min() > 0
    assert confidence.max() <= 1
