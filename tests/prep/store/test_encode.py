from __future__ import annotations

import numpy as np
import pytest
import zarr

from prep.store import encode as module
from prep.store.encode import decode_array, encode_arrays
from prep.store.schema import FIXED_AXES, PART_ARRAYS, ArraySpec, array_of

LENGTHS = {"level": 2, "class": 5, "neighbour_class": 5, "radius": 3, "sample": 16, **FIXED_AXES}


def _random(spec, rows, seed=0):
    rng = np.random.default_rng(seed)
    shape = (rows, *(LENGTHS[axis] for axis in spec.axes[1:]))
    if np.dtype(spec.dtype).kind == "f":
        return rng.normal(size=shape).astype(spec.dtype)
    return rng.integers(0, 100, shape).astype(spec.dtype)


def _written(folder, objects):
    for key, data in objects.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@pytest.mark.parametrize("rows", [0, 1, 2, 1000])
def test_every_array_comes_back(rows, tmp_path):
    arrays = {spec.name: _random(spec, rows) for spec in PART_ARRAYS}
    objects = encode_arrays(arrays, PART_ARRAYS, {"a": 1})
    assert list(objects) == sorted(objects)
    _written(tmp_path, objects)
    group = zarr.open_group(tmp_path, mode="r")
    assert group.attrs["a"] == 1
    for spec in PART_ARRAYS:
        mine = {key: data for key, data in objects.items() if key.startswith(f"{spec.name}/")}
        for found in (decode_array(mine, spec.name), group[spec.name][...]):
            np.testing.assert_array_equal(found, arrays[spec.name])
            assert found.dtype == spec.dtype
        assert group[spec.name].attrs["description"] == spec.about
        assert group[spec.name].metadata.dimension_names == spec.axes


@pytest.mark.parametrize("rows", [250, 256, 257, 1000])
def test_a_long_array_is_one_shard(rows, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "CHUNK_BYTES", 3072)
    spec = PART_ARRAYS[0]
    array = _random(spec, rows)
    objects = encode_arrays({"coord": array}, [spec])
    assert sorted(objects) == ["coord/c/0/0", "coord/zarr.json", "zarr.json"]
    np.testing.assert_array_equal(decode_array(objects, "coord"), array)
    _written(tmp_path, objects)
    opened = zarr.open_array(tmp_path / "coord", mode="r")
    assert (opened.shards is None) == (rows <= 256)
    np.testing.assert_array_equal(opened[100:200], array[100:200])


def test_zeros_are_written_like_anything_else():
    spec = ArraySpec("x", "int32", ("point",), "")
    objects = encode_arrays({"x": np.zeros(10, np.int32)}, [spec])
    assert "x/c/0" in objects


def test_the_same_array_gives_the_same_bytes(monkeypatch):
    monkeypatch.setattr(module, "CHUNK_BYTES", 1 << 12)
    spec = PART_ARRAYS[0]
    array = _random(spec, 20_000)
    first = encode_arrays({"coord": array}, [spec])
    assert all(
        encode_arrays({"coord": order(array)}, [spec]) == first
        for order in (np.ascontiguousarray, np.asfortranarray, np.copy)
    )


def test_a_wrong_number_of_axes_is_a_mistake():
    with pytest.raises(ValueError, match="coord of shape"):
        encode_arrays({"coord": np.zeros(3)}, PART_ARRAYS)


def test_objects_belong_to_arrays():
    names = ["coord", "blocks/scene", "blocks/scene_2"]
    assert array_of("coord/c/0/0", names) == "coord"
    assert array_of("blocks/scene_2/zarr.json", names) == "blocks/scene_2"
    assert array_of("blocks/zarr.json", names) == "blocks/zarr.json"


def test_zarr_keeps_the_threads_of_blosc_off():
    import numcodecs.blosc

    encode_arrays({"coord": np.zeros((5, 3))}, PART_ARRAYS)
    assert numcodecs.blosc.use_threads is False
