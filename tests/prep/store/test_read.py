from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from prep.errors import OptionError, StoreError
from prep.folds import ALL
from prep.store import build_part, create_store, finish_store, open_store, store_status
from tests.prep.store.rooms import build, make_header, make_tasks, tree, write_room


def test_the_store_says_what_it_is(store_path):
    store = open_store(store_path)
    assert store.path == store_path
    assert store.dataset == "rooms"
    assert store.labels.levels[0].names == ("class0_0", "class0_1", "class0_2")
    assert store.recipe.n_points == 32
    assert store.n_parts == 2
    assert store.folds == ("b", ALL)
    assert store.scenes.groups == ("A", "A", "B")
    assert store.scenes.index("A/two") == 1
    np.testing.assert_array_equal(store.scenes.first, [0, 240, 0])
    np.testing.assert_array_equal(store.scenes.rows, [240, 240, 240])


def test_the_digest_is_that_of_the_parts(raw, store_path):
    digest = open_store(store_path).digest
    build(raw, store_path, per_part=2, folds={"a": ("A",)})
    assert open_store(store_path).digest == digest
    write_room(raw, "B/three", seed=8)
    build(raw, store_path, per_part=2)
    assert open_store(store_path).digest != digest


def test_only_the_arrays_asked_for_are_read(store_path):
    for key in tree(store_path):
        if key.startswith("parts/00000/") and key.split("/")[2] not in ("coord", "commit"):
            (store_path / key).unlink()
    part = open_store(store_path).part(0, arrays=("coord",))
    assert part.coord.shape == (480, 3)
    assert part.color is None
    with pytest.raises(KeyError):
        _ = part.semantic


def test_wrong_questions(store_path):
    store = open_store(store_path)
    with pytest.raises(StoreError, match="no part 2, it has 2"):
        store.part(2)
    with pytest.raises(StoreError, match="no array 'xyz'; a part has coord, color"):
        store.part(0, ["xyz"])
    with pytest.raises(OptionError, match="no fold 'area5'; it has b, all"):
        store.fold("area5")
    with pytest.raises(OptionError, match="no level 1, it has 1"):
        store.fold("b", level=1)
    with pytest.raises(OptionError, match="no scene 'x' in the store; it has A/one, A/two, B/th"):
        store.scenes.index("x")


def test_a_fold_splits_scenes_by_group(store_path):
    fold = open_store(store_path).fold("b")
    np.testing.assert_array_equal(fold.train, [0, 1])
    np.testing.assert_array_equal(fold.test, [2])
    everything = open_store(store_path).fold(ALL)
    np.testing.assert_array_equal(everything.train, everything.test)
    assert fold.vb.shape == fold.op.shape == fold.sp.shape == (3,)
    np.testing.assert_allclose(fold.sp.sum(), 1)
    np.testing.assert_allclose(fold.maps.sum(axis=2), 1)
    assert set(fold.resampled[:, 0]) <= {0, 1}
    blocks = open_store(store_path).scenes.blocks
    assert (fold.resampled[:, 1] < blocks[fold.resampled[:, 0]]).all()


@pytest.mark.parametrize("change", ["labels", "points", "gone"])
def test_nothing_of_a_test_scene_reaches_a_fold(raw, store_path, tmp_path, change):
    before = open_store(store_path).fold("b")
    if change == "gone":
        (raw / "B/three.npz").unlink()
        write_room(raw, "B/zero", seed=99, n=50)
    elif change == "labels":
        path = raw / "B/three.npz"
        with np.load(path) as data:
            columns = dict(data)
        columns["semantic"] = np.full_like(columns["semantic"], 2)
        columns["instance"] = np.full_like(columns["instance"], 17)
        np.savez(path, **columns)
    else:
        write_room(raw, "B/three", seed=99, size=(5.0, 5.0, 2.0), n=900)
    build(raw, tmp_path / "other.zarr", per_part=2)
    other = open_store(tmp_path / "other.zarr")
    assert other.digest != open_store(store_path).digest
    for field in dataclasses.fields(before):
        if field.name != "test":
            wanted, found = getattr(before, field.name), getattr(other.fold("b"), field.name)
            np.testing.assert_array_equal(wanted, found, err_msg=field.name)
    files, others = tree(store_path), tree(tmp_path / "other.zarr")
    ours = {k for k in files if k.startswith("folds/b/") and "/test/" not in k}
    assert ours
    assert all(files[key] == others[key] for key in ours)
    assert (other.fold(ALL).maps != open_store(store_path).fold(ALL).maps).any()


