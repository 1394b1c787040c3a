from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest

from prep.errors import StoreError
from prep.progress import Silent
from prep.store import build_part, finish_store, open_store, verify_store
from prep.store import finish as finish_module
from prep.store.commit import list_hashes, read_commit
from prep.store.encode import decode_array, encode_arrays
from prep.store.objects import LocalObjects
from prep.store.schema import (
    FOLD_ARRAYS,
    OPTIONAL_ARRAYS,
    PART_ARRAYS,
    SCENE_ARRAYS,
    commit_key,
    part_prefix,
)
from tests.prep.store.rooms import make_tasks, tree

STORED = [spec for spec in PART_ARRAYS if spec.name not in OPTIONAL_ARRAYS]


def _flip(path, at=-1):
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


def _edit(store_path, index, **arrays):
    """Replace arrays of a part as a faulty program would: with hashes that fit."""
    objects = LocalObjects(store_path)
    commit = read_commit(objects, index)
    table = dict(commit.objects)
    specs = {spec.name: spec for spec in PART_ARRAYS}
    for name, array in arrays.items():
        encoded = encode_arrays({name: np.asarray(array)}, [specs[name]])
        for key, data in encoded.items():
            objects.put(part_prefix(index) + key, data)
        table.update(list_hashes(encoded, [name]))
    objects.put(commit_key(index), dataclasses.replace(commit, objects=table).encode())


class Counting(Silent):
    steps = 0

    def advance(self, steps=1, note=""):
        self.steps += steps


def test_a_sound_store(store_path):
    progress = Counting()
    report = verify_store(store_path, progress)
    assert report.faults == []
    assert report.ok
    assert progress.steps == 2
    files = tree(store_path)
    assert (report.parts, report.scenes, report.objects) == (2, 3, len(files))
    assert report.n_bytes == sum(map(len, files.values()))
    assert report.n_read == report.points == 720
    assert json.loads(json.dumps(report.to_dict()))["ok"] is True


@pytest.mark.parametrize("spec", STORED, ids=lambda spec: spec.name)
def test_a_flipped_byte_in_any_array_is_named(store_path, spec):
    (path, *_) = (store_path / "parts/00001" / spec.name / "c").rglob("*/0")
    _flip(path)
    (fault,) = verify_store(store_path).faults
    assert fault.startswith(f"part 1: {spec.name}: object {spec.name}/c/")
    assert fault.endswith("is damaged, its hash does not match")
    with pytest.raises(StoreError, match=f"parts/00001/{spec.name}: object .* damaged"):
        open_store(store_path).part(1, [spec.name])


@pytest.mark.parametrize("spec", STORED, ids=lambda spec: spec.name)
def test_flipped_metadata_of_any_array_is_named(store_path, spec):
    _flip(store_path / "parts/00000" / spec.name / "zarr.json", at=40)
    (fault,) = verify_store(store_path).faults
    assert fault.startswith(f"part 0: {spec.name}: object {spec.name}/zarr.json is damaged")


@pytest.mark.parametrize(
    ("group", "spec"),
    [("scenes", spec) for spec in SCENE_ARRAYS] + [("folds/b", spec) for spec in FOLD_ARRAYS],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_flipped_byte_in_any_table_is_named(store_path, group, spec):
    (path, *_) = (store_path / group / spec.name / "c").rglob("*")
    _flip(next(p for p in (path, *path.rglob("*")) if p.is_file()))
    (fault,) = verify_store(store_path).faults
    assert fault.startswith(f"{group}: {spec.name}: object {spec.name}/c/")


@pytest.mark.parametrize("at", [3, 200, 1000, -20])
@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("zarr.json", "header|root|JSON|store"),
        ("parts/00001/commit/zarr.json", "part 1: commit: damaged"),
        ("scenes/zarr.json", "scenes: damaged"),
    ],
)
def test_a_flipped_byte_in_any_record_is_named(store_path, file, named, at):
    _flip(store_path / file, at)
    faults = verify_store(store_path).faults
    assert faults
    assert re.search(named, faults[0])


@pytest.mark.parametrize("file", ["parts/zarr.json", "folds/zarr.json", "folds/b/zarr.json"])
def test_a_flipped_byte_in_a_group_is_named(store_path, file):
    _flip(store_path / file, 8)
    (fault,) = verify_store(store_path).faults
    assert f"object {file.removeprefix('folds/b/')} is damaged" in fault


@pytest.mark.parametrize("name", ["coord/c/0/0", "blocks/sample/zarr.json", "regions/zarr.json"])
def test_a_missing_object_is_named(store_path, name):
    (store_path / "parts/00001" / name).unlink()
    (fault,) = verify_store(store_path).faults
    assert fault.startswith("part 1: ")
    assert fault.endswith(f"object {name} is missing")


def test_a_truncated_object_is_named(store_path):
    path = store_path / "parts/00000/color/c/0/0"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-7])
    (fault,) = verify_store(store_path).faults
    assert fault == (f"part 0: color: object color/c/0/0 is {size - 7} bytes long, wanted {size}")


