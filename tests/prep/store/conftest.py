from __future__ import annotations

import shutil

import numpy as np
import pytest

from prep.readers import READERS
from prep.store import build as build_module
from prep.store import fetch as fetch_module
from prep.store import finish as finish_module
from prep.store.encode import decode_array, encode_arrays
from tests.prep.store.rooms import ROOMS, build, write_room


@pytest.fixture(autouse=True)
def rooms_reader(monkeypatch):
    """The reader of the tests' rooms."""
    monkeypatch.setitem(READERS, ROOMS.name, ROOMS)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Raw rooms and their finished store, made once: three rooms, two groups, two parts."""
    folder = tmp_path_factory.mktemp("made")
    write_room(folder / "raw", "A/one", seed=1)
    write_room(folder / "raw", "A/two", seed=2, size=(1.2, 2.3, 0.5))
    write_room(folder / "raw", "B/three", seed=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(READERS, ROOMS.name, ROOMS)
        build(folder / "raw", folder / "rooms.zarr", per_part=2)
    return folder


@pytest.fixture
def raw(made, tmp_path):
    """A copy of the raw rooms."""
    return shutil.copytree(made / "raw", tmp_path / "raw")


@pytest.fixture
def store_path(made, tmp_path):
    """A copy of their store."""
    return shutil.copytree(made / "rooms.zarr", tmp_path / "rooms.zarr")


@pytest.fixture
def quick_codec(monkeypatch):
    """Encode and decode equal arrays once, for tests that build the same store very often."""
    encoded, decoded = {}, {}

    def encode(arrays, specs, attributes=None):
        key = tuple((n, a.shape, np.asarray(a).tobytes()) for n, a in sorted(arrays.items()))
        if key not in encoded:
            encoded[key] = encode_arrays(arrays, specs, attributes)
        return encoded[key]

    def decode(objects, name=""):
        key = (name, *sorted(objects.items()))
        if key not in decoded:
            decoded[key] = decode_array(objects, name)
        return decoded[key]

    monkeypatch.setattr(build_module, "encode_arrays", encode)
    monkeypatch.setattr(finish_module, "encode_arrays", lambda *a: dict(encode(*a)))
    monkeypatch.setattr(fetch_module, "decode_array", decode)
