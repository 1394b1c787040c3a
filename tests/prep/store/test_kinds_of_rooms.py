from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import zarr

from prep.store import (
    open_store,
    verify_store,
)
from tests.prep.store.rooms import (
    RECIPE,
    build,
    write_room,
)


def test_two_levels_of_labels(tmp_path):
    write_room(tmp_path / "raw", "A/one", levels=(2, 4))
    write_room(tmp_path / "raw", "B/two", levels=(2, 4), seed=1)
    build(tmp_path / "raw", tmp_path / "s.zarr", levels=(2, 4))
    store = open_store(tmp_path / "s.zarr")
    part = store.part(0)
    assert part.semantic.shape == (240, 2)
    assert part.blocks.counts.shape[1:] == (2, 4)
    assert not part.blocks.counts[:, 0, 2:].any()
    assert part["msa/sums"].shape == (1, 2, 2, 4, 4)
    assert set(part["instances/level"]) == {0, 1}
    fold = store.fold("b", level=1)
    assert fold.vb.shape == (4,)
    assert fold.maps.shape == (2, 4, 4)
    assert store.fold("b").maps.shape == (2, 2, 2)
    assert verify_store(tmp_path / "s.zarr").ok


@pytest.mark.parametrize(
    "case",
    [
        {"color": False},
        {"normal": True},
        {"labelled": False},
        {"size": (0.1, 0.1, 0.1), "n": 5},
        {"n": 1},
        {"levels": ()},
    ],
    ids=str,
)
def test_unusual_rooms(tmp_path, case):
    raw, path = tmp_path / "raw", tmp_path / "s.zarr"
    write_room(raw, "A/one", **case)
    build(raw, path, levels=case.get("levels", (3,)), folds={})
    store = open_store(path)
    part = store.part(0)
    assert (part.color is None) == (not case.get("color", True))
    assert (part.normal is not None) == case.get("normal", False)
    if not case.get("labelled", True):
        assert part["instances/scene"].size == 0
        assert part["regions/centre"].shape == (0, 3)
        assert store.fold("all").resampled.shape == (0, 2)
    if "n" in case:
        assert part.blocks.sample.shape == (0, 32)
        assert store.scenes.blocks[0] == 0
    assert verify_store(path).faults == []
    zarr.open(path, mode="r")["parts/00000/coord"][...]


def test_scenes_without_colour_beside_scenes_with(tmp_path):
    raw, path = tmp_path / "raw", tmp_path / "s.zarr"
    write_room(raw, "A/one", color=False)
    write_room(raw, "A/three")
    write_room(raw, "A/two", normal=True)
    build(raw, path, folds={})
    store = open_store(path)
    np.testing.assert_array_equal(store.part(0).color, np.zeros((240, 3), np.uint8))
    assert store.part(1).color.any()
    assert not store.part(1).normal.any()
    assert store.part(2).normal.dtype == np.float32
    build(raw, tmp_path / "together.zarr", folds={}, per_part=3)
    together = open_store(tmp_path / "together.zarr").part(0)
    assert not together.color[:240].any()
    assert [s["color"] for s in together.commit.scenes] == [False, True, True]
    assert verify_store(tmp_path / "together.zarr").ok


def test_no_radii_leaves_the_maps_out(tmp_path):
    raw, path = tmp_path / "raw", tmp_path / "s.zarr"
    write_room(raw, "A/one")
    build(raw, path, folds={}, recipe=dataclasses.replace(RECIPE, msa_radii_m=()))
    store = open_store(path)
    assert store.part(0)["msa/sums"].shape == (1, 1, 0, 3, 3)
    assert store.part(0)["msa/counts"].sum() == (store.part(0).semantic >= 0).sum()
    assert store.fold("all").maps.shape == (0, 3, 3)
    assert verify_store(path).ok
