from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys

import pytest

from prep.errors import StoreError
from prep.store import StoreHeader, create_store, hold_store, open_store, store_status
from prep.store.objects import LocalObjects
from prep.store.record import (
    decode_group,
    decode_record,
    digest_json,
    encode_group,
    encode_record,
)
from prep.store.schema import LOCK_KEY
from tests.prep.store.rooms import RECIPE, MemoryObjects, build, make_header, tree


def _attributes(raw, **changes):
    return {**make_header(raw, expected={"A": 2}, groups=("A", "B")).to_dict(), **changes}


def test_a_header_survives_the_round_trip(raw):
    header = make_header(
        raw, expected={"A": 2}, found={"A": 2}, groups=("A",), missing_allowed=("B/x",)
    )
    attributes = json.loads(json.dumps(header.to_dict()))
    assert StoreHeader.from_dict(attributes) == header
    assert attributes["schema"] == 1
    assert attributes["format"] == "jointcloud"


def test_the_key_does_not_depend_on_how_numbers_are_spelt(raw):
    spelt = dataclasses.replace(RECIPE, block_m=1, msa_radii_m=(1, 2))
    header = make_header(raw, recipe=spelt)
    assert header.key == StoreHeader.from_dict(json.loads(json.dumps(header.to_dict()))).key
    floats = dataclasses.replace(RECIPE, block_m=1.0, msa_radii_m=(1.0, 2.0))
    assert header.key == make_header(raw, recipe=floats).key


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "ome"}, "not a jointcloud store"),
        ({"schema": 2}, "schema version 2, this program reads 1; build the store again"),
        ({"schema": "1"}, "schema version '1', this program reads 1"),
        ({"schema": True}, "schema version True"),
        ({"dataset": 3}, "header is damaged .3 is not a text"),
        ({"n_parts": -1}, "header is damaged .-1 is not a count"),
        ({"n_parts": True}, "header is damaged"),
        ({"groups": "A"}, "header is damaged .'A' is not a list"),
        ({"expected": []}, "header is damaged"),
        ({"folds": {"../x": []}}, "header is damaged .fold '../x' is not a usable name"),
        ({"recipe": {"block_m": "x"}}, "header is damaged"),
        ({"recipe": {"unknown": 1}}, "header is damaged"),
        ({"labels": {}}, "header is damaged"),
        ({"stages": None}, "header is damaged"),
        ({"reader": "other"}, "header is damaged .key"),
        ({"key": "0"}, "header is damaged .key '0'"),
    ],
    ids=str,
)
def test_a_header_is_not_trusted(raw, changes, message):
    with pytest.raises(StoreError, match=message):
        StoreHeader.from_dict(_attributes(raw, **changes))


@pytest.mark.parametrize("key", ["labels", "recipe", "n_parts", "folds", "stages"])
def test_a_header_without_a_key(raw, key):
    attributes = _attributes(raw)
    del attributes[key]
    with pytest.raises(StoreError, match="header is damaged"):
        StoreHeader.from_dict(attributes)


def test_fold_names_cannot_leave_their_folder(raw):
    for name in ("../evil", "a/b", "", ".hidden", "zarr.json"):
        with pytest.raises(StoreError, match="not a usable name"):
            make_header(raw, folds={name: ("A",)})


def test_records_notice_every_change():
    data = encode_record({"a": 1, "b": [1.5, "ä"]})
    assert decode_record(data, "x") == {"a": 1, "b": [1.5, "ä"]}
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1
        with pytest.raises(StoreError, match="x: damaged"):
            decode_record(bytes(changed), "x")


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b"\xff", b'{"node_type":"array"}', b"[" * 9999]
)
def test_groups_are_not_trusted(data):
    with pytest.raises(StoreError, match="x: damaged"):
        decode_group(data, "x")


def test_digests_have_one_spelling():
    assert digest_json({"a": 1, "b": 2}) == digest_json({"b": 2, "a": 1})
    assert digest_json({"a": 1}) != digest_json({"a": 1.5})


def test_another_recipe_is_refused_and_rebuilt_when_asked(raw, store_path, tmp_path):
    before = tree(store_path)
    recipe = dataclasses.replace(RECIPE, block_m=0.9, seed=5)
    other = make_header(raw, per_part=2, recipe=recipe)
    with pytest.raises(
        StoreError,
        match=r"refused: recipe changed \(key \w{8} -> \w{8}: recipe.block_m 1.0 -> 0.9; "
        r"recipe.seed 0 -> 5\); build into another folder or pass --rebuild",
    ):
        create_store(store_path, other)
    assert tree(store_path) == before
    (store_path / "notes.txt").write_text("mine")
    create_store(store_path, other, rebuild=True)
    assert store_status(store_path).done == 0
    assert (store_path / "notes.txt").read_text() == "mine"
    (store_path / "notes.txt").unlink()
    build(raw, store_path, per_part=2, recipe=recipe)
    build(raw, tmp_path / "other.zarr", per_part=2, recipe=recipe)
    assert tree(store_path) == tree(tmp_path / "other.zarr")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"levels": (4,)}, "labels"),
        ({"dataset": "x"}, "dataset rooms -> x"),
        ({"options": {"a": 1}}, "options.a None -> 1"),
        ({"stages": {"draw": 9}}, "stages.draw 1 -> 9"),
    ],
    ids=str,
)
def test_what_changed_is_said(raw, store_path, change, text):
    with pytest.raises(StoreError, match=f"refused: .*{text}"):
        create_store(store_path, make_header(raw, per_part=2, **change))


