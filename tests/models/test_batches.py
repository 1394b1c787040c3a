from __future__ import annotations

import threading
import time

import numpy as np
import pytest
import torch

from models.batches import Batches, assemble, open_geometry, prefetch, take_geometry
from models.data import open_data
from models.geometry import GeometrySpec, LevelSpec, compute_geometry
from prep.errors import OptionError
from prep.store import open_store
from tests.tiny_store import build_tiny_store

SPEC = GeometrySpec((LevelSpec(16, 0.3, 8), LevelSpec(4, 0.6, 8)))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    return open_data(open_store(build_tiny_store(folder)), cache=folder / "cache")


def batches(data, **changes):
    settings = {"batch_size": 2, "seed": 3, **changes}
    return Batches(data, data.blocks_of(np.array([0, 1, 2])), **settings)


def test_an_epoch_shows_every_block_at_most_once(data):
    made = batches(data)
    total = len(data.block_scene)
    order = made.order(0)
    assert len(made) == total // 2
    assert len(order) == made.samples == total // 2 * 2
    assert len(set(order.tolist())) == len(order)


def test_the_order_is_a_function_of_seed_and_epoch(data):
    first, again, other = batches(data), batches(data), batches(data, seed=4)
    np.testing.assert_array_equal(first.order(5), again.order(5))
    assert first.order(5).tolist() != first.order(6).tolist()
    assert first.order(5).tolist() != other.order(5).tolist()


def test_batches_hold_features_labels_and_geometry_of_their_blocks(data):
    geometry = open_geometry(data, SPEC)
    for batch in batches(data, geometry=geometry).epoch(1):
        features = torch.from_numpy(data.features(batch.blocks))
        torch.testing.assert_close(batch.features, features, rtol=0, atol=0)
        semantic, instance = data.labels(batch.blocks)
        assert batch.semantic.tolist() == semantic.tolist()
        assert batch.instance.tolist() == instance.tolist()
        assert batch.scenes == tuple(data.names[s] for s in data.block_scene[batch.blocks])
        wanted = compute_geometry(features[:, :, :3], SPEC)
        for level, other in zip(batch.geometry.levels, wanted.levels, strict=True):
            assert level.centre.tolist() == other.centre.tolist()
            assert level.ball.tolist() == other.ball.tolist()
            assert level.near.tolist() == other.near.tolist()
            torch.testing.assert_close(level.weight, other.weight, rtol=0, atol=0)


def test_skipped_batches_are_the_first_ones(data):
    made = batches(data)
    whole = [b.blocks.tolist() for b in made.epoch(2)]
    assert [b.blocks.tolist() for b in made.epoch(2, skip=2)] == whole[2:]


def test_fewer_blocks_than_a_batch_are_one_smaller_batch(data):
    made = batches(data, batch_size=10_000)
    assert len(made) == 1
    (batch,) = made.epoch(0)
    assert len(batch.blocks) == len(data.block_scene)


def test_a_block_may_stand_twice(data):
    made = Batches(data, np.array([0, 0, 1, 0]), batch_size=4, seed=0)
    (batch,) = made.epoch(0)
    assert sorted(batch.blocks.tolist()) == [0, 0, 0, 1]


def test_no_block_is_refused(data):
    with pytest.raises(OptionError, match="no labelled block"):
        Batches(data, np.empty(0, np.int64), batch_size=1, seed=0)


def test_a_batch_of_no_size_is_refused(data):
    with pytest.raises(OptionError, match="batch size 0"):
        batches(data, batch_size=0)


def test_geometry_is_computed_once_and_kept_by_specification(data, monkeypatch):
    first = open_geometry(data, SPEC)
    monkeypatch.setattr("models.batches.compute_geometry", lambda *_: pytest.fail("again"))
    again = open_geometry(data, SPEC)
    assert {n: a.tolist() for n, a in first.items()} == {n: a.tolist() for n, a in again.items()}
    assert (data.folder / f"geometry-{SPEC.digest}").is_dir()


def test_a_model_without_levels_needs_no_geometry(data):
    assert open_geometry(data, GeometrySpec()) is None
    assert take_geometry(None, np.array([0])).levels == ()
    assert assemble(data, np.array([0]), None).geometry.levels == ()


def test_prefetch_keeps_the_order():
    assert list(prefetch(lambda i: i * i, 50, 3)) == [i * i for i in range(50)]


def test_prefetch_of_nothing_yields_nothing():
    assert list(prefetch(lambda i: i, 0, 3)) == []


def test_an_error_comes_after_the_values_before_it():
    def make(index):
        if index == 3:
            raise OSError("disk")
        return index

    found = []
    with pytest.raises(OSError, match="disk"):
        found.extend(prefetch(make, 10, 2))
    assert found == [0, 1, 2]


def test_an_early_stop_ends_the_thread_and_computes_no_more():
    made = []

    def make(index):
        made.append(index)
        return index

    before = threading.active_count()
    stream = prefetch(make, 10_000, 2)
    assert next(stream) == 0
    stream.close()
    for _ in range(100):
        if threading.active_count() == before:
            break
        time.sleep(0.01)
    assert threading.active_count() == before
    assert len(made) < 10
