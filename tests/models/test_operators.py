from __future__ import annotations

import numpy as np
import pytest
import torch

from models.geometry import GeometrySpec, LevelSpec, compute_geometry
from models.nets import operators
from models.nets.layers import FBR, Dropout, set_bn_momentum
from models.nets.memory import Pool
from models.nets.pointnet2 import FeaturePropagation, SetAbstraction
from tests import reference_nets as slow

F8 = torch.float64


def _random(*shape, seed=0):
    return torch.randn(*shape, dtype=F8, generator=torch.Generator().manual_seed(seed))


def _level(n=40, n_points=12, n_samples=6, n_blocks=2):
    xyz = torch.rand(n_blocks, n, 3, generator=torch.Generator().manual_seed(9))
    spec = GeometrySpec((LevelSpec(n_points, 0.5, n_samples),))
    return xyz.double(), compute_geometry(xyz, spec).levels[0]


@pytest.fixture(params=["kernels", "torch"])
def body(request, monkeypatch):
    """Run a test on the numba loops and on the operations that a GPU uses."""
    if request.param == "torch":
        monkeypatch.setattr(operators, "has_kernels", lambda x: False)
    return request.param


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("place", [0, 3])
def test_numbers_that_are_not_finite_come_out_as_nan(bad, place, body):
    """A ReLU that made them 0 would let training go on with a silent layer."""
    y = _random(2, 3, 4, 2).float()
    y[0, 0, place, 1] = bad
    gamma, beta = torch.ones(2), torch.zeros(2)
    with np.errstate(invalid="ignore"):
        for operator in (operators.norm_relu, operators.norm_relu_max):
            out = operator(y, gamma, beta, 1e-3)[0]
            assert torch.isfinite(out[..., 0]).all()
            assert out[..., 1].isnan().any()


class TestGradients:
    def test_linear(self, body):
        args = (_random(2, 3, 4), _random(5, 4), _random(5))
        assert torch.autograd.gradcheck(operators.linear, [a.requires_grad_() for a in args])

    def test_norm_relu(self, body):
        args = [a.requires_grad_() for a in (_random(2, 5, 3), _random(3, seed=1), _random(3))]
        assert torch.autograd.gradcheck(lambda *a: operators.norm_relu(*a, 1e-3)[0], args)

    def test_norm_relu_max(self, body):
        args = [a.requires_grad_() for a in (_random(2, 3, 4, 3), _random(3, seed=1), _random(3))]
        assert torch.autograd.gradcheck(lambda *a: operators.norm_relu_max(*a, 1e-3)[0], args)

    def test_project_group(self, body):
        xyz, level = _level(12, 5, 4)
        args = [a.requires_grad_() for a in (_random(2, 12, 2), _random(6, 5), _random(6))]

        def grouped(features, weight, bias):
            x = torch.cat([xyz, features], -1)
            return operators.project_group(x, weight, bias, level.ball, level.centre)

        assert torch.autograd.gradcheck(grouped, args)

    def test_project_interpolate(self, body):
        _, level = _level(12, 5, 4)
        args = [_random(2, 5, 3), _random(2, 12, 2), _random(4, 5), _random(4)]

        def interpolated(*args):
            return operators.project_interpolate(*args, level.near, level.weight)

        assert torch.autograd.gradcheck(interpolated, [a.requires_grad_() for a in args])


class TestEqualsTwin:
    def test_layer_and_its_running_statistics(self, body):
        layer = FBR(4, 6).double()
        x = _random(3, 50, 4) * 2 + 1
        out = layer(x)
        torch.testing.assert_close(out, slow.linear_norm_relu(x, *slow.layers_of([layer])[0]))
        y = (x @ layer.linear.weight.t()).reshape(150, 6)
        torch.testing.assert_close(layer.norm.running_mean, 0.5 * y.mean(0))
        variance = 0.5 * y.var(0, unbiased=False) + 0.5
        torch.testing.assert_close(layer.norm.running_var, variance)

    def test_set_abstraction(self, body):
        xyz, level = _level()
        features = _random(2, 40, 4)
        x = torch.cat([xyz, features.requires_grad_()], -1)
        module = SetAbstraction(4, (5, 6, 7)).double()
        _vary_norms(module.layers)
        found = module(x, level)
        wanted = slow.set_abstraction(x, slow.layers_of(module.layers), level.ball, level.centre)
        torch.testing.assert_close(found, wanted)
        _same_gradients(found, wanted, [features, *module.parameters()])

    def test_feature_propagation(self, body):
        _, level = _level()
        coarse, skip = _random(2, 12, 4).requires_grad_(), _random(2, 40, 3).requires_grad_()
        module = FeaturePropagation(4, 3, (6, 5)).double()
        _vary_norms(module.layers)
        found = module(coarse, skip, level)
        wanted = slow.feature_propagation(
            coarse, skip, slow.layers_of(module.layers), level.near, level.weight
        )
        torch.testing.assert_close(found, wanted)
        _same_gradients(found, wanted, [coarse, skip, *module.parameters()])


