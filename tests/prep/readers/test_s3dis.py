from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from prep.errors import OptionError, SourceError
from prep.labels import ClassInfo, Labels, Level
from prep.readers import READERS
from prep.readers.s3dis import list_scenes, read_scene
from prep.scene import Scene

NAMES = ("ceiling", "floor", "wall", "chair", "office", "office_chair", "clutter")
LABELS = Labels(
    (Level("class", tuple(ClassInfo(i, n, (0, 0, 0)) for i, n in enumerate(NAMES))),),
    (("stairs", "clutter"),),
)


def write(root: Path, room: str, files: dict[str, str | bytes]) -> None:
    """Write the annotation files of one room."""
    folder = root / room / "Annotations"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())


def rows(*points: tuple[float, float, float]) -> str:
    return "".join(f"{x} {y} {z} 1 2 3\n" for x, y, z in points)


def read(root: Path, on_defect: str = "repair", **options: object) -> Scene:
    """Read the only room."""
    (source,) = list_scenes(root, labels=LABELS, options=options)
    return read_scene(source, labels=LABELS, on_defect=on_defect)


def test_a_room_by_hand(tmp_path: Path) -> None:
    write(
        tmp_path,
        "Area_5/office_1",
        {
            "wall_2.txt": rows((100000.125, -4, 5)),
            "wall_10.txt": rows((7, 8, 9), (1, 1, 1)),
            "chair_1.txt": "1 2 3 255 128 0\n",
            "stairs_1.txt": rows((0, 0, 0)),
            ".DS_Store": b"\x00\x01Bud1",
            "notes.md": "no points",
        },
    )
    (tmp_path / "Area_5/office_1/copy_Room_1.txt").write_text("1 2\n")
    (tmp_path / "Area_5/Area_5_alignmentAngle.txt").write_text("office_1 90\n")
    (tmp_path / ".DS_Store").write_bytes(b"\x00")
    (tmp_path / "__MACOSX/Area_5").mkdir(parents=True)
    (source,) = list_scenes(tmp_path, labels=LABELS, options={})
    annotations = "Area_5/office_1/Annotations"
    assert source.files == tuple(
        f"{annotations}/{f}.txt" for f in ("chair_1", "stairs_1", "wall_10", "wall_2")
    )
    assert source.n_bytes == sum((tmp_path / f).stat().st_size for f in source.files)
    scene = read_scene(source, labels=LABELS, on_defect="fail")
    assert (scene.name, scene.group, scene.n_read) == ("Area_5/office_1", "Area_5", 5)
    np.testing.assert_array_equal(
        scene.xyz, [[1, 2, 3], [0, 0, 0], [7, 8, 9], [1, 1, 1], [100000.125, -4, 5]]
    )
    np.testing.assert_array_equal(scene.color[:2], [[255, 128, 0], [1, 2, 3]])
    np.testing.assert_array_equal(scene.semantic, [[3], [6], [2], [2], [2]])
    np.testing.assert_array_equal(scene.instance, [[0], [1], [2], [2], [3]])
    np.testing.assert_array_equal(scene.source, np.arange(5))
    assert scene.normal is None
    assert scene.defects == ()
    dtypes = (scene.xyz.dtype, scene.color.dtype, scene.semantic.dtype, scene.instance.dtype)
    assert dtypes == ("f8", "u1", "i2", "i4")


def test_rooms_come_sorted_by_name(tmp_path: Path) -> None:
    for room in ("Area_2/b", "Area_10/a", "Area_2/a"):
        write(tmp_path, room, {"wall_1.txt": rows((0, 0, 0))})
    sources = list_scenes(tmp_path, labels=LABELS, options={})
    assert [s.name for s in sources] == ["Area_10/a", "Area_2/a", "Area_2/b"]


def test_more_than_255_instances_do_not_wrap(tmp_path: Path) -> None:
    write(tmp_path, "a/b", {f"clutter_{i:03}.txt": rows((i, 0, 0)) for i in range(300)})
    scene = read(tmp_path)
    np.testing.assert_array_equal(scene.instance[:, 0], np.arange(300))
    np.testing.assert_array_equal(scene.xyz[:, 0], np.arange(300))


def test_the_longest_known_class_wins(tmp_path: Path) -> None:
    names = ("office_1.txt", "office_chair_1.txt", "wall.txt")
    write(tmp_path, "a/b", {name: rows((0, 0, 0)) for name in names})
    np.testing.assert_array_equal(read(tmp_path).semantic[:, 0], [4, 5, 2])


