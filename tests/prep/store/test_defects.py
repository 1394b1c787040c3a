from __future__ import annotations

import dataclasses

import pytest

from prep.errors import OptionError, SourceError
from prep.store import (
    build_part,
    create_store,
    open_store,
    store_status,
    verify_store,
)
from tests.prep.store.rooms import (
    build,
    make_header,
    make_tasks,
    read_room,
    write_room,
)


def test_defects_are_repaired_and_logged(raw, tmp_path):
    write_room(raw, "A/one", seed=1, defect="9,1")
    reports = build(raw, tmp_path / "s.zarr", per_part=3)
    assert reports[0].n_read == reports[0].points + 1
    assert reports[0].defects[0].found == "9,1"
    report = verify_store(tmp_path / "s.zarr")
    assert report.ok
    assert (report.n_read, report.points, report.dropped) == (720, 719, 1)
    assert store_status(tmp_path / "s.zarr").defects == reports[0].defects


def test_defects_fail_when_asked_to(raw, tmp_path):
    write_room(raw, "A/one", seed=1, defect="9,1")
    with pytest.raises(SourceError, match=r"A/one: A/one.npz:240: found '9,1', wanted a number"):
        build(raw, tmp_path / "s.zarr", on_defect="fail")


def test_defects_skip_the_scene_when_asked_to(raw, tmp_path):
    write_room(raw, "A/one", seed=1, defect="9,1")
    reports = build(raw, tmp_path / "s.zarr", on_defect="skip")
    assert reports[0].scenes == 0
    ((name, reason),) = reports[0].skipped
    assert name == "A/one"
    assert reason.endswith("see A/one.npz")
    store = open_store(tmp_path / "s.zarr")
    assert store.scenes.names == ("A/two", "B/three")
    assert store.part(0).coord.shape == (0, 3)
    assert verify_store(tmp_path / "s.zarr").skipped == 1
    assert store_status(tmp_path / "s.zarr").skipped == reports[0].skipped


def test_the_policy_matters_only_where_there_are_defects(raw, tmp_path):
    path = tmp_path / "s.zarr"
    build(raw, path, on_defect="fail")
    assert [r.status for r in build(raw, path, on_defect="repair")] == ["kept"] * 3
    write_room(raw, "A/one", seed=1, defect="9,1")
    build(raw, path, on_defect="repair")
    assert [r.status for r in build(raw, path, on_defect="skip")] == ["built", "kept", "kept"]
    with pytest.raises(SourceError):
        build(raw, path, on_defect="fail")


def test_a_source_that_vanished(raw, tmp_path):
    path = tmp_path / "s.zarr"
    create_store(path, make_header(raw))
    task = make_tasks(raw, path)[0]
    (raw / "A/one.npz").unlink()
    with pytest.raises(SourceError, match=r"A/one: A/one\.npz: found nothing readable"):
        build_part(task)
    report = build_part(dataclasses.replace(task, on_defect="skip"))
    assert "nothing readable" in report.skipped[0][1]


def test_a_source_that_grows_while_it_is_read(raw, tmp_path, monkeypatch):
    from prep.readers import READERS

    def read(source, **options):
        scene = read_room(source, **options)
        with source.path(source.files[0]).open("ab") as stream:
            stream.write(b"x")
        return scene

    monkeypatch.setitem(READERS, "rooms", dataclasses.replace(READERS["rooms"], read_scene=read))
    with pytest.raises(SourceError, match="a moment before"):
        build(raw, tmp_path / "s.zarr")


def test_a_room_in_millimetres_is_a_clear_error(raw, tmp_path):
    write_room(raw, "A/one", size=(8000.0, 8000.0, 2000.0))
    with pytest.raises(OptionError, match=r"A/one: .*unit is metres"):
        build(raw, tmp_path / "s.zarr")
    reports = build(raw, tmp_path / "s.zarr", on_defect="skip")
    assert reports[0].skipped[0][0] == "A/one"
