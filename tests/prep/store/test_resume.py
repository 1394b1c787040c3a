from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from prep.errors import StoreError
from prep.store import (
    build_part,
    create_store,
    finish_store,
    hold_store,
    open_store,
    store_status,
    verify_store,
)
from prep.store.schema import commit_key
from tests.prep.store.rooms import (
    Killed,
    MemoryObjects,
    build,
    make_header,
    make_tasks,
    tree,
    write_room,
)


def test_a_second_run_keeps_every_part(raw, store_path):
    before = tree(store_path)
    reports = build(raw, store_path, per_part=2)
    assert [r.status for r in reports] == ["kept", "kept"]
    assert [r.points for r in reports] == [480, 240]
    assert tree(store_path) == before


def test_killed_at_any_moment_and_run_again_gives_the_same_bytes(raw, store_path, quick_codec):
    wanted = tree(store_path)
    whole = MemoryObjects()
    build(raw, store_path, per_part=2, objects=whole)
    assert whole.objects == wanted
    assert whole.changes > 150
    for lives in whole.moments():
        objects = MemoryObjects(lives=lives)
        with pytest.raises(Killed):
            build(raw, store_path, per_part=2, objects=objects)
        if lives:
            with pytest.raises(StoreError, match="unfinished"):
                open_store(store_path, objects=objects)
            assert not store_status(store_path, objects=objects).finished
        objects.lives = None
        build(raw, store_path, per_part=2, objects=objects)
        assert objects.objects == wanted, f"after dying at change {lives}"


def test_killed_while_rebuilding_a_changed_part(raw, store_path, quick_codec):
    original = tree(store_path)
    write_room(raw, "A/one", seed=77)
    whole = MemoryObjects(original)
    build(raw, store_path, per_part=2, objects=whole)
    for lives in whole.moments():
        objects = MemoryObjects(original, lives)
        with pytest.raises(Killed):
            build(raw, store_path, per_part=2, objects=objects)
        if lives:
            with pytest.raises(StoreError, match="unfinished"):
                open_store(store_path, objects=objects)
        objects.lives = None
        build(raw, store_path, per_part=2, objects=objects)
        assert objects.objects == whole.objects, f"after dying at change {lives}"


HERE = Path(__file__).parents[3]

KILLED_IN_A_FILE = """
import os, signal, sys
from pathlib import Path
from prep.readers import READERS
from prep.store import hold_store, objects
from tests.prep.store.rooms import ROOMS, build

raw, path, victim = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
READERS[ROOMS.name] = ROOMS
whole = objects._write

def write(target, data):
    if target.parent == (path / victim).parent and f".{Path(victim).name}." in target.name:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data[: len(data) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
    whole(target, data)

objects._write = write
with hold_store(path):
    build(raw, path, per_part=2)
"""


@pytest.mark.parametrize("victim", ["parts/00001/coord/c/0/0", "parts/00001/commit/zarr.json"])
def test_sigkill_in_the_middle_of_a_file(raw, store_path, tmp_path, victim):
    path = tmp_path / "killed.zarr"
    command = [sys.executable, "-c", KILLED_IN_A_FILE, str(raw), str(path), victim]
    assert subprocess.run(command, check=False, cwd=HERE).returncode == -signal.SIGKILL
    left = tree(path)
    assert any(name.endswith(".partial") for name in left)
    assert "lock/zarr.json" in left
    with hold_store(path):
        build(raw, path, per_part=2)
    assert tree(path) == tree(store_path)


def test_order_of_parts_and_repetition_do_not_matter(raw, store_path, tmp_path):
    path = tmp_path / "other.zarr"
    create_store(path, make_header(raw, per_part=2))
    tasks = make_tasks(raw, path, per_part=2)
    for task in (tasks[1], tasks[0], tasks[1]):
        build_part(pickle.loads(pickle.dumps(task)))
    finish_store(path)
    finish_store(path)
    assert tree(path) == tree(store_path)