def test_class_that_nobody_knows(tmp_path: Path) -> None:
    write(tmp_path, "a/b", {"tree_1.txt": rows((0, 0, 0))})
    with pytest.raises(SourceError) as caught:
        list_scenes(tmp_path, labels=LABELS, options={})
    message = str(caught.value)
    assert message.startswith("a/b: a/b/Annotations/tree_1.txt: found class 'tree', wanted one of")
    assert "ceiling, floor" in message
    assert "unknown_class: NAME" in message
    assert read(tmp_path, unknown_class="clutter").semantic[0, 0] == 6
    with pytest.raises(OptionError, match="unknown_class 'tree' must be one of ceiling"):
        list_scenes(tmp_path, labels=LABELS, options={"unknown_class": "tree"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"aligned": True}, "unknown option aligned; known: align"),
        ({"align": "yes"}, "align 'yes' must be true or false"),
        ({"unknown_class": ["wall"]}, "unknown_class .'wall'. must be one of ceiling"),
    ],
)
def test_options(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        list_scenes(tmp_path, labels=LABELS, options=options)


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff"])
def test_an_empty_file_is_recorded_and_its_instance_left_out(tmp_path: Path, text: str) -> None:
    files = {"chair_1.txt": rows((1, 1, 1)), "floor_1.txt": text, "wall_1.txt": rows((2, 2, 2))}
    write(tmp_path, "a/b", files)
    scene = read(tmp_path)
    np.testing.assert_array_equal(scene.instance[:, 0], [0, 2])
    (defect,) = scene.defects
    assert (defect.file, defect.rule) == ("a/b/Annotations/floor_1.txt", "empty file")
    assert (defect.repair, defect.dropped) == ("instance left out", 0)
    with pytest.raises(SourceError, match=r"floor_1.txt: found no rows.*leaves out the instance"):
        read(tmp_path, "fail")


def test_a_room_without_points_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, "a/b", {"chair_1.txt": ""})
    with pytest.raises(SourceError, match=r"a/b/Annotations: found no points in any file"):
        read(tmp_path)


def test_source_counts_the_rows_that_were_left_out(tmp_path: Path) -> None:
    good = rows(*[(i, 0, 0) for i in range(10)])
    files = {"chair_1.txt": good + "1 2\n", "wall_1.txt": "nan 0 0 1 2 3\n" + good}
    write(tmp_path, "a/b", files)
    scene = read(tmp_path)
    assert scene.n_read == 22 == scene.n_points + sum(d.dropped for d in scene.defects)
    np.testing.assert_array_equal(scene.source, np.delete(np.arange(22), [10, 11]))


COPIES = ["wall_3 (1).txt", "wall_3 copy.txt", "wall_3 copy 2.txt", "wall_3 - Copy (2).txt"]


