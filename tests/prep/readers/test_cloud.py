from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from plyfile import PlyData, PlyElement

from prep.errors import OptionError, SourceError
from prep.labels import ClassInfo, Labels, Level
from prep.readers.cloud import list_scenes, read_cloud, read_scene
from prep.scene import Scene

LABELS = Labels(
    (Level("class", tuple(ClassInfo(i, n, (0, 0, 0)) for i, n in enumerate("abc"))),),
    (("bee", "b"), ("40", "c")),
)
FAR = 4_512_345.678


def table(**columns: object) -> np.ndarray:
    """Return a structured array; values are (dtype, list) pairs."""
    kinds = [(name, kind) for name, (kind, _) in columns.items()]
    array = np.empty(len(next(iter(columns.values()))[1]), dtype=kinds)
    for name, (_, values) in columns.items():
        array[name] = values
    return array


XYZ = {"x": ("f8", [FAR, 1]), "y": ("f8", [0, 2]), "z": ("f8", [0, 3])}
RGB = {"red": ("u1", [1, 2]), "green": ("u1", [3, 4]), "blue": ("u1", [5, 255])}


def write_ply(path: Path, array: np.ndarray, *, text: bool = False, byte_order: str = "<") -> None:
    PlyData([PlyElement.describe(array, "vertex")], text=text, byte_order=byte_order).write(path)


def read(root: Path, on_defect: str = "repair", **options: object) -> Scene:
    """Read the only cloud under a folder."""
    (source,) = list_scenes(root, labels=LABELS, options=options)
    return read_scene(source, labels=LABELS, on_defect=on_defect)


FORMATS = [("a.ply", t, o) for t, o in ((True, "="), (False, "<"), (False, ">"))]
FORMATS += [("a.npy", None, None), ("a.npz", None, None), ("a.NPZ", None, None)]


@pytest.mark.parametrize(("name", "text", "byte_order"), FORMATS)
def test_the_same_cloud_in_every_binary_format(
    tmp_path: Path, name: str, text: bool | None, byte_order: str | None
) -> None:
    array = table(
        **XYZ, **RGB, nx=("f4", [0, 1]), ny=("f4", [0.5, 0]), nz=("f4", [1, 0]),
        label=("u1", [2, 0]), instance_id=("i4", [70000, -5]), intensity=("f4", [9, 9]),
    )  # fmt: skip
    path = tmp_path / "area" / name
    path.parent.mkdir()
    if text is not None and byte_order is not None:
        write_ply(path, array, text=text, byte_order=byte_order)
    elif name == "a.npy":
        np.save(path, array)
    else:
        with path.open("wb") as stream:
            np.savez(stream, **{name: array[name] for name in array.dtype.names})
    scene = read(tmp_path, "fail")
    assert (scene.name, scene.group, scene.n_read) == ("area/a", "area", 2)
    np.testing.assert_array_equal(scene.xyz, [[FAR, 0, 0], [1, 2, 3]])
    np.testing.assert_array_equal(scene.color, [[1, 3, 5], [2, 4, 255]])
    np.testing.assert_array_equal(scene.normal, [[0, 0.5, 1], [1, 0, 0]])
    np.testing.assert_array_equal(scene.semantic, [[2], [0]])
    np.testing.assert_array_equal(scene.instance, [[70000], [-1]])
    np.testing.assert_array_equal(scene.source, [0, 1])
    assert (scene.semantic.dtype, scene.instance.dtype) == ("i2", "i4")