def test_folds_without_a_side_are_left_out(raw, tmp_path):
    path = tmp_path / "s.zarr"
    folds = {"b": ("B",), "c": ("C",), "both": ("A", "B")}
    create_store(path, make_header(raw, folds=folds))
    for task in make_tasks(raw, path):
        build_part(task)
    report = finish_store(path)
    assert report.folds == ("b", "all")
    assert report.left_out == {
        "c": "no test scene in this store",
        "both": "no training scene in this store",
    }
    assert (report.parts, report.scenes, report.points) == (3, 3, 720)
    with pytest.raises(OptionError, match=r"no fold 'c' .no test scene in this store.; it has b"):
        open_store(path).fold("c")


def test_a_fold_called_all_is_respected(raw, tmp_path):
    build(raw, tmp_path / "s.zarr", folds={"all": ("B",)})
    np.testing.assert_array_equal(open_store(tmp_path / "s.zarr").fold("all").test, [2])


def test_opening_what_is_no_finished_store(raw, tmp_path):
    with pytest.raises(StoreError, match="no store there; build it first"):
        open_store(tmp_path / "none")
    with pytest.raises(StoreError, match="is a file, wanted a folder"):
        open_store(raw / "A/one.npz")
    path = tmp_path / "s.zarr"
    create_store(path, make_header(raw))
    tasks = make_tasks(raw, path)
    build_part(tasks[1])
    unfinished = r"unfinished \(1 of 3 parts\); run the build again to continue"
    with pytest.raises(StoreError, match=unfinished):
        open_store(path)
    with pytest.raises(StoreError, match=r"2 of 3 parts are not done \(0, 2\); run the build"):
        finish_store(path)
    status = store_status(path)
    assert (status.n_parts, status.done, status.missing) == (3, 1, (0, 2))
    assert (status.scenes, status.points, status.finished) == (1, 240, False)
    build_part(tasks[0])
    build_part(tasks[2])
    with pytest.raises(StoreError, match=r"unfinished \(3 of 3 parts\)"):
        open_store(path)
    finish_store(path)
    status = store_status(path)
    assert status.finished
    assert status.digest == open_store(path).digest
    assert status.to_dict()["folds"] == ("b", "all")


def test_finishing_parts_that_do_not_fit(raw, tmp_path):
    path = tmp_path / "s.zarr"
    create_store(path, make_header(raw))
    tasks = make_tasks(raw, path)
    for task in tasks:
        build_part(task)
    build_part(dataclasses.replace(tasks[1], sources=tasks[0].sources))
    with pytest.raises(StoreError, match="scene A/one stands in two parts"):
        finish_store(path)
    create_store(path, make_header(raw, found={"A": 2, "B": 2}))
    build_part(tasks[1])
    with pytest.raises(StoreError, match="hold 1 scenes of group 'B', the plan 2"):
        finish_store(path)
    (path / "parts/00002/coord/c/0/0").unlink()
    with pytest.raises(StoreError, match="part 2 lacks objects; run the build again"):
        finish_store(path)


def test_status_of_a_damaged_part(store_path):
    commit = store_path / "parts/00000/commit/zarr.json"
    commit.write_bytes(commit.read_bytes()[:-5])
    status = store_status(store_path)
    assert (status.damaged, status.done, status.finished) == ((0,), 1, False)
