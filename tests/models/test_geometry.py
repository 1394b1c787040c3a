from __future__ import annotations

import numpy as np
import pytest
import torch

from models import geometry_torch
from models.geometry import Geometry, GeometrySpec, LevelSpec, compute_geometry
from tests import reference_neighbours as slow

SPEC = GeometrySpec((LevelSpec(16, 0.3, 8), LevelSpec(4, 0.6, 8), LevelSpec(1, 1.2, 8)))


def _blocks(n_blocks: int = 3, n: int = 64, seed: int = 0, kind: str = "random") -> np.ndarray:
    rng = np.random.default_rng(seed)
    xyz = rng.random((n_blocks, n, 3)).astype(np.float32)
    if kind == "lattice":
        xyz = np.floor(xyz * 4).astype(np.float32) / np.float32(4)
    if kind == "duplicates":
        xyz = xyz[:, rng.integers(0, min(n, 5), n)]
    return xyz


def _assert_same(one: Geometry, other: Geometry) -> None:
    assert len(one.levels) == len(other.levels)
    for a, b in zip(one.levels, other.levels, strict=True):
        torch.testing.assert_close(vars(a), vars(b), rtol=0, atol=0)


def test_levels_follow_each_other():
    xyz = _blocks()
    geometry = compute_geometry(xyz, SPEC)
    for b in range(3):
        fine = xyz[b]
        for level, rule in zip(geometry.levels, SPEC.levels, strict=True):
            centre = slow.farthest_points(fine, rule.n_points)
            ball, _ = slow.ball_query(fine, fine[centre], rule.radius_m, rule.n_samples)
            near, weight = slow.three_nearest(fine[centre], fine)
            np.testing.assert_array_equal(level.centre[b], centre)
            np.testing.assert_array_equal(level.ball[b], ball)
            np.testing.assert_array_equal(level.near[b], near)
            np.testing.assert_allclose(level.weight[b], weight, rtol=1e-6)
            fine = fine[centre]


def test_threads_and_batches_do_not_change_the_result():
    xyz = torch.from_numpy(_blocks(5))
    whole = compute_geometry(xyz, SPEC, threads=2)
    _assert_same(whole, compute_geometry(xyz, SPEC, threads=1))
    parts = [compute_geometry(xyz[i : i + 1], SPEC) for i in range(5)]
    _assert_same(whole, Geometry.stack(parts))
    _assert_same(whole[1:3], Geometry.stack(parts[1:3]))
    _assert_same(whole[torch.tensor([4, 0])], Geometry.stack([parts[4], parts[0]]))


def test_arrays_keep_everything_in_few_bytes():
    geometry = compute_geometry(_blocks(), SPEC)
    arrays = geometry.to_arrays()
    layout = SPEC.layout(64)
    assert list(arrays) == list(layout)
    for name, array in arrays.items():
        assert (array.shape[1:], array.dtype) == layout[name]
    assert arrays["level0.ball"].dtype == np.uint16
    _assert_same(geometry, Geometry.from_arrays(arrays))


def test_indices_of_65536_points_fit_and_of_more_are_wider():
    assert SPEC.layout(1 << 16)["level0.ball"][1] == np.uint16
    assert SPEC.layout((1 << 16) + 1)["level0.ball"][1] == np.int32


def test_no_levels():
    geometry = compute_geometry(_blocks(), GeometrySpec())
    assert geometry.levels == ()
    _assert_same(Geometry.from_arrays(geometry.to_arrays()), geometry)
    _assert_same(Geometry.stack([geometry, geometry])[:1].to("cpu"), geometry)


def test_specification_round_trip_and_digest():
    assert GeometrySpec.from_dict(SPEC.to_dict()) == SPEC
    assert hash(GeometrySpec.from_dict(SPEC.to_dict())) == hash(SPEC)
    assert SPEC.digest == GeometrySpec(tuple(SPEC.levels)).digest
    assert SPEC.digest != GeometrySpec(SPEC.levels[:2]).digest
    with pytest.raises(ValueError, match="geometry rules 0"):
        GeometrySpec.from_dict({**SPEC.to_dict(), "rules": 0})


@pytest.mark.parametrize("kind", ["random", "lattice", "duplicates"])
@pytest.mark.parametrize("n", [3, 64, 300])
class TestTorchEqualsKernels:
    """The GPU's operations, run on the CPU."""

    def test_levels(self, kind, n):
        xyz = _blocks(2, n, n, kind)
        wanted = compute_geometry(xyz, SPEC)
        found = list(geometry_torch.levels(torch.from_numpy(xyz), SPEC.levels))
        for level, tensors in zip(wanted.levels, found, strict=True):
            for a, b in zip(vars(level).values(), tensors, strict=True):
                torch.testing.assert_close(a, b, rtol=1e-6, atol=0)

    @pytest.mark.parametrize("k", [1, 5, 70])
    def test_k_nearest(self, kind, n, k):
        xyz = _blocks(1, n, n, kind)
        index, squared = geometry_torch.k_nearest(*[torch.from_numpy(xyz)] * 2, k)
        wanted = slow.k_nearest(xyz[0], xyz[0], k)
        np.testing.assert_array_equal(index[0], wanted[0])
        np.testing.assert_array_equal(squared[0], wanted[1])

    def test_ball_query(self, kind, n):
        xyz = _blocks(1, n, n, kind)
        far = np.concatenate([xyz, np.full((1, 1, 3), 9, np.float32)], axis=1)
        found = geometry_torch.ball_query(torch.from_numpy(xyz), torch.from_numpy(far), 0.3, 7)
        for a, b in zip(found, slow.ball_query(xyz[0], far[0], 0.3, 7), strict=True):
            np.testing.assert_array_equal(a[0], b)