@pytest.mark.parametrize(
    ("file", "place"),
    [
        ("parts/00001/coord/c/0/1", "part 1"),
        ("parts/00009/coord/zarr.json", "part 9"),
        ("folds/old/zarr.json", "folds"),
        ("notes.txt", "notes.txt"),
    ],
)
def test_an_extra_object_is_named(store_path, file, place):
    path = store_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    assert verify_store(store_path).faults == [f"{place}: unexpected object {file}"]


def test_a_missing_commit_is_named(store_path):
    (store_path / "parts/00001/commit/zarr.json").unlink()
    faults = verify_store(store_path).faults
    assert faults[0] == "part 1: commit: missing, the part is not done"


def test_an_unfinished_store_is_named(store_path):
    (store_path / "scenes/zarr.json").unlink()
    assert verify_store(store_path).faults == ["scenes: missing, the build is not finished"]


def test_no_store(tmp_path):
    with pytest.raises(StoreError, match="no store there"):
        verify_store(tmp_path)


def test_several_faults_are_all_named(store_path):
    _flip(store_path / "parts/00000/coord/c/0/0")
    _flip(store_path / "parts/00001/instances/box/c/0/0/0")
    faults = verify_store(store_path).faults
    assert [fault.split(": object")[0] for fault in faults] == [
        "part 0: coord",
        "part 1: instances/box",
    ]


def _part(store_path):
    return {k: v.copy() for k, v in open_store(store_path).part(1).arrays.items()}


WRONG = {
    "coord: spans": lambda p: {"coord": p["coord"] + np.float32(1)},
    "coord: a value that is not finite": lambda p: {"coord": np.where(p["coord"], np.nan, 0)},
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
def test_arrays_that_hash_well_but_are_wrong(store_path, wanted):
    _edit(store_path, 1, **WRONG[wanted](_part(store_path)))
    finish_store(store_path)
    faults = verify_store(store_path).faults
    assert any(fault.startswith(f"part 1: {wanted}") for fault in faults), faults


def test_lost_points_are_noticed(store_path):
    objects = LocalObjects(store_path)
    commit = read_commit(objects, 0)
    scenes = [{**commit.scenes[0], "read": 250}, commit.scenes[1]]
    objects.put(commit_key(0), dataclasses.replace(commit, scenes=tuple(scenes)).encode())
    finish_store(store_path)
    (fault,) = verify_store(store_path).faults
    assert fault == (
        "part 0: commit: scene A/one read 250 points, stored 240 and logged 0 as dropped"
    )


@pytest.mark.parametrize(
    ("group", "name"), [("scenes", "extent"), ("folds/b", "maps"), ("folds/all", "test")]
)
def test_a_wrong_table_with_fitting_hashes_is_noticed(store_path, monkeypatch, group, name):
    honest = finish_module.compute_tables

    def lie(*arguments):
        tables = honest(*arguments)
        target = tables.scenes if group == "scenes" else tables.folds[group[6:]]
        target[name] = target[name] * 2
        return tables

    monkeypatch.setattr(finish_module, "compute_tables", lie)
    finish_store(store_path)
    assert verify_store(store_path).faults == [f"{group}: {name}: not what the parts give"]


def test_a_part_rebuilt_behind_the_back_of_the_table(raw, store_path, tmp_path):
    store = open_store(store_path)
    _edit(store_path, 1, source=_part(store_path)["source"][::-1])
    with pytest.raises(StoreError, match="part 1 changed after the build"):
        store.part(1)
    assert "scenes: finished with other parts" in verify_store(store_path).faults[-1]


def test_a_flipped_byte_is_mended_by_deleting_the_part(raw, store_path):
    before = tree(store_path)
    _flip(store_path / "parts/00001/coord/c/0/0")
    (store_path / "parts/00001/commit/zarr.json").unlink()
    build_part(make_tasks(raw, store_path, per_part=2)[1])
    finish_store(store_path)
    assert tree(store_path) == before


def test_decoding_garbage_is_a_fault_not_a_traceback(store_path):
    objects = LocalObjects(store_path)
    commit = read_commit(objects, 1)
    key = "parts/00001/color/c/0/0"
    objects.put(key, b"garbage")
    table = {**commit.objects, "color": dict(commit.objects["color"])}
    table["color"].update(list_hashes({"color/c/0/0": b"garbage"}, ["color"])["color"])
    objects.put(commit_key(1), dataclasses.replace(commit, objects=table).encode())
    finish_store(store_path)
    (fault,) = verify_store(store_path).faults
    assert fault.startswith("part 1: color: cannot be decoded")


def test_decode_array_reads_what_encode_wrote():
    array = np.arange(12, dtype=np.float32).reshape(4, 3)
    encoded = encode_arrays({"coord": array}, PART_ARRAYS)
    np.testing.assert_array_equal(decode_array(encoded, "coord"), array)
