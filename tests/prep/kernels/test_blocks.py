from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numba import config

from prep.errors import OptionError
from prep.kernels.blocks import block_corners, cut_blocks
from prep.kernels.grid import index_cells, sort_by_cell
from tests import reference as slow

GOLDEN = Path(__file__).parents[2] / "golden" / "blocks_asis.npz"


def _cut(xyz, block_m=1.0, stride_m=0.5, min_points=1, cell_m=None):
    """Blocks as lists of rows of the input, by corner."""
    order = sort_by_cell(xyz, cell_m or stride_m)
    extent = xyz.max(axis=0)
    corners = block_corners(extent[0], extent[1], block_m, stride_m)
    cells = index_cells(xyz[order], cell_m or stride_m)
    kept, start, member = cut_blocks(xyz[order], cells, corners, block_m, min_points)
    lists = [order[member[start[b] : start[b + 1]]] for b in range(kept.size)]
    return corners, kept, lists


def test_three_points_by_hand():
    # the point at exactly 1 m lies in both blocks: both ends are inclusive
    xyz = np.array([[0.0, 0.0, 0.0], [1.0, 0.2, 0.0], [1.5, 0.4, 2.0]])
    corners, kept, lists = _cut(xyz)
    np.testing.assert_array_equal(corners, [[0.0, 0.0], [0.5, 0.0]])
    np.testing.assert_array_equal(kept, [0, 1])
    assert [sorted(rows) for rows in lists] == [[0, 1], [1, 2]]


def test_corners_wind_like_a_serpent():
    corners = block_corners(1.6, 2.0, 1.0, 0.5)
    expected = [[0, 0], [0, 0.5], [0, 1], [0.5, 1], [0.5, 0.5], [0.5, 0], [1, 0], [1, 0.5], [1, 1]]
    np.testing.assert_array_equal(corners, expected)


@pytest.mark.parametrize("extent", [(0.0, 0.0), (0.3, 0.9), (0.99, 5.2), (7.0, 6.5), (3.3, 1.0)])
@pytest.mark.parametrize(("block_m", "stride_m"), [(1.0, 0.5), (1.0, 1.0), (1.5, 0.4)])
def test_corners_equal_the_reference(extent, block_m, stride_m):
    np.testing.assert_array_equal(
        block_corners(*extent, block_m, stride_m),
        slow.corners_serpentine(*extent, block_m, stride_m),
    )


def test_room_narrower_than_a_block_has_one_block():
    # regression: the reference has no block at all for rooms below 0.5 m, and crashes
    assert block_corners(0.2, 0.1, 1.0, 0.5).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize(
    ("block_m", "stride_m", "cell_m"),
    [(1.0, 0.5, 0.5), (1.0, 1.0, 1.0), (1.0, 0.3, 0.3), (0.7, 0.7, 0.25), (1.5, 0.4, 2.0)],
)
@pytest.mark.parametrize("lattice", [False, True])
def test_equals_one_mask_per_block(block_m, stride_m, cell_m, lattice):
    xyz = np.random.default_rng(5).random((600, 3)) * [3.3, 2.1, 2.0]
    if lattice:  # a third of the points on the very bounds of blocks and cells
        xyz = np.round(xyz * 10) / 10
    xyz -= xyz.min(axis=0)
    corners, kept, lists = _cut(xyz, block_m, stride_m, cell_m=cell_m)
    expected = [slow.members_by_mask(xyz, corner, block_m) for corner in corners]
    np.testing.assert_array_equal(kept, [k for k, rows in enumerate(expected) if rows.size])
    for k, rows in zip(kept, lists, strict=True):
        np.testing.assert_array_equal(np.sort(rows), expected[k])


def test_blocks_below_the_minimum_are_left_out():
    xyz = np.random.default_rng(6).random((300, 3)) * [2.0, 2.0, 1.0]
    corners, kept, lists = _cut(xyz, min_points=80)
    counts = [slow.members_by_mask(xyz, corner, 1.0).size for corner in corners]
    np.testing.assert_array_equal(kept, [k for k, n in enumerate(counts) if n >= 80])
    assert 0 < kept.size < len(corners)
    assert [len(rows) for rows in lists] == [n for n in counts if n >= 80]


def test_members_ascend():
    xyz = np.random.default_rng(7).random((300, 3)) * [2.0, 2.0, 1.0]
    xyz = xyz[sort_by_cell(xyz, 0.5)]
    corners = block_corners(2.0, 2.0, 1.0, 0.5)
    _, start, member = cut_blocks(xyz, index_cells(xyz, 0.5), corners, 1.0, 1)
    assert member.size == start[-1]
    for b in range(start.size - 1):
        assert (np.diff(member[start[b] : start[b + 1]]) > 0).all()


def test_order_of_the_points_does_not_matter():
    rng = np.random.default_rng(8)
    xyz = rng.random((200, 3)) * 2
    shuffle = rng.permutation(200)
    _, _, straight = _cut(xyz)
    _, _, shuffled = _cut(xyz[shuffle])
    for a, b in zip(straight, shuffled, strict=True):
        np.testing.assert_array_equal(np.sort(a), np.sort(shuffle[b]))


def test_no_point_and_one_point():
    none = np.zeros((0, 3))
    kept, start, member = cut_blocks(
        none, index_cells(none, 0.5), block_corners(0.0, 0.0, 1.0, 0.5), 1.0, 1
    )
    assert (kept.size, member.size) == (0, 0)
    np.testing.assert_array_equal(start, [0])
    _, kept, lists = _cut(np.zeros((1, 3)))
    np.testing.assert_array_equal(kept, [0])
    np.testing.assert_array_equal(lists[0], [0])


def test_corners_outside_the_points_are_empty():
    xyz = np.zeros((3, 3))
    corners = np.array([[5.0, 5.0], [0.0, 0.0], [-3.0, 0.0]])
    kept, start, _ = cut_blocks(xyz, index_cells(xyz, 0.5), corners, 1.0, 1)
    np.testing.assert_array_equal(kept, [1])
    np.testing.assert_array_equal(start, [0, 3])


def test_too_many_blocks_are_told():
    with pytest.raises(OptionError, match=r"blocks at a stride of 0\.5 m"):
        block_corners(6000.0, 6000.0, 1.0, 0.5)


def test_blocks_of_the_official_program():
    golden = np.load(GOLDEN)
    xyz, corner, count = golden["xyz"], golden["corner"], golden["count"]
    corners, kept, lists = _cut(xyz)
    np.testing.assert_array_equal(corners, corner)
    np.testing.assert_array_equal([len(rows) for rows in lists], count[kept])
    assert kept.size == 144
    for b in range(0, 144, 36 if config.DISABLE_JIT else 1):
        assert np.isin(golden["sample"][b], lists[b]).all()
