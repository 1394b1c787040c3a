"""Scenes in the raw S3DIS layout: text to the millimetre, and the same scene read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from prep.errors import OptionError
from prep.labels import ClassInfo, Labels, Level
from prep.readers import s3dis
from prep.readers.synthetic import synthetic_room
from prep.scene import Scene
from prep.synthetic.rooms import CLASSES
from prep.writers.s3dis import format_rows, write_s3dis

LABELS = Labels(
    (Level("object", tuple(ClassInfo(i, n, (9, 9, i)) for i, n in enumerate(CLASSES))),)
)


def _room(points: int = 3000) -> Scene:
    return synthetic_room(
        3, "Area_2/lounge_1", "lounge", points, LABELS, origin=(-61.5, 1234.0, -2.0)
    )


def test_rows_by_hand() -> None:
    xyz = np.array([[0.0, -0.001, 12.3456], [-1234.5, 100.0, -0.0004], [9.9995, 1.0, 0.1]])
    color = np.array([[0, 9, 10], [99, 100, 255], [1, 2, 3]], dtype=np.uint8)
    assert format_rows(xyz, color).decode().splitlines() == [
        "0.000 -0.001 12.346 0 9 10",
        "-1234.500 100.000 0.000 99 100 255",
        "10.000 1.000 0.100 1 2 3",
    ]


def test_rows_equal_the_format_of_c() -> None:
    rng = np.random.default_rng(0)
    xyz = np.round(rng.normal(0, 50, (500, 3)), 3)
    color = rng.integers(0, 256, (500, 3)).astype(np.uint8)
    slow = "".join(
        "%.3f %.3f %.3f %d %d %d\n" % (*point, *tone)  # noqa: UP031 - the release's own format
        for point, tone in zip(xyz.tolist(), color.tolist(), strict=True)
    )
    assert format_rows(xyz, color).decode() == slow.replace("-0.000", "0.000")


def test_no_rows_no_text() -> None:
    assert format_rows(np.zeros((0, 3)), np.zeros((0, 3), dtype=np.uint8)) == b""


def test_reading_back_gives_the_same_scene(tmp_path: Path) -> None:
    scene = _room()
    folder = write_s3dis(scene, tmp_path, LABELS)
    assert folder == tmp_path / "Area_2" / "lounge_1"
    (source,) = s3dis.list_scenes(tmp_path, labels=LABELS, options={})
    read = s3dis.read_scene(source, labels=LABELS, on_defect="fail")
    assert (read.name, read.group, read.n_read) == (scene.name, scene.group, scene.n_read)
    assert read.defects == ()
    for field in ("xyz", "color", "semantic", "instance", "source"):
        np.testing.assert_array_equal(getattr(read, field), getattr(scene, field), err_msg=field)


def test_more_than_nine_instances_of_a_class_keep_their_order(tmp_path: Path) -> None:
    n = 25
    scene = Scene(
        name="A/b",
        group="A",
        xyz=np.arange(3.0 * n).reshape(n, 3),
        color=None,
        normal=None,
        semantic=np.full((n, 1), CLASSES.index("chair"), dtype=np.int16),
        instance=np.arange(n, dtype=np.int32)[:, None] * 3,
        source=np.arange(n),
        n_read=n,
    )
    write_s3dis(scene, tmp_path, LABELS)
    (source,) = s3dis.list_scenes(tmp_path, labels=LABELS, options={})
    read = s3dis.read_scene(source, labels=LABELS, on_defect="fail")
    np.testing.assert_array_equal(read.xyz, scene.xyz)
    np.testing.assert_array_equal(read.instance[:, 0], np.arange(n))
    assert read.color is not None
    assert (read.color == 128).all()


def test_room_file_holds_all_points(tmp_path: Path) -> None:
    scene = _room(1500)
    folder = write_s3dis(scene, tmp_path, LABELS, room_file=True)
    assert len((folder / "lounge_1.txt").read_text().splitlines()) == 1500
    assert [p.name for p in folder.iterdir() if p.is_file()] == ["lounge_1.txt"]


def test_instances_of_another_scene_in_the_folder_are_an_error(tmp_path: Path) -> None:
    folder = write_s3dis(_room(), tmp_path, LABELS)
    write_s3dis(_room(), tmp_path, LABELS)
    (folder / "Annotations/wall_77.txt").write_text("0 0 0 1 2 3\n")
    with pytest.raises(OptionError, match=r"Annotations: found wall_77.txt, wanted no instances"):
        write_s3dis(_room(), tmp_path, LABELS)


def test_what_the_layout_cannot_hold_is_an_error(tmp_path: Path) -> None:
    scene = _room(1500)
    semantic, instance = scene.semantic.copy(), scene.instance.copy()
    semantic[:3] = -1
    with pytest.raises(OptionError, match="found 3 points without class or instance"):
        write_s3dis(replace(scene, semantic=semantic), tmp_path, LABELS)
    instance[:] = 7
    with pytest.raises(OptionError, match="instance 7 with two classes"):
        write_s3dis(replace(scene, instance=instance), tmp_path, LABELS)
    for name in ("office", "A/../b", "A//b"):
        with pytest.raises(OptionError, match="wanted GROUP/ROOM"):
            write_s3dis(replace(scene, name=name), tmp_path, LABELS)
    assert list(tmp_path.iterdir()) == []
