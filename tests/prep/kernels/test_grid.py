from __future__ import annotations

import numpy as np
import pytest

from prep.errors import OptionError
from prep.kernels.grid import index_cells, sort_by_cell
from tests import reference as slow

HAND = np.array([[0.6, 0.1], [0.0, 0.6], [0.5, 0.0], [0.4, 0.9], [0.1, 0.2], [0.0, 0.5]])


def test_sorts_by_x_cell_then_y_cell_and_keeps_the_order_inside():
    # cells of 0.5 m: (1,0) (0,1) (1,0) (0,1) (0,0) (0,1)
    np.testing.assert_array_equal(sort_by_cell(HAND, 0.5), [4, 1, 3, 5, 0, 2])


def test_cells_hold_their_rows_and_bounds():
    cells = index_cells(HAND[sort_by_cell(HAND, 0.5)], 0.5)
    assert (cells.n_x, cells.n_y) == (2, 2)
    np.testing.assert_array_equal(cells.first, [0, 1, 4, 6, 6])
    np.testing.assert_array_equal(cells.low[:3], [[0.1, 0.2], [0.0, 0.5], [0.5, 0.0]])
    np.testing.assert_array_equal(cells.high[:3], [[0.1, 0.2], [0.4, 0.9], [0.6, 0.1]])
    assert np.isinf(cells.low[3]).all() and np.isinf(cells.high[3]).all()


@pytest.mark.parametrize("cell_m", [0.1, 0.5, 3.0])
@pytest.mark.parametrize("step", [0.0, 0.1])
def test_equals_python_sorting(cell_m, step):
    xy = np.random.default_rng(1).random((400, 2)) * [2.0, 1.0]
    if step:  # points exactly on the edges of cells
        xy = np.round(xy / step) * step
    np.testing.assert_array_equal(sort_by_cell(xy, cell_m), slow.cell_order(xy, cell_m))


def test_a_third_column_is_ignored():
    xyz = np.random.default_rng(2).random((50, 3)) * 3
    order = sort_by_cell(xyz, 0.5)
    np.testing.assert_array_equal(order, sort_by_cell(xyz[:, :2].copy(), 0.5))
    cells = index_cells(xyz[order], 0.5)
    assert cells.first[-1] == 50


def test_sorting_twice_changes_nothing():
    xy = np.random.default_rng(3).random((200, 2)) * 4
    sorted_xy = xy[sort_by_cell(xy, 0.5)]
    np.testing.assert_array_equal(sort_by_cell(sorted_xy, 0.5), np.arange(200))


def test_duplicates_keep_their_order():
    np.testing.assert_array_equal(sort_by_cell(np.full((5, 2), 0.7), 0.5), np.arange(5))


@pytest.mark.parametrize("n", [0, 1])
def test_no_point_and_one_point(n):
    xy = np.zeros((n, 2))
    np.testing.assert_array_equal(sort_by_cell(xy, 0.5), np.arange(n))
    np.testing.assert_array_equal(index_cells(xy, 0.5).first, [0, n])


@pytest.mark.parametrize("bad", [-0.1, np.nan, np.inf])
def test_refuses_what_is_negative_or_not_finite(bad):
    with pytest.raises(ValueError, match="negative coordinate or one that is not finite"):
        sort_by_cell(np.array([[0.0, 0.0], [1.0, bad]]), 0.5)


def test_refuses_points_out_of_order():
    with pytest.raises(ValueError, match="not in the order"):
        index_cells(np.array([[1.0, 0.0], [0.0, 0.0]]), 0.5)
    with pytest.raises(ValueError, match="not in the order"):  # back to a cell that was left
        index_cells(np.array([[0.0, 0.0], [0.0, 0.9], [0.0, 0.1]]), 0.5)


def test_one_stray_point_is_told_before_memory_is_gone():
    with pytest.raises(OptionError, match=r"cells of 0\.5 m.*stray points"):
        sort_by_cell(np.array([[0.0, 0.0], [1e5, 1e5]]), 0.5)
