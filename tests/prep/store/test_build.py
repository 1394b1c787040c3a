from __future__ import annotations

import numpy as np
import pytest
import zarr

from prep import stages
from prep.errors import StoreError
from prep.seeding import scene_seed
from prep.store import (
    PartTask,
    build_part,
    open_store,
)
from tests.prep.store.rooms import (
    RECIPE,
    build,
    list_rooms,
    read_room,
    tree,
)


def test_everything_is_readable_with_plain_zarr(store_path):
    root = zarr.open(store_path, mode="r")
    assert root.attrs["dataset"] == "rooms"
    assert root.attrs["labels"]["levels"][0]["classes"][2]["name"] == "class0_2"
    members = dict(root.members(max_depth=None))
    assert members["parts/00000/coord"].shape == (480, 3)
    assert members["parts/00000/coord"].metadata.dimension_names == ("point", "axis")
    assert members["parts/00000/commit"].attrs["scenes"][1]["name"] == "A/two"
    assert list(root["scenes"].attrs["names"]) == ["A/one", "A/two", "B/three"]
    np.testing.assert_array_equal(root["scenes/part"][:], [0, 0, 1])
    assert root["folds/b/maps"].shape == (1, 2, 3, 3)
    for name, member in members.items():
        if isinstance(member, zarr.Array):
            assert member[...].shape == member.shape, name


def test_a_part_holds_the_scenes_in_cell_order(raw, store_path):
    store = open_store(store_path)
    for number, source in enumerate(list_rooms(raw)):
        scene = read_room(source, labels=None, on_defect="fail")
        part = store.part(int(store.scenes.part[number]))
        first = int(store.scenes.first[number])
        rows = slice(first, first + int(store.scenes.rows[number]))
        source_row = part.source[rows]
        origin = store.scenes.origin[number]
        np.testing.assert_array_equal(origin, scene.xyz.min(axis=0))
        np.testing.assert_array_equal(
            part.coord[rows], (scene.xyz[source_row] - origin).astype(np.float32)
        )
        for name in ("color", "semantic", "instance"):
            np.testing.assert_array_equal(
                getattr(part, name)[rows], getattr(scene, name)[source_row]
            )
        cell = np.floor((scene.xyz[source_row] - origin)[:, :2] / RECIPE.stride_m)
        at = cell[:, 0] * 1000 + cell[:, 1]
        assert (np.diff(at) >= 0).all()
        assert (np.diff(source_row)[np.diff(at) == 0] > 0).all()
        np.testing.assert_allclose(
            store.scenes.extent[number], np.ptp(scene.xyz, axis=0), rtol=1e-15
        )


def test_blocks_are_those_of_the_stages(raw, store_path):
    store = open_store(store_path)
    part = store.part(1)
    scene = read_room(list_rooms(raw)[2], labels=None, on_defect="fail")
    ordered, _, extent = stages.order(scene=scene, recipe=RECIPE)
    blocks = stages.cut(xyz=ordered.xyz, extent=extent, recipe=RECIPE)
    sample = stages.draw(blocks=blocks, source=ordered.source, name="B/three", recipe=RECIPE)
    assert len(sample) == 6 == store.scenes.blocks[2]
    np.testing.assert_array_equal(part.blocks.sample, sample)
    np.testing.assert_array_equal(
        part.blocks.corner, [[0, 0], [0, 0.5], [0.5, 0.5], [0.5, 0], [1, 0], [1, 0.5]]
    )
    np.testing.assert_array_equal(part.blocks.scene, 0)
    for block in range(6):
        classes = ordered.semantic[sample[block], 0]
        np.testing.assert_array_equal(
            part.blocks.counts[block, 0], np.bincount(classes[classes >= 0], minlength=3)
        )


def test_reports_say_what_was_done(raw, tmp_path):
    reports = build(raw, tmp_path / "s.zarr", per_part=2)
    assert [r.status for r in reports] == ["built", "built"]
    assert (reports[0].scenes, reports[0].points, reports[0].n_read) == (2, 480, 480)
    assert {"hash", "read", "order", "cut", "draw", "encode", "write"} <= set(reports[0].seconds)
    assert reports[0].to_dict()["status"] == "built"
    files = tree(tmp_path / "s.zarr")
    commit = len(files["parts/00000/commit/zarr.json"])
    stored = sum(len(data) for key, data in files.items() if key.startswith("parts/00000/"))
    assert reports[0].n_bytes == stored - commit


def test_a_part_that_the_header_does_not_have(raw, store_path):
    task = PartTask(str(store_path), 7, ())
    with pytest.raises(StoreError, match="no part 7, it has 2"):
        build_part(task)


def test_a_part_of_no_store(tmp_path):
    with pytest.raises(StoreError, match="no store there"):
        build_part(PartTask(str(tmp_path / "none"), 0, ()))


def test_samples_are_seeded_by_scene_not_by_part(raw, store_path, tmp_path):
    build(raw, tmp_path / "other.zarr", per_part=1)
    ours, theirs = open_store(store_path).part(0), open_store(tmp_path / "other.zarr").part(1)
    np.testing.assert_array_equal(ours.blocks.sample[ours.blocks.scene == 1], theirs.blocks.sample)
    assert scene_seed(0, "A/one") != scene_seed(0, "A/two")
