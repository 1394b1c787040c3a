from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from plyfile import PlyData, PlyElement

from prep.errors import OptionError, SourceError
from prep.readers.cloud import read_cloud
from prep.scene import Scene
from prep.writers.ply import write_labelled_ply

SEMANTIC = np.array([2, -1], dtype=np.int16)
INSTANCE = np.array([70000, -1], dtype=np.int32)
CONFIDENCE = np.array([0.25, 1.0], dtype=np.float32)


def mesh(path: Path, *, text: bool = False, byte_order: str = "<", **columns: object) -> None:
    """Write three vertices, the middle one not finite, with a face and a camera."""
    kinds = [("x", "f8"), ("y", "f4"), ("z", "f4"), ("red", "u1"), ("green", "u1"), ("blue", "u1")]
    rows = [(4.5e6 + 0.125, 1, 2, 9, 8, 7), (np.nan, 0, 0, 0, 0, 0), (3, 4, 5, 255, 0, 1)]
    kinds += [(name, np.asarray(values).dtype) for name, values in columns.items()]
    vertex = np.empty(3, dtype=[*kinds, ("ring", "O")])
    for k, (name, _) in enumerate(kinds[:6]):
        vertex[name] = [row[k] for row in rows]
    for name, values in columns.items():
        vertex[name] = values
    vertex["ring"] = [np.array(v, dtype="u2") for v in ([1], [4, 4], [2, 3])]
    face = np.empty(2, dtype=[("vertex_indices", "O"), ("flag", "u1")])
    face["vertex_indices"] = [np.array([0, 1, 2], "i4"), np.array([0, 1, 2, 0], "i4")]
    face["flag"] = [1, 0]
    camera = np.array([(35.0,)], dtype=[("focal", "f8")])
    elements = [
        PlyElement.describe(vertex, "vertex", len_types={"ring": "u1"}, comments=["by hand"]),
        PlyElement.describe(face, "face"),
        PlyElement.describe(camera, "camera"),
    ]
    data = PlyData(elements, text=text, byte_order=byte_order, comments=["made"], obj_info=["o"])
    data.write(path)


def write(out: Path, scene: Scene, source: Path | None, **options: object) -> np.ndarray:
    """Write the labels above and return the vertices that come back."""
    write_labelled_ply(
        out,
        scene=scene,
        semantic=SEMANTIC,
        instance=INSTANCE,
        confidence=CONFIDENCE,
        source=source,
        **options,
    )
    return PlyData.read(str(out))["vertex"].data


