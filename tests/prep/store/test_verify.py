from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest

from prep.errors import StoreError
from prep.progress import Silent
from prep.store import finish as finish_module
from prep.store import finish_store, open_store, verify_store
from prep.store.commit import list_hashes, read_commit
from prep.store.encode import decode_array, encode_arrays
from prep.store.objects import LocalObjects
from prep.store.schema import (
    FOLD_ARRAYS,
    PART_ARRAYS,
    SCENE_ARRAYS,
    commit_key,
    part_prefix,
)
from tests.prep.store.rooms import tree

ARRAYS = [spec.name for spec in PART_ARRAYS if spec.name != "normal"]
TABLES = {"scenes": SCENE_ARRAYS, "folds/b": FOLD_ARRAYS, "folds/all": FOLD_ARRAYS}


def _flip(path, at=-1):
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


def _chunk(folder):
    """The one object with the values of an array."""
    (path,) = (path for path in (folder / "c").rglob("*") if path.is_file())
    return path


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


def test_a_flipped_byte_is_named_once(store_path):
    _flip(_chunk(store_path / "parts/00001/blocks/counts"))
    assert verify_store(store_path).faults == [
        "part 1: blocks/counts: object blocks/counts/c/0/0/0 is damaged, its hash does not match"
    ]


def test_a_flipped_byte_in_every_array_is_named(store_path):
    for array in ARRAYS:
        _flip(_chunk(store_path / "parts/00001" / array))
        _flip(store_path / "parts/00000" / array / "zarr.json", at=40)
    for group, specs in TABLES.items():
        for spec in specs:
            _flip(_chunk(store_path / group / spec.name))
    with pytest.raises(StoreError, match="scenes/part: object part/c/0 is damaged"):
        open_store(store_path)
    faults = verify_store(store_path).faults
    assert all("is damaged, its hash does not match" in fault for fault in faults)
    named = [fault.split(": object")[0] for fault in faults]
    wanted = [f"part {part}: {array}" for part in (0, 1) for array in ARRAYS]
    wanted += [f"{group}: {spec.name}" for group, specs in TABLES.items() for spec in specs]
    assert sorted(named) == sorted(wanted)


def test_reading_a_damaged_array_names_it(store_path):
    store = open_store(store_path)
    for array in ARRAYS:
        _flip(_chunk(store_path / "parts/00001" / array))
        with pytest.raises(StoreError, match=f"parts/00001/{array}: object .* damaged"):
            store.part(1, [array])
    _flip(_chunk(store_path / "folds/b/maps"))
    with pytest.raises(StoreError, match=r"folds/b/maps: object .* damaged"):
        store.fold("b")


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


def test_an_array_that_hashes_well_but_is_wrong(store_path):
    part = open_store(store_path).part(1)
    _edit(store_path, 1, source=part.source // 2)
    finish_store(store_path)
    assert verify_store(store_path).faults == [
        "part 1: source: rows that repeat or lie outside 0 to 239 (scene B/three)"
    ]


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
    _edit(store_path, 1, source=store.part(1).source[::-1])
    with pytest.raises(StoreError, match="part 1 changed after the build"):
        store.part(1)
    assert "scenes: finished with other parts" in verify_store(store_path).faults[-1]


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