@pytest.mark.parametrize("name", COPIES)
def test_a_second_copy_is_dropped(tmp_path: Path, name: str) -> None:
    wall = rows((1, 2, 3), (4, 5, 6))
    same_points = "4.0 5.000 6\t9 9 9\r\n1.0 2.0 3.0 1 2 3"
    write(tmp_path, "Area_5/office_36", {"wall_3.txt": wall, name: same_points})
    scene = read(tmp_path)
    np.testing.assert_array_equal(scene.xyz, [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(scene.instance, [[1], [1]])
    np.testing.assert_array_equal(scene.source, [2, 3])
    assert scene.n_read == 4
    (defect,) = scene.defects
    assert (defect.rule, defect.repair, defect.dropped) == ("copied file", "left out", 2)
    assert defect.file == f"Area_5/office_36/Annotations/{name}"
    assert defect.found == "a copy: 2 of 2 points are in wall_3.txt"
    with pytest.raises(SourceError, match=r"found a copy: 2 of 2 points are in wall_3.txt"):
        read(tmp_path, "fail")


def test_what_a_copy_has_more_stays_as_an_instance(tmp_path: Path) -> None:
    files = {"wall_3.txt": rows((1, 2, 3)), "wall_3 (1).txt": rows((7, 7, 7), (1, 2, 3))}
    write(tmp_path, "a/b", files)
    scene = read(tmp_path)
    np.testing.assert_array_equal(scene.xyz, [[7, 7, 7], [1, 2, 3]])
    np.testing.assert_array_equal(scene.instance, [[0], [1]])
    assert scene.defects[0].dropped == 1


def test_a_copy_in_name_only_is_an_instance(tmp_path: Path) -> None:
    files = {"wall_3.txt": rows((1, 2, 3)), "wall_3 (1).txt": rows((7, 7, 7))}
    write(tmp_path, "a/b", {**files, "chair_1 (1).txt": rows((0, 0, 0))})
    scene = read(tmp_path, "fail")
    assert scene.n_points == 3
    np.testing.assert_array_equal(scene.semantic[:, 0], [3, 2, 2])


def test_layout_faults(tmp_path: Path) -> None:
    def fault() -> str:
        with pytest.raises(SourceError) as caught:
            list_scenes(tmp_path / "raw", labels=LABELS, options={})
        return str(caught.value)

    assert "found no folder, wanted GROUP/ROOM/Annotations/CLASS_n.txt" in fault()
    raw = tmp_path / "raw"
    raw.mkdir()
    assert "found no folders" in fault()
    write(raw / "Stanford3dDataset_v1.2/Area_1", "office_1", {"wall_1.txt": rows((0, 0, 0))})
    assert f"one folder deeper: --root {raw / 'Stanford3dDataset_v1.2'}" in fault()
    (raw / "Stanford3dDataset_v1.2").rename(tmp_path / "moved")
    (tmp_path / "moved/Area_1/office_1").rename(raw / "office_1")
    assert "found a group's rooms, wanted GROUP/ROOM/Annotations/CLASS_n.txt; give its" in fault()
    write(raw, "Area_1/office_1", {"wall_1.txt": rows((0, 0, 0))})
    (raw / "office_1").rename(tmp_path / "away")
    (raw / "Area_2").mkdir()
    assert "found folder Area_2 without rooms" in fault()
    (raw / "Area_2/office_1").mkdir()
    assert fault().startswith("Area_2/office_1: Area_2/office_1: found no folder Annotations")
    (raw / "Area_2/office_1/Annotations").mkdir()
    assert "found no .txt file in Annotations" in fault()


def test_links_must_not_leave_the_root(tmp_path: Path) -> None:
    write(tmp_path / "raw", "a/b", {"wall_1.txt": rows((0, 0, 0))})
    (tmp_path / "secret.txt").write_text(rows((1, 1, 1)))
    link = tmp_path / "raw/a/b/Annotations/wall_2.txt"
    link.symlink_to(tmp_path / "secret.txt")
    with pytest.raises(SourceError, match="put the file itself there instead of a link"):
        list_scenes(tmp_path / "raw", labels=LABELS, options={})
    link.unlink()
    link.symlink_to("wall_1.txt")
    assert list_scenes(tmp_path / "raw", labels=LABELS, options={})


def test_a_file_that_has_gone(tmp_path: Path) -> None:
    write(tmp_path, "a/b", {"wall_1.txt": rows((0, 0, 0))})
    (source,) = list_scenes(tmp_path, labels=LABELS, options={})
    (tmp_path / source.files[0]).unlink()
    with pytest.raises(SourceError, match=r"wall_1.txt: found No such file or directory"):
        read_scene(source, labels=LABELS, on_defect="repair")


def test_align_turns_clockwise_about_the_centre_of_the_box(tmp_path: Path) -> None:
    write(tmp_path, "Area_1/a", {"wall_1.txt": rows((10, 20, 1), (14, 20, 2), (14, 26, 3))})
    angles = tmp_path / "Area_1/Area_1_alignmentAngle.txt"
    angles.write_bytes(b"## Global alignment angle ##\r\n\r\na 90\r\n")
    expected = [[9, 25, 1], [9, 21, 2], [15, 21, 3]]
    np.testing.assert_array_equal(read(tmp_path, align=True).xyz, expected)
    np.testing.assert_array_equal(read(tmp_path).xyz[0], [10, 20, 1])
    angles.write_text("b 90\n")
    with pytest.raises(SourceError, match=r"Area_1/a: .*alignmentAngle.txt: found no angle"):
        read(tmp_path, align=True)
    angles.unlink()
    with pytest.raises(SourceError, match=r"alignmentAngle.txt: found no file.*aligned release"):
        read(tmp_path, align=True)


def test_all_readers_are_in_the_table() -> None:
    assert sorted(READERS) == ["cloud", "s3dis", "synthetic"]
    assert all(reader.name == name for name, reader in READERS.items())