@pytest.mark.parametrize(("text", "byte_order"), [(True, "="), (False, "<")])
def test_keeps_the_input_and_its_order(tmp_path: Path, text: bool, byte_order: str) -> None:
    source, out = tmp_path / "in.ply", tmp_path / "out.ply"
    mesh(source, text=text, byte_order=byte_order, quality=np.array([0.5, 1.5, 2.5], "f4"))
    scene = read_cloud(source)
    assert (scene.n_points, scene.n_read) == (2, 3)
    vertex = write(out, scene, source)
    old, new = PlyData.read(str(source)), PlyData.read(str(out))
    np.testing.assert_array_equal(vertex["semantic"], [2, -1, -1])
    np.testing.assert_array_equal(vertex["instance"], [70000, -1, -1])
    np.testing.assert_array_equal(vertex["confidence"], [0.25, 0, 1])
    kinds = [vertex.dtype[name].str[1:] for name in ("semantic", "instance", "confidence")]
    assert kinds == ["i2", "i4", "f4"]
    for name in ("x", "y", "z", "red", "green", "blue", "quality"):
        np.testing.assert_array_equal(vertex[name], old["vertex"].data[name])
        assert vertex[name].dtype == old["vertex"].data[name].dtype
    for mine, theirs in zip(vertex["ring"], old["vertex"].data["ring"], strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for mine, theirs in zip(new["face"].data, old["face"].data, strict=True):
        np.testing.assert_array_equal(mine["vertex_indices"], theirs["vertex_indices"])
        assert mine["flag"] == theirs["flag"]
    assert new["camera"].data["focal"] == [35.0]
    assert (new.text, new.comments, new.obj_info) == (text, ["made"], ["o"])
    assert new["vertex"].comments == ["by hand"]


def test_big_endian_input(tmp_path: Path) -> None:
    source, out = tmp_path / "in.ply", tmp_path / "out.ply"
    vertex = np.array([(1.5, 2, 3), (4, 5, 6)], dtype=[("x", "f4"), ("y", "f4"), ("z", "f8")])
    quads = np.empty(1, dtype=[("vertex_indices", "O"), ("area", "f4")])
    quads["vertex_indices"][0] = np.array([0, 1, 0, 1], "i4")
    quads["area"] = 2.5
    for name in ("triangles", "quads"):
        header = "ply\nformat binary_big_endian 1.0\nelement vertex 2\nproperty float x\n"
        header += "property float y\nproperty double z\nelement face 1\n"
        header += "property list uchar int vertex_indices\nproperty float area\nend_header\n"
        n = 3 if name == "triangles" else 4
        face = bytes([n]) + quads["vertex_indices"][0][:n].astype(">i4").tobytes()
        body = vertex.astype([("x", ">f4"), ("y", ">f4"), ("z", ">f8")]).tobytes()
        source.write_bytes(header.encode() + body + face + np.array(2.5, ">f4").tobytes())
        labelled = write(out, read_cloud(source), source)
        np.testing.assert_array_equal(labelled[["x", "y", "z"]].tolist(), vertex.tolist())
        faces = PlyData.read(str(out))["face"].data
        np.testing.assert_array_equal(faces["vertex_indices"][0], quads["vertex_indices"][0][:n])
        assert faces["area"] == [2.5]


def test_labels_of_the_input_are_kept_under_another_name(tmp_path: Path) -> None:
    source, out, again = (tmp_path / f"{name}.ply" for name in ("in", "out", "again"))
    truth = np.array([5, 6, 7], "u1")
    mesh(source, semantic=truth, confidence=np.array([9, 9, 9], "u1"))
    vertex = write(out, read_cloud(source), source)
    np.testing.assert_array_equal(vertex["input_semantic"], truth)
    np.testing.assert_array_equal(vertex["semantic"], [2, -1, -1])
    assert vertex["input_semantic"].dtype == np.uint8
    vertex = write(again, read_cloud(out), out)
    np.testing.assert_array_equal(vertex["input_semantic"], truth)
    assert len(set(vertex.dtype.names)) == len(vertex.dtype.names)


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
def test_other_sources_get_a_row_for_every_point_too(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"in{suffix}"
    if suffix == ".npz":
        xyz = np.array([[4.5e6 + 0.125, 1, 2], [np.nan, 0, 0], [3, 4, 5]])
        np.savez(source, xyz=xyz, rgb=np.full((3, 3), 7), normals=np.eye(3))
    else:
        source.write_text("x,y,z,r,g,b,nx,ny,nz\n4500000.125,1,2,7,7,7,1,0,0\n,0,0,7,7,7,0,1,0\n"
                          "3,4,5,7,7,7,0,0,1\n")  # fmt: skip
    vertex = write(tmp_path / "out.ply", read_cloud(source), source)
    np.testing.assert_array_equal(vertex["x"], [4500000.125, np.nan, 3])
    np.testing.assert_array_equal(vertex["red"], [7, 0, 7])
    np.testing.assert_array_equal(vertex["nz"], [0, 0, 1])
    np.testing.assert_array_equal(vertex["semantic"], [2, -1, -1])


def test_without_colours_or_source(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(6.0).reshape(2, 3))
    vertex = write(tmp_path / "out.ply", read_cloud(tmp_path / "a.npy"), None)
    assert vertex.dtype.names == ("x", "y", "z", "semantic", "instance", "confidence")
    back = read_cloud(tmp_path / "out.ply")
    np.testing.assert_array_equal(back.semantic[:, 0], SEMANTIC)
    np.testing.assert_array_equal(back.instance[:, 0], INSTANCE)


def test_painted_by_class(tmp_path: Path) -> None:
    source = tmp_path / "in.ply"
    mesh(source)
    colors = np.array([[1, 1, 1], [2, 2, 2], [30, 40, 50]], dtype=np.uint8)
    vertex = write(tmp_path / "out.ply", read_cloud(source), source, label_colors=colors)
    np.testing.assert_array_equal(vertex["red"], [30, 128, 128])
    np.testing.assert_array_equal(vertex["blue"], [50, 128, 128])


def test_never_half_written_nor_over_the_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = tmp_path / "in.ply", tmp_path / "out.ply"
    mesh(source)
    scene, before = read_cloud(source), source.read_bytes()
    (tmp_path / "link.ply").symlink_to(source)
    for target in (source, tmp_path / "link.ply", tmp_path / "x/../in.ply"):
        (tmp_path / "x").mkdir(exist_ok=True)
        with pytest.raises(OptionError, match="is the input itself; give another name"):
            write(target, scene, source)
    assert source.read_bytes() == before

    out.write_bytes(b"old")

    def full(self: PlyData, stream: object) -> None:
        stream.write(b"ply\n")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(PlyData, "write", full)
        with pytest.raises(OptionError, match=r"out.ply: No space left on device; choose another"):
            write(out, scene, source)
    assert out.read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.ply", "link.ply", "out.ply", "x"]
    with pytest.raises(OptionError, match="No such file or directory; choose another place"):
        write(tmp_path / "nowhere/out.ply", scene, source)
    assert len(write(out, scene, source)) == 3


def test_no_place_to_write(tmp_path: Path) -> None:
    source = tmp_path / "in.ply"
    mesh(source)
    for out, reason in ((source / "x.ply", "Not a dir"), (tmp_path / "no/x.ply", "No such file")):
        with pytest.raises(OptionError, match=f"output .*x.ply: {reason}.*choose another place"):
            write(out, read_cloud(source), source)


def test_another_source_than_the_one_that_was_read(tmp_path: Path) -> None:
    source = tmp_path / "in.ply"
    mesh(source)
    scene = read_cloud(source)
    vertex = np.zeros(4, dtype=[("x", "f4"), ("y", "f4"), ("z", "f4")])
    PlyData([PlyElement.describe(vertex, "vertex")]).write(source)
    with pytest.raises(SourceError, match="found 4 vertices, wanted the 3 that were read before"):
        write(tmp_path / "out.ply", scene, source)


def test_lengths_must_agree(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 3)))
    with pytest.raises(ValueError, match=r"semantic has shape \(2,\), not \(3,\)"):
        write(tmp_path / "out.ply", read_cloud(tmp_path / "a.npy"), None)
