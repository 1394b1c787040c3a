"""The readers on real files: JOINTCLOUD_REAL_DATA names the folder that holds them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from prep.labels import ClassInfo, Labels, Level
from prep.readers import READERS
from prep.readers.cloud import read_cloud
from prep.scene import Scene
from prep.writers.ply import write_labelled_ply

pytestmark = pytest.mark.skipif(
    "JOINTCLOUD_REAL_DATA" not in os.environ, reason="JOINTCLOUD_REAL_DATA is not set"
)
S3DIS = (
    *("ceiling", "floor", "wall", "beam", "column", "window", "door"),
    *("table", "chair", "sofa", "bookcase", "board", "clutter"),
)


def real(path: str) -> Path:
    """Return a real file or folder; a missing one fails the test."""
    full = Path(os.environ["JOINTCLOUD_REAL_DATA"]) / path
    assert full.exists(), f"{full} is missing"
    return full


def labels(*names: str) -> Labels:
    return Labels((Level("class", tuple(ClassInfo(i, n, (0, 0, 0)) for i, n in enumerate(names))),))


def read_only_room(root: Path, names: Labels) -> Scene:
    (source,) = READERS["s3dis"].list_scenes(root, labels=names, options={})
    return READERS["s3dis"].read_scene(source, labels=names, on_defect="fail")


def instances(xyz: np.ndarray, semantic: np.ndarray, instance: np.ndarray) -> list:
    """Return class and sorted points of each instance, in an order that no id decides."""
    found = []
    for label in np.unique(instance):
        rows = np.flatnonzero(instance == label)
        (class_id,) = np.unique(semantic[rows])
        order = np.lexsort(np.rint(xyz[rows] * 1000).T)
        found.append((int(class_id), xyz[rows][order]))
    return sorted(found, key=lambda item: (item[0], len(item[1]), item[1].round(3).tobytes()))


def test_office_has_the_points_and_labels_of_the_arrays() -> None:
    scene = read_only_room(real("s3dis_room/raw"), labels(*S3DIS))
    assert (scene.name, scene.n_points, scene.n_read) == ("Area_5/office_1", 480_470, 480_470)
    assert np.unique(scene.instance).size == 90
    assert sorted(set(range(13)) - set(np.unique(scene.semantic))) == [S3DIS.index("beam")]
    assert scene.color is not None
    assert (scene.color == 128).all()

    with np.load(real("s3dis_room/room.npz"), allow_pickle=False) as room:
        xyz, semantic, instance = room["xyz"].astype(np.float64), room["sem"], room["inst"]
        assert tuple(room["class_names"]) == S3DIS
    # the arrays have another order: of instances, and of points
    mine = instances(scene.xyz, scene.semantic[:, 0], scene.instance[:, 0])
    theirs = instances(xyz, semantic, instance)
    assert len(mine) == len(theirs) == 90
    for (my_class, my_points), (class_id, points) in zip(mine, theirs, strict=True):
        assert my_class == class_id
        np.testing.assert_allclose(my_points, points, rtol=0, atol=1e-6)


def test_office_as_a_user_s_npz_keeps_its_own_class_names() -> None:
    names = labels(*reversed(S3DIS))
    scene = read_cloud(real("s3dis_room/room.npz"), labels=names)
    with np.load(real("s3dis_room/room.npz"), allow_pickle=False) as room:
        np.testing.assert_array_equal(scene.semantic[:, 0], 12 - room["sem"])
        np.testing.assert_array_equal(scene.instance[:, 0], room["inst"])


def test_forest_plot_as_a_user_s_own_layout() -> None:
    scene = read_only_room(real("forest_s3dis_layout"), labels("tree", "ground"))
    assert (scene.name, scene.n_points) == ("Area_2/linchang_2", 366_936)
    assert np.unique(scene.instance).size == 26
    np.testing.assert_array_equal(np.unique(scene.semantic), [0, 1])
    assert scene.xyz[:, 1].max() < 0
    np.testing.assert_array_equal(scene.xyz[0], [-15.332, -47.958, 4.344])


def test_scannet_scan_and_back(tmp_path: Path) -> None:
    source = real("scannet/scene0000_00/scene0000_00_vh_clean_2.ply")
    scene = read_cloud(source)
    assert (scene.n_points, scene.n_read, scene.defects) == (81_369, 81_369, ())
    assert scene.color is not None
    assert (scene.semantic == -1).all()
    out = tmp_path / "out.ply"
    write_labelled_ply(
        out,
        scene=scene,
        semantic=np.arange(scene.n_points) % 20,
        instance=np.arange(scene.n_points),
        confidence=np.linspace(0, 1, scene.n_points),
        source=source,
    )
    back = read_cloud(out)
    np.testing.assert_array_equal(back.xyz, scene.xyz)
    np.testing.assert_array_equal(back.color, scene.color)
    np.testing.assert_array_equal(back.instance[:, 0], np.arange(scene.n_points))
    labelled = real("scannet/scene0000_00/scene0000_00_vh_clean_2.labels.ply")
    assert (read_cloud(labelled).semantic[:, 0] >= 0).all()
