from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from models.cache import ArrayWriter, build_arrays, cache_root, open_arrays
from models.data import open_data
from prep.errors import OptionError, StoreError
from prep.features import block_features
from prep.store import open_store
from tests.tiny_store import build_tiny_store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return open_store(build_tiny_store(tmp_path_factory.mktemp("store")))


def fill(writer: ArrayWriter) -> None:
    writer.append("a", np.arange(6, dtype=np.int32).reshape(3, 2))
    writer.append("b", np.zeros((0, 3), np.float64))
    writer.append("a", np.arange(6, 10, dtype=np.int32).reshape(2, 2))


def test_appended_rows_are_read_back_by_plain_numpy(tmp_path):
    arrays = build_arrays(tmp_path / "x", "k", fill)
    np.testing.assert_array_equal(arrays["a"], np.arange(10).reshape(5, 2))
    assert arrays["b"].shape == (0, 3)
    np.testing.assert_array_equal(np.load(tmp_path / "x" / "a.npy"), arrays["a"])


def test_rows_of_another_kind_are_refused(tmp_path):
    with ArrayWriter(tmp_path) as writer:
        writer.append("a", np.zeros((2, 3)))
        with pytest.raises(ValueError, match="rows of"):
            writer.append("a", np.zeros((2, 4)))


def test_a_ready_folder_is_not_built_again(tmp_path):
    build_arrays(tmp_path / "x", "k", fill)
    build_arrays(tmp_path / "x", "k", lambda writer: pytest.fail("built again"))


def spoil_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("{")


def spoil_length(folder: Path) -> None:
    with (folder / "a.npy").open("ab") as file:
        file.write(b"x")


def spoil_header(folder: Path) -> None:
    data = (folder / "a.npy").read_bytes()
    (folder / "a.npy").write_bytes(data.replace(b"<i4", b"<u4"))


def spoil_by_deletion(folder: Path) -> None:
    (folder / "a.npy").unlink()


def spoil_manifest_kind(folder: Path) -> None:
    (folder / "manifest.json").write_text("[]")


@pytest.mark.parametrize(
    "spoil",
    [spoil_manifest, spoil_length, spoil_header, spoil_by_deletion, spoil_manifest_kind],
)
def test_a_broken_folder_is_built_again(tmp_path, spoil):
    build_arrays(tmp_path / "x", "k", fill)
    spoil(tmp_path / "x")
    assert open_arrays(tmp_path / "x", "k") is None
    arrays = build_arrays(tmp_path / "x", "k", fill)
    np.testing.assert_array_equal(arrays["a"], np.arange(10).reshape(5, 2))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x"]


def test_a_folder_of_another_key_is_built_again(tmp_path):
    build_arrays(tmp_path / "x", "old", fill)
    build_arrays(tmp_path / "x", "new", fill)
    assert json.loads((tmp_path / "x" / "manifest.json").read_text())["key"] == "new"


def test_an_interrupted_build_leaves_nothing(tmp_path):
    def break_off(writer: ArrayWriter) -> None:
        fill(writer)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_arrays(tmp_path / "x", "k", break_off)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_names_the_remedy(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="JOINTCLOUD_CACHE"):
        build_arrays(tmp_path / "file" / "x", "k", fill)


def test_two_may_build_at_once(tmp_path):
    gate = threading.Barrier(2)

    def fill_together(writer: ArrayWriter) -> None:
        fill(writer)
        gate.wait(10)  # none settles before both have filled

    with ThreadPoolExecutor(2) as pool:
        work = [pool.submit(build_arrays, tmp_path / "x", "k", fill_together) for _ in range(2)]
        found = [w.result()["a"].tolist() for w in work]
    assert found == [np.arange(10).reshape(5, 2).tolist()] * 2
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_the_cache_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("JOINTCLOUD_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    monkeypatch.delenv("JOINTCLOUD_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_root() == tmp_path / ".cache" / "jointcloud"


def test_data_equal_the_parts_of_the_store(store, tmp_path):
    data = open_data(store, cache=tmp_path)
    assert data.folder == tmp_path / store.digest
    for scene, name in enumerate(store.scenes.names):
        part = store.part(int(store.scenes.part[scene]))
        first = int(store.scenes.first[scene])
        there = slice(first, first + int(store.scenes.rows[scene]))
        here = data.scene_rows(scene)
        np.testing.assert_array_equal(data.coord[here], part.coord[there], err_msg=name)
        np.testing.assert_array_equal(data.color[here], part.color[there])
        np.testing.assert_array_equal(data.semantic[here], part.semantic[there, 0])
        np.testing.assert_array_equal(data.instance[here], part.instance[there, 0])
        same_part = np.flatnonzero(store.scenes.part == store.scenes.part[scene])
        position = (
            np.argsort(store.scenes.first[same_part])
            .tolist()
            .index(same_part.tolist().index(scene))
        )
        mine = part.blocks.scene == position
        blocks = data.scene_blocks(scene)
        np.testing.assert_array_equal(data.sample[blocks], part.blocks.sample[mine])
        np.testing.assert_array_equal(
            data.labelled[blocks], part.blocks.counts[mine, 0].sum(axis=1)
        )
        assert len(blocks) > 1


def test_features_and_labels_are_those_of_each_scene(store, tmp_path):
    data = open_data(store, cache=tmp_path)
    blocks = np.array([data.scene_blocks(2)[1], data.scene_blocks(0)[0], data.scene_blocks(2)[0]])
    features = data.features(blocks)
    semantic, instance = data.labels(blocks)
    for row, block in enumerate(blocks):
        scene = int(data.block_scene[block])
        rows = data.scene_rows(scene)
        sample = data.sample[block]
        wanted = block_features(
            data.coord[rows], data.color[rows], sample[None], store.scenes.extent[scene]
        )
        np.testing.assert_array_equal(features[row], wanted[0])
        np.testing.assert_array_equal(semantic[row], data.semantic[rows][sample])
        np.testing.assert_array_equal(instance[row], data.instance[rows][sample])
    assert features.dtype == np.float32
    assert semantic.dtype == np.int64


def test_the_second_opening_decodes_nothing(store, tmp_path, monkeypatch):
    open_data(store, cache=tmp_path)
    monkeypatch.setattr(type(store), "part", lambda *_: pytest.fail("decoded again"))
    open_data(store, cache=tmp_path)


def test_a_level_that_is_not_there_is_refused(store, tmp_path):
    with pytest.raises(OptionError, match="level 3"):
        open_data(store, level=3, cache=tmp_path)


def test_data_without_colour_have_black_features(tmp_path):
    store = open_store(build_tiny_store(tmp_path, rooms=2, colored=False))
    data = open_data(store, cache=tmp_path / "cache")
    assert data.color is None
    assert not data.features(data.scene_blocks(0))[:, :, 3:6].any()