TEXTS = {
    "blanks.txt": "x y z r g b label ins\n4512345.678 0 0 1 3 5 c 7\n1 2 3 2 4 255 a -1\n",
    "comma.csv": "X,Y,Z,R,G,B,Class,Inst\n4512345.678,0,0,1,3,5,c,7\n1,2,3,2,4,255,a,\n\n",
    "semicolon.csv": '"x";"y";"z";"r";"g";"b";"sem";"obj"\n4512345.678;0;0;1;3;5;c;7\n'
    "1;2;3;2;4;255;a;-1\n",
    "comment.xyz": "# made by hand\n# x y z red green blue semantic instance\n"
    "4512345.678 0 0 1 3 5 40 7\n 1 2 3 2 4 255 0 -1",
    "slashes.txt": "//X Y Z R G B scalar_label scalar_instance\r\n"
    "4512345.678 0 0 1 3 5 2.000000 7.000000\r\n1 2 3 2 4 255 0.000000 nan\r\n",
    "bom.csv": "\ufeffx\ty\tz\tr\tg\tb\tlabel\tins\n4512345.678\t0\t0\t1\t3\t5\tc\t7\n"
    "1\t2\t3\t2\t4\t255\ta\t-1\n",
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_with_named_columns(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(TEXTS[name], encoding="utf-8")
    scene = read(tmp_path, "fail")
    np.testing.assert_allclose(scene.xyz, [[FAR, 0, 0], [1, 2, 3]], rtol=0, atol=1e-8)
    np.testing.assert_array_equal(scene.color, [[1, 3, 5], [2, 4, 255]])
    np.testing.assert_array_equal(scene.semantic, [[2], [0]])
    np.testing.assert_array_equal(scene.instance, [[7], [-1]])
    assert scene.group == "all"


@pytest.mark.parametrize(
    ("name", "text", "color"),
    [
        ("a.xyz", "1 2 3\n4 5 6\n", None),
        ("a.txt", "1 2 3 10 20 30\n4 5 6 40 50 60\n", [10, 20, 30]),
        ("a.pts", "2\n1 2 3 -900 10 20 30\n4 5 6 -800 40 50 60\n", [10, 20, 30]),
        ("a.pts", "1 2 3\n4 5 6\n", None),
    ],
)
def test_text_without_names(tmp_path: Path, name: str, text: str, color: list[int] | None) -> None:
    (tmp_path / name).write_text(text)
    scene = read_cloud(tmp_path / name)
    np.testing.assert_array_equal(scene.xyz, [[1, 2, 3], [4, 5, 6]])
    assert (scene.color is None) == (color is None)
    if scene.color is not None:
        np.testing.assert_array_equal(scene.color[0], color)


def test_columns_by_name_index_and_null(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("9 1 2 3 0.5\n9 4 5 6 1.5\n")
    columns = {"x": 1, "y": 2, "z": "3", "semantic": 0}
    scene = read_cloud(tmp_path / "a.txt", columns=columns)
    np.testing.assert_array_equal(scene.xyz, [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(scene.semantic[:, 0], [9, 9])
    write_ply(tmp_path / "b.ply", table(**XYZ, **RGB, label=("i4", [900, 1])))
    (tmp_path / "a.txt").unlink()
    scene = read(tmp_path, columns={"semantic": None, "red": None, "green": None, "blue": None})
    np.testing.assert_array_equal(scene.semantic, [[-1], [-1]])
    assert scene.color is None


def test_npz_with_vectors_and_its_own_class_names(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "room.npz",
        xyz=np.arange(6, dtype=np.float32).reshape(2, 3),
        rgb=np.array([[0.0, 0.5, 1.0], [1, 1, 1]]),
        sem=np.array([0, 1]),
        inst=np.array([3, 300]),
        class_names=np.array(["bee", "a"]),
        origin=np.zeros(3),
    )
    scene = read(tmp_path)
    np.testing.assert_array_equal(scene.xyz, [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(scene.color, [[0, 128, 255], [255, 255, 255]])
    np.testing.assert_array_equal(scene.semantic, [[1], [0]])
    np.testing.assert_array_equal(scene.instance, [[3], [300]])


@pytest.mark.parametrize(
    ("kind", "values", "color"),
    [
        ("f4", [0.0, 1.0, 0.5, 0.2, 0.4, 0.6], [[0, 128, 102], [255, 51, 153]]),
        ("f8", [0.0, 255.0, 100.4, 0.6, 1.0, 2.0], [[0, 100, 1], [255, 1, 2]]),
        ("i8", [0, 1, 1, 1, 0, 0], [[0, 1, 0], [1, 1, 0]]),
    ],
)
def test_ranges_of_colors(
    tmp_path: Path, kind: str, values: list[float], color: list[list[int]]
) -> None:
    rgb = {name: (kind, values[2 * k : 2 * k + 2]) for k, name in enumerate(("r", "g", "b"))}
    np.save(tmp_path / "a.npy", table(**XYZ, **rgb))
    np.testing.assert_array_equal(read(tmp_path).color, color)


def test_points_that_are_not_finite_are_left_out_and_recorded(tmp_path: Path) -> None:
    xyz = {"x": ("f4", [np.nan, 1, 2, 3]), "y": ("f4", [0, 1, np.inf, 3]), "z": ("f4", [0] * 4)}
    normal = {"nx": ("f4", [0, 0, 0, np.nan]), "ny": ("f4", [0] * 4), "nz": ("f4", [1] * 4)}
    write_ply(tmp_path / "a.ply", table(**xyz, **normal, label=("u1", [0, 1, 2, 0])))
    scene = read(tmp_path)
    np.testing.assert_array_equal(scene.xyz, [[1, 1, 0], [3, 3, 0]])
    np.testing.assert_array_equal(scene.normal, [[0, 0, 1], [0, 0, 0]])
    np.testing.assert_array_equal(scene.source, [1, 3])
    np.testing.assert_array_equal(scene.semantic[:, 0], [1, 0])
    assert scene.n_read == 4
    assert [(d.rule, d.dropped) for d in scene.defects] == [("not finite", 2), ("normal", 0)]
    for on_defect in ("fail", "skip"):
        with pytest.raises(SourceError, match="found 2 of 4 points with values that are not"):
            read(tmp_path, on_defect)
    write_ply(tmp_path / "a.ply", table(x=("f4", [np.nan]), y=("f4", [0]), z=("f4", [0])))
    with pytest.raises(SourceError, match="found no finite point in 1 rows"):
        read(tmp_path)


def test_classes_by_name_alias_id_and_unlabelled(tmp_path: Path) -> None:
    values = ["a", "bee", "40", "2", "-1", "", "void", "Unlabelled"]
    np.savez(tmp_path / "a.npz", xyz=np.zeros((8, 3)), label=np.array(values))
    scene = read(tmp_path, unlabelled=["void"])
    np.testing.assert_array_equal(scene.semantic[:, 0], [0, 1, 2, 2, -1, -1, -1, -1])
    with pytest.raises(SourceError, match="class 'void' in row 6, wanted −1 or one of 0 a, 1 b"):
        read(tmp_path)
    np.testing.assert_array_equal(read(tmp_path, unknown_class="b").semantic[6], [1])
    np.testing.assert_array_equal(
        read_cloud(tmp_path / "a.npz").semantic[:, 0], [-1, -1, 40, 2, -1, -1, -1, -1]
    )


@pytest.mark.parametrize("value", [3, -2, 300])
def test_unknown_ids(tmp_path: Path, value: int) -> None:
    np.save(tmp_path / "a.npy", table(**XYZ, label=("i8", [0, value])))
    with pytest.raises(SourceError, match=f"a.npy: found class '{value}' in row 1, wanted"):
        read(tmp_path)


def test_named_and_large_instance_ids_are_numbered(tmp_path: Path) -> None:
    names = np.array(["t", "s", "", "t"])
    np.savez(tmp_path / "a.npz", xyz=np.zeros((4, 3)), instance=names)
    np.testing.assert_array_equal(read(tmp_path).instance[:, 0], [0, 1, -1, 0])
    large = np.array([2**40, 5, -1, 2**40])
    np.savez(tmp_path / "a.npz", xyz=np.zeros((4, 3)), instance=large)
    np.testing.assert_array_equal(read(tmp_path).instance[:, 0], [0, 1, -1, 0])


def test_instances_that_count_inside_each_class(tmp_path: Path) -> None:
    sem, ins = np.array([0, 0, 1, 1, 2]), np.array([1, 2, 1, 1, -1])
    np.savez(tmp_path / "a.npz", xyz=np.zeros((5, 3)), sem=sem, ins=ins)
    scene = read(tmp_path)
    np.testing.assert_array_equal(scene.instance[:, 0], ins)
    assert [(d.rule, d.found) for d in scene.defects] == [
        ("shared instance", "1 instance ids with points of several classes")
    ]
    with pytest.raises(SourceError, match="set the reader option instance_per_class"):
        read(tmp_path, "fail")
    scene = read(tmp_path, "fail", instance_per_class=True)
    np.testing.assert_array_equal(scene.instance[:, 0], [0, 1, 2, 2, -1])


def test_listing(tmp_path: Path) -> None:
    for name in ("b.ply", "north/2.ply", "north/10.npy", "north/.hidden.ply", ".git/c.ply", "r.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"12345")
    sources = list_scenes(tmp_path, labels=LABELS, options={})
    assert [(s.name, s.group) for s in sources] == [
        ("b", "all"), ("north/10", "north"), ("north/2", "north"),
    ]  # fmt: skip
    assert sources[1].files == ("north/10.npy",)
    assert sources[1].n_bytes == 5
    (source,) = list_scenes(tmp_path, labels=LABELS, options={"formats": ["npy"]})
    assert source.name == "north/10"


def test_listing_faults(tmp_path: Path) -> None:
    def fault(**options: object) -> str:
        with pytest.raises(SourceError) as caught:
            list_scenes(tmp_path / "raw", labels=LABELS, options=options)
        return str(caught.value)

    assert "found no folder" in fault()
    (tmp_path / "raw").mkdir()
    assert "found no cloud, wanted .ply .npy .npz .txt .csv .xyz .pts files" in fault()
    (tmp_path / "raw/a.ply").touch()
    (tmp_path / "raw/a.txt").touch()
    assert fault().startswith("a: a.txt: found a second file for this scene besides a.ply")
    (tmp_path / "raw/a.las").touch()
    assert fault().startswith("a.las: found format .las, wanted .ply .npy")
    (tmp_path / "out.ply").touch()
    (tmp_path / "raw/link.ply").symlink_to(tmp_path / "out.ply")
    assert "put the file itself there instead of a link" in fault(formats=["ply"])


def test_option_faults_come_together(tmp_path: Path) -> None:
    options = {
        "colums": {}, "columns": {"w": "x", "x": 1.5}, "formats": ["las"], "unlabelled": 255,
        "unknown_class": ["d"], "instance_per_class": 1,
    }  # fmt: skip
    with pytest.raises(OptionError) as caught:
        list_scenes(tmp_path, labels=LABELS, options=options)
    for part in (
        "unknown option 'colums'", "unknown role 'w'", "x 1.5 must be the name or the index",
        "formats ['las'] must be of .ply", "unlabelled 255 must be a list",
        "unknown_class ['d'] must be one of a, b, c", "instance_per_class 1 must be true or false",
    ):  # fmt: skip
        assert part in str(caught.value)


def npy(**columns: object) -> object:
    return lambda path: np.save(path, table(**columns))


def npz(**arrays: object) -> object:
    return lambda path: np.savez(path, **arrays)


def text(content: bytes | str) -> object:
    return lambda path: path.write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )


def cut(path: Path) -> None:
    write_ply(path, table(**XYZ, **RGB))
    path.write_bytes(path.read_bytes()[:-9])


def pickled(path: Path) -> None:
    np.save(path, np.array([{"x": 1}], dtype=object), allow_pickle=True)


HEAD = "ply\nformat ascii 1.0\nelement "
BAD = {
    "cut.ply": (cut, "row 1: early end-of-file, wanted a complete PLY file"),
    "empty.ply": (text(""), "wanted a complete PLY file"),
    "word.ply": (text(f"{HEAD}vertex 1\nproperty float x\nend_header\nabc\n"), "malformed input"),
    "huge.ply": (text(f"{HEAD}vertex {10**14}\nproperty float x\nend_header\n1\n"), "wanted a c"),
    "face.ply": (text(f"{HEAD}face 0\nproperty float x\nend_header\n"), "no element vertex"),
    "lists.ply": (
        text(f"{HEAD}vertex 1\nproperty list uchar int x\nend_header\n1 5\n"),
        "found columns none, wanted columns x y z",
    ),
    "overflow.ply": (
        text(f"{HEAD}vertex 1\nproperty uchar x\nend_header\n256\n"), "wanted a complete PLY file"
    ),
    "type.ply": (text(f"{HEAD}vertex 1\nproperty {'f' * 9000} x\nend_header\n"), "wanted a c"),
    "none.ply": (
        text(f"{HEAD}vertex 0\nproperty float x\nproperty float y\nproperty float z\nend_header\n"),
        "found no finite point in 0 rows",
    ),
    "pickle.npy": (pickled, "without pickles; save it again"),
    "text.npy": (text("1 2 3\n"), "wanted a structured array, an (n, k) array, or an NPZ"),
    "cube.npy": (lambda path: np.save(path, np.zeros((2, 2, 2))), "found an array of shape (2, 2"),
    "flat.npy": (lambda path: np.save(path, np.zeros((2, 7))), "wanted columns x y z (no x y z)"),
    "vector.npy": (lambda path: np.save(path, np.zeros(2, "3f4,i4")), "not one value each"),
    "no_z.npy": (npy(x=("f4", [0]), y=("f4", [0])), "columns x, y, wanted columns x y z (no z)"),
    "no_blue.npy": (
        npy(**XYZ, r=("u1", [0, 0]), g=("u1", [0, 0])),
        "wanted columns red green blue (no blue); name it with the reader option columns: {blue:",
    ),
    "two.npy": (
        npy(**XYZ, sem=("u1", [0, 0]), label=("u1", [0, 0])),
        "columns sem and label, both fit for semantic, wanted one; choose with the reader option",
    ),
    "bright.npy": (
        npy(**XYZ, **{**RGB, "red": ("u2", [0, 65535])}),
        "found colour 65535 4 255 in row 1, wanted 0..255",
    ),
    "complex.npy": (npy(**{**XYZ, "x": ("c8", [1j, 0])}), "'1j' in column 'x' in row 0, wanted a"),
    "broken.npz": (text(b"PK\x03\x04 no zip"), "wanted a structured array"),
    "lengths.npz": (
        npz(xyz=np.zeros((3, 3)), sem=np.zeros(2)), "found 2 values of sem for 3 points"
    ),
    "nothing.npz": (npz(), "found columns none"),
    "grid.npz": (npz(xyz=np.zeros((2, 3)), label=np.zeros((2, 2))), "found label of shape (2, 2)"),
    "rgba.npz": (npz(xyz=np.zeros((2, 3)), rgb=np.zeros((2, 4))), "found rgb of shape (2, 4)"),
    "pickle.npz": (npz(xyz=np.zeros((1, 3)), sem=np.array([{}])), "without pickles"),
    "empty.txt": (text(""), "found no rows"),
    "head.csv": (text("x,y,z\n"), "found no rows"),
    "long.csv": (text("x,y,z\n1,2,3\n1,2,3,4\n"), "long.csv:3: found 4 columns, not 3"),
    "short.csv": (text("x,y,z,label\n1,2,3,\n1,2,3\n"), "short.csv:3: found 3 columns, not 4"),
    "cut.txt": (text("x y z label\n1 2 3 0\n\n1 2"), "cut.txt:4: found 2 columns, not 4, wanted a"),
    "digits.csv": (text(f"x,y,z,label\n1,2,3,{'9' * 5000}\n"), "digits.csv:2: found class '9999"),
    "python.csv": (text("x,y,z\n1,2,3\n1_0,2,3\n"), "python.csv:3: found '1_0' in column 'x'"),
    "names.csv": (text("x,y,z,r\n1,2,3\n"), "names.csv:1: found 4 names for 3 columns"),
    "twice.csv": (text("x,y,z,x\n1,2,3,4\n"), "found a name twice in x y z x"),
    "word.csv": (text("x,y,z\n1,2,3\n\n1,?,3\n"), "word.csv:4: found '?' in column 'y'"),
    "seven.txt": (text("1 2 3 4 5 6 7\n"), "found columns 0, 1, 2, 3, 4, 5, 6, wanted columns x"),
    "bytes.csv": (text(b"x,y,z\n1,2,3\n\xff\xfe,1,2\n"), "wanted"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_files_give_one_line(tmp_path: Path, name: str) -> None:
    write, message = BAD[name]
    path = tmp_path / name
    write(path)
    with pytest.raises(SourceError) as caught:
        read(tmp_path)
    assert message in str(caught.value)
    assert re.match(rf"{path.stem}: {re.escape(name)}(:\d+)?: found ", str(caught.value))
    assert "\n" not in str(caught.value)


def test_an_archive_that_unpacks_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(tmp_path / "a.npz", xyz=np.zeros((20_000, 3)))
    assert read(tmp_path).n_points == 20_000
    monkeypatch.setattr("prep.readers.tables._MOST_UNPACKED", 1 << 16)
    with pytest.raises(SourceError, match=r"a: a.npz: found \d+ bytes that unpack to 480\d\d\d"):
        read(tmp_path)


def test_an_empty_last_cell_is_no_short_row(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x;y;z;label\n1;2;3;\n4;5;6;b\n")
    np.testing.assert_array_equal(read(tmp_path, "fail").semantic[:, 0], [-1, 1])
    (tmp_path / "a.csv").write_text("x y z label\n1 2 3 nan\n4 5 6 1\n")
    np.testing.assert_array_equal(read(tmp_path, "fail").semantic[:, 0], [-1, 1])


@pytest.mark.parametrize("text", [True, False])
def test_a_comment_that_is_not_ascii(tmp_path: Path, text: bool) -> None:
    path = tmp_path / "a.ply"
    write_ply(path, table(**XYZ, **RGB, label=("i4", [2, -1])), text=text)
    head, _, rows = path.read_bytes().partition(b"element vertex")
    path.write_bytes(head + "comment Büro\n".encode() + b"element vertex" + rows)
    scene = read(tmp_path, "fail")
    np.testing.assert_array_equal(scene.xyz, [[FAR, 0, 0], [1, 2, 3]])
    np.testing.assert_array_equal(scene.semantic, [[2], [-1]])


def test_read_cloud_of_an_unknown_format_or_no_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"found format \.las, wanted \.ply"):
        read_cloud(tmp_path / "a.las")
    for name in ("a.ply", "a.npy", "a.csv"):
        with pytest.raises(SourceError, match="No such file or directory"):
            read_cloud(tmp_path / name)


def test_missing_column_lists_what_there_is(tmp_path: Path) -> None:
    write_ply(tmp_path / "a.ply", table(**XYZ))
    with pytest.raises(SourceError, match="found columns x, y, z, wanted a column 'E' for x; name"):
        read_cloud(tmp_path / "a.ply", columns={"x": "E"})


def test_meshes_of_polygons_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_text(
        f"{HEAD}vertex 2\nproperty double x\nproperty double y\nproperty double z\n"
        "element face 2\nproperty list uchar int vertex_indices\nend_header\n"
        "1 2 3\n4 5 6\n4 0 1 0 1\n3 0 1 0\n"
    )
    np.testing.assert_array_equal(read_cloud(tmp_path / "a.ply").xyz, [[1, 2, 3], [4, 5, 6]])