def _vary_norms(layers):
    """Give the normalisations scales of both signs, and shifts."""
    for i, layer in enumerate(layers):
        n = len(layer.norm.weight)
        layer.norm.weight.data = _random(n, seed=20 + i)
        layer.norm.bias.data = _random(n, seed=30 + i)


def _same_gradients(found, wanted, leaves):
    g = _random(*found.shape, seed=40)
    torch.testing.assert_close(
        torch.autograd.grad(found, leaves, g),
        torch.autograd.grad(wanted, leaves, g),
        atol=1e-9,
        rtol=1e-7,
    )


class TestFloat32:
    """The bodies agree to rounding, also where a naive variance would lose every digit."""

    def test_variance_of_values_far_from_zero(self):
        y = (_random(3000, 4) + 1000).float()
        _, mean, variance = operators.norm_relu(y, torch.ones(4), torch.zeros(4), 1e-3)
        torch.testing.assert_close(mean, y.double().mean(0).float(), rtol=1e-6, atol=0)
        wanted = y.double().var(0, unbiased=False).float()
        torch.testing.assert_close(variance, wanted, rtol=1e-4, atol=0)

    def test_one_row(self, body):
        y = torch.ones(1, 4, requires_grad=True)
        beta = torch.full((4,), 0.5)
        out, _, variance = operators.norm_relu(y, torch.ones(4), beta, 1e-3)
        out.sum().backward()
        torch.testing.assert_close(out, torch.full((1, 4), 0.5))
        torch.testing.assert_close(variance, torch.zeros(4), atol=1e-7, rtol=0)
        torch.testing.assert_close(y.grad, torch.zeros(1, 4))

    def test_number_of_threads_does_not_change_the_normalisation(self):
        y = _random(2000, 8).float()
        before = torch.get_num_threads()
        try:
            results = []
            for threads in (1, 2):
                torch.set_num_threads(threads)
                results.append(operators.norm_relu(y, torch.ones(8), torch.zeros(8), 1e-3))
        finally:
            torch.set_num_threads(before)
        torch.testing.assert_close(*results, rtol=0, atol=0)


class TestDropout:
    def test_keeps_the_mean_and_scales(self):
        torch.manual_seed(0)
        out = Dropout(0.5)(torch.ones(100, 101))
        assert set(out.unique().tolist()) == {0.0, 2.0}
        assert out.mean().item() == pytest.approx(1, abs=0.05)

    def test_gradient_uses_the_same_mask(self):
        x = torch.ones(33, 7, requires_grad=True)
        out = Dropout(0.75)(x)
        out.sum().backward()
        torch.testing.assert_close(x.grad, out.detach())

    def test_follows_the_seed_of_torch(self):
        x, drop = torch.ones(5000), Dropout(0.5)
        torch.manual_seed(3)
        one, other = drop(x), drop(x)
        torch.manual_seed(3)
        torch.testing.assert_close(drop(x), one, rtol=0, atol=0)
        assert not torch.equal(one, other)

    def test_does_nothing_in_evaluation(self):
        x = torch.ones(5)
        assert Dropout(0.5).eval()(x) is x


def test_evaluation_uses_the_running_statistics(body):
    layer = FBR(3, 4).double()
    x = _random(50, 3)
    for _ in range(60):
        layer(x)
    torch.testing.assert_close(layer.eval()(x), layer.train()(x), rtol=1e-9, atol=1e-9)


def test_momentum_is_the_weight_of_the_newest_batch():
    layer = FBR(3, 4)
    set_bn_momentum(layer, 0.01)
    layer(torch.ones(5, 3))
    torch.testing.assert_close(layer.norm.running_var, torch.full((4,), 0.99))


class TestPool:
    def test_memory_comes_back_when_the_last_reference_goes(self):
        pool = Pool()
        a = pool.empty((1000, 1000), torch.ones(1).numpy().dtype)
        place, view = a.data_ptr(), a[5:]
        del a
        assert pool.used_bytes > 0
        assert pool.empty((1000, 1000), view.numpy().dtype).data_ptr() != place
        del view
        assert pool.empty((1000, 1000), torch.ones(1).numpy().dtype).data_ptr() == place

    def test_two_living_tensors_never_share(self):
        pool = Pool()
        kind = torch.ones(1).numpy().dtype
        tensors = [pool.empty((300, 300), kind).fill_(i) for i in range(8)]
        assert [t.unique().tolist() for t in tensors] == [[i] for i in range(8)]

    def test_sizes_no_longer_wanted_are_dropped(self):
        pool = Pool()
        kind = torch.ones(1).numpy().dtype
        for side in range(300, 900, 50):
            pool.empty((side, side), kind)
        assert pool.used_bytes == 0
        assert pool.free_bytes < 2 * 850 * 850 * 4