def test_a_second_writer_that_dies_leaves_no_hole(raw, store_path, tmp_path):
    wanted = {k: v for k, v in tree(store_path).items() if k.startswith("parts/00001/")}
    task = make_tasks(raw, tmp_path / "other.zarr", per_part=2)[1]
    for lives in range(0, len(wanted), 4):
        objects, dying = MemoryObjects(), MemoryObjects(lives=lives)
        create_store(task.store, make_header(raw, per_part=2), objects=objects)
        dying.objects = objects.objects  # two processes, one store
        put = objects.put

        def put_late(key, data, put=put, dying=dying):
            if key == commit_key(1):
                with pytest.raises(Killed):
                    build_part(task, objects=dying)
            put(key, data)

        objects.put = put_late
        build_part(task, objects=objects)
        held = {k: v for k, v in objects.objects.items() if k.startswith("parts/00001/")}
        assert held == wanted, f"the other one died at change {lives}"


def test_only_the_part_of_a_changed_file_is_rebuilt(raw, store_path):
    before = tree(store_path)
    write_room(raw, "B/three", seed=9)
    reports = build(raw, store_path, per_part=2)
    assert [r.status for r in reports] == ["kept", "built"]
    after = tree(store_path)
    assert {k for k in before if k.startswith("parts/00000")} == {
        k for k in after if k.startswith("parts/00000") and before[k] == after[k]
    }
    assert after["parts/00001/coord/c/0/0"] != before["parts/00001/coord/c/0/0"]
    assert verify_store(store_path).ok


def test_a_change_that_keeps_size_and_time_is_noticed(raw, store_path):
    path = raw / "B/three.npz"
    stat = path.stat()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    create_store(store_path, make_header(raw, per_part=2))
    tasks = make_tasks(raw, store_path, per_part=2)
    assert build_part(tasks[0]).status == "kept"
    data[-1] ^= 1
    path.write_bytes(data)
    assert build_part(tasks[1]).status == "kept"
    write_room(raw, "B/three", seed=4)
    assert build_part(tasks[1]).status == "built"


@pytest.mark.parametrize("fault", ["missing", "truncated", "flipped", "extra", "commit"])
def test_a_part_with_wrong_objects_is_rebuilt(raw, store_path, fault):
    before = tree(store_path)
    sample = store_path / "parts/00001/blocks/sample/c/0/0"
    if fault == "missing":
        sample.unlink()
    elif fault == "truncated":
        sample.write_bytes(sample.read_bytes()[:-1])
    elif fault == "flipped":
        data = bytearray(sample.read_bytes())
        data[-1] ^= 1
        sample.write_bytes(data)
    elif fault == "extra":
        (sample.parent / "1").write_bytes(b"x")
    else:
        commit = store_path / "parts/00001/commit/zarr.json"
        commit.write_bytes(commit.read_bytes()[:-9])
    reports = build(raw, store_path, per_part=2)
    assert [r.status for r in reports] == ["kept", "built"]
    assert tree(store_path) == before


def test_running_again_mends_any_damage(raw, store_path):
    before = tree(store_path)
    for at, key in enumerate(sorted(set(before) - {"zarr.json"})):
        data = bytearray(before[key])
        data[len(data) // 2] ^= 0x10
        (store_path / key).write_bytes(data)
        if at % 3 == 0:
            (store_path / key).unlink()
    for stranger in ("scenes/x", "folds/b/x", "folds/gone/zarr.json"):
        (store_path / stranger).parent.mkdir(exist_ok=True)
        (store_path / stranger).write_bytes(b"x")
    build(raw, store_path, per_part=2)
    assert tree(store_path) == before


@pytest.mark.parametrize("at", [3, 60, 400])
def test_a_damaged_header_is_mended_when_asked(raw, store_path, at):
    before = tree(store_path)
    data = bytearray(before["zarr.json"])
    data[at] ^= 0x10
    (store_path / "zarr.json").write_bytes(data)
    with pytest.raises(StoreError):
        build(raw, store_path, per_part=2)
    create_store(store_path, make_header(raw, per_part=2), rebuild=True)
    build(raw, store_path, per_part=2)
    assert tree(store_path) == before


def test_a_scene_that_comes_later_moves_only_what_it_must(raw, store_path):
    write_room(raw, "B/four", seed=5)
    reports = build(raw, store_path, per_part=2)
    assert [r.status for r in reports] == ["kept", "built"]
    (raw / "B/four.npz").unlink()
    (raw / "B/three.npz").unlink()
    reports = build(raw, store_path, per_part=2, folds={})
    assert [r.status for r in reports] == ["kept"]
    assert not any(key.startswith("parts/00001") for key in tree(store_path))
    assert verify_store(store_path).ok
