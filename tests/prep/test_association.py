from __future__ import annotations

import numpy as np

from prep.association import association_maps
from prep.kernels.msa import neighbour_sums


def test_two_classes_by_hand():
    sums = np.array([[[1.5, 0.5], [0.25, 0.75]]])
    maps = association_maps(sums, np.array([2, 1]))
    np.testing.assert_array_equal(maps, [[[0.75, 0.25], [0.25, 0.75]]])


def test_absent_class_is_a_row_of_zeros():
    maps = association_maps(np.array([[[2.0, 0.0], [0.0, 0.0]]]), np.array([2, 0]))
    np.testing.assert_array_equal(maps, [[[1, 0], [0, 0]]])


def test_rows_add_up_to_one_and_scenes_add_up():
    rng = np.random.default_rng(1)
    radii = np.array([0.2, 0.5])
    scenes = [
        neighbour_sums(
            rng.random((n, 3)).astype(np.float32),
            rng.integers(-1, 4, n).astype(np.int16),
            4,
            radii,
        )
        for n in (80, 130)
    ]
    sums = scenes[0][0] + scenes[1][0]
    counts = scenes[0][1] + scenes[1][1]
    maps = association_maps(sums, counts)
    np.testing.assert_allclose(maps.sum(axis=2), 1, rtol=1e-12)
    # the mean of the scenes' maps, weighted by points of the class
    weight = np.stack([n for _, n in scenes]).astype(float)[:, None, :, None]
    separate = np.stack([association_maps(s, n) for s, n in scenes])
    np.testing.assert_allclose(maps, (separate * weight).sum(0) / weight.sum(0), rtol=1e-12)


def test_no_radius():
    assert association_maps(np.zeros((0, 3, 3)), np.ones(3, np.int64)).shape == (0, 3, 3)
