from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from prep.store import open_store
from prep.store.invariants import check_part


@pytest.fixture(scope="module")
def sound(made):
    """Header, record and arrays of a sound part of one scene."""
    store = open_store(made / "rooms.zarr")
    part = store.part(1)
    return store.header, part.commit, dict(part.arrays)


def test_a_sound_part(sound):
    assert check_part(*sound) == []


WRONG = {
    "coord: spans": lambda p: {"coord": p["coord"] + np.float32(1)},
    "coord: a value that is not finite": lambda p: {"coord": p["coord"] * np.float32(np.nan)},
    "coord: float32 (239, 3), wanted": lambda p: {"coord": p["coord"][1:]},
    "semantic: class id outside -1 to 2": lambda p: {"semantic": p["semantic"] + 1},
    "semantic: int16 (240, 2), wanted": lambda p: {"semantic": np.tile(p["semantic"], 2)},
    "instance: id below -1": lambda p: {"instance": p["instance"] - 1},
    "source: rows that repeat": lambda p: {"source": p["source"] // 2},
    "source: rows that repeat or lie": lambda p: {"source": p["source"] + 1},
    "blocks/scene: not as many": lambda p: {"blocks/scene": p["blocks/scene"] + 1},
    "blocks/sample: a row past": lambda p: {"blocks/sample": p["blocks/sample"] + 240},
    "blocks/sample: a point outside": lambda p: {"blocks/sample": p["blocks/sample"][::-1]},
    "blocks/sample: uint32 (6, 31)": lambda p: {"blocks/sample": p["blocks/sample"][:, 1:]},
    "blocks/counts: not what": lambda p: {"blocks/counts": p["blocks/counts"][::-1]},
    "instances/class: not what": lambda p: {"instances/class": p["instances/class"][::-1]},
    "instances/count: not what": lambda p: {"instances/count": p["instances/count"] + 1},
    "instances/sampled: not what": lambda p: {"instances/sampled": p["instances/sampled"] + 1},
    "instances/centre: not what": lambda p: {"instances/centre": p["instances/centre"] + 1},
    "instances/box: not what": lambda p: {"instances/box": p["instances/box"] + 1},
    "regions/centre: not what": lambda p: {"regions/centre": p["regions/centre"] + 1},
    "regions/instances: not what": lambda p: {"regions/instances": p["regions/instances"] * 0},
    "msa/counts: not what": lambda p: {"msa/counts": p["msa/counts"] + 1},
    "msa/sums: rows do not add up": lambda p: {"msa/sums": p["msa/sums"] * 1.01},
}


@pytest.mark.parametrize("wanted", WRONG)
def test_wrong_arrays_are_named(sound, wanted):
    header, commit, arrays = sound
    faults = check_part(header, commit, {**arrays, **WRONG[wanted](arrays)})
    assert faults
    assert any(fault.startswith(wanted) for fault in faults), faults


def test_a_missing_array_is_named(sound):
    header, commit, arrays = sound
    without = {name: array for name, array in arrays.items() if name != "msa/sums"}
    assert check_part(header, commit, without) == ["msa/sums: missing"]


def test_a_wrong_balance_is_named(sound):
    header, commit, arrays = sound
    wrong = dataclasses.replace(commit, scenes=({**commit.scenes[0], "read": 250},))
    (fault,) = check_part(header, wrong, arrays)
    assert fault == "commit: scene B/three read 250 points, stored 240 and logged 0 as dropped"
