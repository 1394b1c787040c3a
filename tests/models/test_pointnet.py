from __future__ import annotations

import torch

from models.nets.pointnet import PointNet
from tests import reference_nets as slow


def _features(n_blocks=2, n=64, seed=0):
    return torch.rand(n_blocks, n, 9, generator=torch.Generator().manual_seed(seed))


def _fbr(a, b):
    return a * b + 3 * b  # weight, bias, scale and shift of the normalisation


def test_parameters():
    local = _fbr(9, 64) + 2 * _fbr(64, 64) + _fbr(64, 128) + _fbr(128, 1024)
    whole = _fbr(1024, 256) + _fbr(256, 128)
    branch = _fbr(1024 + 128, 512) + _fbr(512, 256)
    wanted = local + whole + 2 * branch
    assert wanted == 1_894_528
    assert sum(p.numel() for p in PointNet(9, 4096).parameters()) == wanted


def test_equals_concatenation_of_local_and_global_features():
    torch.manual_seed(0)
    net = PointNet(9, 64).double()
    x = _features().double()
    found = net(x)
    local = x
    for layer in slow.layers_of(net.local):
        local = slow.linear_norm_relu(local, *layer)
    g = local.max(1).values
    for layer in slow.layers_of(net.whole):
        g = slow.linear_norm_relu(g, *layer)
    shared = torch.cat([local, g[:, None].expand(-1, 64, -1)], -1)
    assert shared.shape == (2, 64, 1152)
    for branch, values in ((net.semantic, found.semantic), (net.instance, found.instance)):
        y = shared
        for layer in slow.layers_of(branch):
            y = slow.linear_norm_relu(y, *layer)
        torch.testing.assert_close(values, y)


def test_follows_the_order_of_the_points():
    net = PointNet(9, 64).eval()
    x = _features()
    shuffle = torch.randperm(64, generator=torch.Generator().manual_seed(1))
    one, other = net(x), net(x[:, shuffle])
    torch.testing.assert_close(one.semantic[:, shuffle], other.semantic)
    torch.testing.assert_close(one.instance[:, shuffle], other.instance)


def test_trains_on_a_single_block():
    net = PointNet(9, 64)
    out = net(_features(1))
    (out.semantic.sum() + out.instance.sum()).backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters())


def test_asks_for_no_geometry():
    assert PointNet(9, 64).geometry_spec.levels == ()
