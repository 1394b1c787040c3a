from __future__ import annotations

import numpy as np
import pytest

from prep.kernels.neighbours import ball_query, farthest_points, k_nearest, three_nearest
from tests import reference_neighbours as slow


def _cloud(kind: str, n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    xyz = rng.random((n, 3)).astype(np.float32)
    if kind == "lattice":  # many exact ties
        xyz = np.floor(xyz * 4).astype(np.float32) / np.float32(4)
    if kind == "duplicates":
        xyz = xyz[rng.integers(0, max(n // 3, 1), n)]
    return xyz


KINDS = ("random", "lattice", "duplicates")
# around the chunk of 64 points that the kernels work in
SIZES = (1, 2, 63, 64, 65, 200)

LINE = np.array([[0, 0, 0], [3, 0, 0], [1, 0, 0], [4, 0, 0], [1, 0, 0]], np.float32)


class TestByHand:
    def test_farthest_points_of_a_line(self):
        # farthest from 0 is x=4 (3); then 1 and 3 both lie 1 away: the lower index, 1, wins
        np.testing.assert_array_equal(farthest_points(LINE, 4), [0, 3, 1, 2])

    def test_farthest_points_start_again_at_zero_when_all_positions_are_taken(self):
        np.testing.assert_array_equal(farthest_points(LINE, 7), [0, 3, 1, 2, 0, 0, 0])

    def test_ball_is_open_and_keeps_storage_order(self):
        index, count = ball_query(LINE, LINE[[2]], 2.0, 4)
        # x=3 lies at exactly 2: outside; the unused slot repeats the first hit
        np.testing.assert_array_equal(index, [[0, 2, 4, 0]])
        np.testing.assert_array_equal(count, [3])

    def test_ball_keeps_the_first_hits_only(self):
        index, count = ball_query(LINE, LINE[[4]], 2.5, 2)
        np.testing.assert_array_equal(index, [[0, 1]])
        np.testing.assert_array_equal(count, [2])

    def test_ball_without_points(self):
        index, count = ball_query(LINE, np.array([[9, 9, 9]], np.float32), 1.0, 3)
        np.testing.assert_array_equal(index, [[0, 0, 0]])
        np.testing.assert_array_equal(count, [0])

    def test_radius_below_the_smallest_distance_is_empty(self):
        _, count = ball_query(LINE, LINE, 1e-21, 3)
        np.testing.assert_array_equal(count, 0)

    def test_nearest_ties_go_to_the_lower_index(self):
        index, squared = k_nearest(LINE, np.array([[2, 0, 0]], np.float32), 4)
        np.testing.assert_array_equal(index, [[1, 2, 4, 0]])
        np.testing.assert_array_equal(squared, [[1, 1, 1, 4]])

    def test_weights_fall_with_the_squared_distance(self):
        source = np.array([[0, 0, 0], [3, 0, 0], [0, 9, 0]], np.float32)
        index, weight = three_nearest(source, np.array([[1, 0, 0]], np.float32))
        np.testing.assert_array_equal(index, [[0, 1, 2]])
        total = 1 / 1 + 1 / 4 + 1 / 82
        np.testing.assert_allclose(weight, [[1 / total, 0.25 / total, 1 / 82 / total]], rtol=1e-6)

    def test_a_point_of_the_source_takes_all_the_weight(self):
        _, weight = three_nearest(LINE[:3], LINE[[1]])
        np.testing.assert_allclose(weight, [[1, 0, 0]], atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", SIZES)
class TestEqualsTwin:
    def test_farthest_points(self, kind, n):
        xyz = _cloud(kind, n, n)
        k = max(1, n // 2)
        np.testing.assert_array_equal(farthest_points(xyz, k), slow.farthest_points(xyz, k))

    @pytest.mark.parametrize("radius", [0.1, 0.25, 3.0])
    def test_ball_query(self, kind, n, radius):
        xyz = _cloud(kind, n, n + 1)
        centres = xyz[:: max(1, n // 20)]
        found, wanted = (f(xyz, centres, radius, 8) for f in (ball_query, slow.ball_query))
        np.testing.assert_array_equal(found[0], wanted[0])
        np.testing.assert_array_equal(found[1], wanted[1])

    @pytest.mark.parametrize("k", [1, 3, 16])
    def test_k_nearest(self, kind, n, k):
        xyz = _cloud(kind, n, n + 2)
        query = np.concatenate([xyz[:10], _cloud("random", 10, 5)])
        found, wanted = (f(xyz, query, k) for f in (k_nearest, slow.k_nearest))
        np.testing.assert_array_equal(found[0], wanted[0])
        np.testing.assert_array_equal(found[1], wanted[1])

    def test_three_nearest(self, kind, n):
        xyz = _cloud(kind, n, n + 3)
        query = np.concatenate([xyz[:10], _cloud("random", 10, 6)])
        found, wanted = (f(xyz, query) for f in (three_nearest, slow.three_nearest))
        np.testing.assert_array_equal(found[0], wanted[0])
        np.testing.assert_allclose(found[1], wanted[1], rtol=1e-6)


class TestInvariance:
    def test_farthest_points_do_not_depend_on_the_order_of_the_others(self):
        xyz = _cloud("random", 100, 0)
        shuffle = np.concatenate([[0], 1 + np.random.default_rng(1).permutation(99)])
        np.testing.assert_array_equal(
            xyz[farthest_points(xyz, 20)], xyz[shuffle][farthest_points(xyz[shuffle], 20)]
        )

    def test_translation_by_an_exact_step(self):
        xyz = _cloud("lattice", 100, 0)
        moved = xyz + np.float32(8)
        np.testing.assert_array_equal(farthest_points(xyz, 20), farthest_points(moved, 20))
        for one, other in zip(
            ball_query(xyz, xyz, 0.3, 8) + k_nearest(xyz, xyz, 8),
            ball_query(moved, moved, 0.3, 8) + k_nearest(moved, moved, 8),
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)

    def test_every_centre_lies_in_its_own_ball(self):
        xyz = _cloud("random", 300, 2)
        index, count = ball_query(xyz, xyz, 0.1, 300)
        assert all(i in index[i] for i in range(300))
        assert (count >= 1).all()

    def test_all_points_equal(self):
        xyz = np.ones((70, 3), np.float32)
        np.testing.assert_array_equal(farthest_points(xyz, 5), 0)
        np.testing.assert_array_equal(k_nearest(xyz, xyz, 3)[0], np.tile([0, 1, 2], (70, 1)))
        np.testing.assert_allclose(three_nearest(xyz, xyz)[1], 1 / 3, rtol=1e-6)

    def test_one_coarse_point_takes_all_the_weight(self):
        index, weight = three_nearest(LINE[:1], LINE)
        np.testing.assert_array_equal(index, 0)
        np.testing.assert_array_equal(weight, np.tile([1, 0, 0], (5, 1)))


class TestEmpty:
    none = np.zeros((0, 3), np.float32)

    def test_no_queries(self):
        assert ball_query(LINE, self.none, 1.0, 4)[0].shape == (0, 4)
        assert k_nearest(LINE, self.none, 2)[0].shape == (0, 2)
        assert farthest_points(self.none, 0).shape == (0,)

    def test_no_points_to_choose_from(self):
        with pytest.raises(ValueError, match="no points"):
            farthest_points(self.none, 1)
        with pytest.raises(ValueError, match="no points"):
            k_nearest(self.none, LINE, 1)

    def test_balls_in_an_empty_source_are_empty(self):
        index, count = ball_query(self.none, LINE, 1.0, 2)
        np.testing.assert_array_equal(index, 0)
        np.testing.assert_array_equal(count, 0)
