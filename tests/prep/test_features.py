from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numba import config

from prep.features import block_features
from tests import reference as slow

GOLDEN = Path(__file__).parents[1] / "golden" / "blocks_asis.npz"


def _room(n=300, seed=1):
    rng = np.random.default_rng(seed)
    coord = (rng.random((n, 3)) * [3, 4, 2]).astype(np.float32)
    color = rng.integers(0, 256, (n, 3), dtype=np.uint8)
    sample = rng.integers(0, n, (5, 32)).astype(np.uint32)
    return coord, color, sample, coord.max(axis=0).astype(np.float64)


def test_two_points_by_hand():
    coord = np.array([[2, 1, 0.5], [3, 1.5, 1], [0, 0, 0]], np.float32)
    color = np.array([[0, 51, 255], [255, 0, 0], [1, 1, 1]], np.uint8)
    sample = np.array([[0, 1]], np.uint32)
    features = block_features(coord, color, sample, np.array([4.0, 2.0, 2.0]))
    # smallest sampled x, y are 2, 1: not those of the grid's corner nor of the third point
    expected = [
        [-0.5, -0.5, 0.5, 0.0, 0.2, 1.0, 0.5, 0.5, 0.25],
        [0.5, 0.0, 1.0, 1.0, 0.0, 0.0, 0.75, 0.75, 0.5],
    ]
    np.testing.assert_array_equal(features, np.array([expected], np.float32))


@pytest.mark.parametrize("block_m", [1.0, 1.5])
@pytest.mark.parametrize("painted", [True, False])
def test_equals_the_twin(block_m, painted):
    coord, color, sample, room_max = _room()
    color = color if painted else None
    features = block_features(coord, color, sample, room_max, block_m=block_m)
    assert features.dtype == np.float32
    expected = slow.nine_features(coord, color, sample, room_max, block_m)
    np.testing.assert_array_equal(features, expected)


def test_features_of_the_official_program():
    golden = np.load(GOLDEN)
    blocks = golden["feature_block"][: 1 if config.DISABLE_JIT else None]
    features = block_features(
        golden["xyz"].astype(np.float32),
        golden["rgb"],
        golden["sample"][blocks].astype(np.uint32),
        golden["xyz"].max(axis=0),
    )
    expected = golden["feature"][: len(blocks)]
    # coordinates are rounded to float32 once when stored and once at the end
    spacing = np.spacing(np.float32(golden["xyz"].max()))
    np.testing.assert_allclose(features, expected, rtol=2**-23, atol=spacing)


def test_many_rooms_in_one_array():
    rooms = [_room(seed=1), _room(200, seed=2)]
    flat = np.concatenate([room[0] for room in rooms])
    color = np.concatenate([room[1] for room in rooms])
    sample = np.stack([rooms[0][2][0], rooms[1][2][1], rooms[0][2][3]])
    first = np.array([0, 300, 0])
    room_max = np.stack([rooms[0][3], rooms[1][3], rooms[0][3]])
    together = block_features(flat, color, sample, room_max, first=first)
    for row, (room, block) in enumerate([(0, 0), (1, 1), (0, 3)]):
        coord, paint, its_sample, its_max = rooms[room]
        alone = block_features(coord, paint, its_sample[[block]], its_max)
        np.testing.assert_array_equal(together[row], alone[0])


def test_writes_where_it_is_told():
    coord, color, sample, room_max = _room()
    out = np.full((5, 32, 9), np.nan, np.float32)
    assert block_features(coord, color, sample, room_max, out) is out
    np.testing.assert_array_equal(out, block_features(coord, color, sample, room_max))


def test_order_of_a_sample_only_orders_the_rows():
    coord, color, sample, room_max = _room()
    forward = block_features(coord, color, sample, room_max)
    backward = block_features(coord, color, sample[:, ::-1].copy(), room_max)
    np.testing.assert_array_equal(forward, backward[:, ::-1])


def test_a_flat_room_has_no_height_to_divide_by():
    coord, color, sample, room_max = _room()
    coord[:, 2], room_max[2] = 0.0, 0.0
    features = block_features(coord, color, sample, room_max)
    assert not features[:, :, [2, 8]].any() and np.isfinite(features).all()


def test_one_point_and_no_block():
    coord, color, sample, room_max = _room()
    lonely = block_features(coord[:1], color[:1], np.zeros((1, 3), np.uint32), room_max)
    np.testing.assert_array_equal(lonely[0, :, :2], np.full((3, 2), -0.5))
    assert block_features(coord, color, sample[:0], room_max).shape == (0, 32, 9)