def test_going_on_changes_nothing(raw, store_path):
    before = tree(store_path)
    create_store(store_path, make_header(raw, per_part=2))
    assert tree(store_path) == before


@pytest.mark.parametrize("name", ["notes.txt", "parts/x", ".hidden"])
def test_foreign_folders_are_left_alone(raw, tmp_path, name):
    path = tmp_path / "mine"
    (path / name).parent.mkdir(parents=True)
    (path / name).write_text("mine")
    for rebuild in (False, True):
        with pytest.raises(StoreError, match=r"holds other files .*not a jointcloud store"):
            create_store(path, make_header(raw), rebuild=rebuild)
        with pytest.raises(StoreError, match="holds other files"), hold_store(path):
            pass
    assert tree(path) == {name: b"mine"}


def test_foreign_zarr_groups_are_left_alone(raw, tmp_path):
    path = tmp_path / "mine.zarr"
    LocalObjects(path).put("zarr.json", encode_group({"a": 1}))
    before = tree(path)
    for rebuild in (False, True):
        with pytest.raises(StoreError, match="Zarr group of another program"):
            create_store(path, make_header(raw), rebuild=rebuild)
    assert tree(path) == before


def test_an_empty_folder_will_do(raw, tmp_path):
    (tmp_path / "empty").mkdir()
    build(raw, tmp_path / "empty")
    assert open_store(tmp_path / "empty").n_parts == 3


def test_two_builders_at_once_are_refused(raw, store_path):
    before = tree(store_path)
    with hold_store(store_path):
        assert store_status(store_path).locked
        message = rf"being built by process {os.getpid()} on {socket.gethostname()}"
        with pytest.raises(StoreError, match=message), hold_store(store_path):
            pass
        assert LOCK_KEY in tree(store_path)
        create_store(store_path, make_header(raw, per_part=2))
    assert tree(store_path) == before


def test_a_lock_goes_when_the_build_fails(tmp_path):
    with pytest.raises(RuntimeError), hold_store(tmp_path / "s.zarr"):
        raise RuntimeError
    assert tree(tmp_path / "s.zarr") == {}


def _dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    "lock",
    [
        lambda: encode_group({"host": socket.gethostname(), "pid": _dead_pid(), "start": ""}),
        lambda: encode_group({"host": socket.gethostname(), "pid": os.getpid(), "start": "1"}),
        lambda: encode_group({"host": socket.gethostname(), "pid": "7"}),
        lambda: b'{"attrib',
    ],
    ids=["dead", "pid used again", "no number", "half written"],
)
def test_a_stale_lock_is_taken_over(store_path, lock):
    LocalObjects(store_path).put(LOCK_KEY, lock())
    with hold_store(store_path):
        assert json.loads((store_path / LOCK_KEY).read_bytes())["attributes"]["pid"] == os.getpid()
    assert LOCK_KEY not in tree(store_path)


def test_the_lock_of_a_killed_process_that_nobody_collected_is_taken_over(store_path):
    code = f"""
import sys
from prep.store import hold_store
with hold_store({str(store_path)!r}):
    print("held", flush=True)
    sys.stdin.read()
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(StoreError, match=f"by process {process.pid} "), hold_store(store_path):
            pass
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with hold_store(store_path):
            pass
    assert LOCK_KEY not in tree(store_path)


def test_a_stale_lock_that_another_builder_takes_over_first(store_path):
    stale = encode_group({"host": socket.gethostname(), "pid": "7"})
    other = encode_group({"host": "elsewhere", "pid": 1})
    objects = MemoryObjects({LOCK_KEY: stale})

    def get(key):
        held = objects.objects.get(key)
        if key == LOCK_KEY:
            objects.objects[LOCK_KEY] = other
        return held

    objects.get = get
    with (
        pytest.raises(StoreError, match="process 1 on elsewhere"),
        hold_store(store_path, objects=objects),
    ):
        pass
    assert objects.objects[LOCK_KEY] == other


def test_the_lock_of_another_machine_is_respected(store_path):
    LocalObjects(store_path).put(LOCK_KEY, encode_group({"host": "elsewhere", "pid": 1}))
    with pytest.raises(StoreError, match="process 1 on elsewhere"), hold_store(store_path):
        pass


def test_a_lock_sweeps_leftovers(store_path):
    before = tree(store_path)
    (store_path / "parts/00000/.x.1-0.partial").write_bytes(b"half")
    with hold_store(store_path):
        assert not (store_path / "parts/00000/.x.1-0.partial").exists()
    assert tree(store_path) == before
