from __future__ import annotations

import pytest
import torch

from models.geometry import compute_geometry
from models.nets.pointnet2 import Decoder, PointNet2, SetAbstraction, geometry_spec
from tests import reference_nets as slow


def _features(n_blocks=2, n=64, seed=0):
    x = torch.rand(n_blocks, n, 9, generator=torch.Generator().manual_seed(seed))
    x[..., :2] -= 0.5
    return x


def _fbr(a, b):
    return a * b + 3 * b  # weight, bias, scale and shift of the normalisation


def test_levels_of_the_published_network():
    levels = geometry_spec(4096).levels
    assert [(x.n_points, x.radius_m, x.n_samples) for x in levels] == [
        (1024, 0.1, 32),
        (256, 0.2, 32),
        (64, 0.4, 32),
        (16, 0.8, 32),
    ]
    assert [x.n_points for x in geometry_spec(64).levels] == [16, 4, 1, 1]


def test_parameters():
    abstraction = [
        _fbr(9, 32) + _fbr(32, 32) + _fbr(32, 64),
        _fbr(67, 64) + _fbr(64, 64) + _fbr(64, 128),
        _fbr(131, 128) + _fbr(128, 128) + _fbr(128, 256),
        _fbr(259, 256) + _fbr(256, 256) + _fbr(256, 512),
    ]
    propagation = [
        _fbr(768, 256) + _fbr(256, 256),
        _fbr(384, 256) + _fbr(256, 256),
        _fbr(320, 256) + _fbr(256, 128),
        _fbr(134, 128) + 2 * _fbr(128, 128),
    ]
    net = PointNet2(9, 4096)
    for stage, wanted in zip(net.encoder, abstraction, strict=True):
        assert sum(p.numel() for p in stage.parameters()) == wanted
    for stage, wanted in zip(net.semantic.stages, propagation, strict=True):
        assert sum(p.numel() for p in stage.parameters()) == wanted
    total = sum(abstraction) + 2 * sum(propagation)
    assert total == 1_546_464
    assert sum(p.numel() for p in net.parameters()) == total


def test_equals_grouping_and_interpolation_laid_out_in_full():
    torch.manual_seed(0)
    net = PointNet2(9, 64).double()
    x = _features().double()
    geometry = compute_geometry(x[..., :3].float(), net.geometry_spec)
    found = net(x, geometry)
    skips, at, inputs = [x[..., 3:]], x[..., :3], x
    for stage, level in zip(net.encoder, geometry.levels, strict=True):
        layers = slow.layers_of(stage.layers)
        skips.append(slow.set_abstraction(inputs, layers, level.ball, level.centre))
        at = torch.stack([at[b, level.centre[b].long()] for b in range(2)])
        inputs = torch.cat([at, skips[-1]], -1)
    for branch, values in ((net.semantic, found.semantic), (net.instance, found.instance)):
        y = skips[-1]
        for stage, i in zip(branch.stages, (3, 2, 1, 0), strict=True):
            level = geometry.levels[i]
            layers = slow.layers_of(stage.layers)
            y = slow.feature_propagation(y, skips[i], layers, level.near, level.weight)
        torch.testing.assert_close(values, y)
    assert found.semantic.shape == (2, 64, 128)


def test_computes_missing_geometry():
    net = PointNet2(9, 64).eval()
    x = _features()
    geometry = compute_geometry(x[..., :3], net.geometry_spec)
    one, other = net(x), net(x, geometry)
    torch.testing.assert_close(vars(one), vars(other), rtol=0, atol=0)


def test_given_geometry_is_used_and_none_computed(monkeypatch):
    import models.nets.pointnet2 as module

    net = PointNet2(9, 64)
    x = _features()
    geometry = compute_geometry(x[..., :3], net.geometry_spec)
    monkeypatch.setattr(module, "compute_geometry", None)
    net(x, geometry)


def test_evaluation_is_repeatable_and_blocks_are_independent():
    net = PointNet2(9, 64).double()
    for seed in range(3):
        net(_features(seed=seed).double())
    net.eval()
    x = _features(3).double()
    whole = net(x)
    torch.testing.assert_close(vars(whole), vars(net(x)), rtol=0, atol=0)
    alone = net(x[1:2])
    torch.testing.assert_close(whole.semantic[1:2], alone.semantic)


def test_duplicated_points_get_equal_features():
    net = PointNet2(9, 64).eval()
    x = _features()[:, torch.arange(64) % 20]
    out = net(x)
    torch.testing.assert_close(out.semantic[:, :20], out.semantic[:, 20:40])
    torch.testing.assert_close(out.instance[:, :20], out.instance[:, 40:60])


def test_translation_of_coordinates_alone_changes_nothing():
    """The encoder and the decoders see coordinates only as differences (channels 0..2)."""
    net = PointNet2(9, 64).eval().double()
    x = _features().double()
    geometry = compute_geometry(x[..., :3].float(), net.geometry_spec)
    moved = x.clone()
    moved[..., :3] += 1.0
    torch.testing.assert_close(net(x, geometry).semantic, net(moved, geometry).semantic)


@pytest.mark.parametrize("channels", [3, 4, 9])
def test_any_number_of_channels(channels):
    net = PointNet2(channels, 64)
    out = net(_features()[..., :channels])
    out.semantic.sum().backward()
    assert out.instance.shape == (2, 64, 128)


def test_parts_have_the_published_widths():
    assert [layer.linear.weight.shape for layer in SetAbstraction(6, (32, 32, 64)).layers] == [
        (32, 9),
        (32, 32),
        (64, 32),
    ]
    assert [stage.layers[0].linear.weight.shape[1] for stage in Decoder(6).stages] == [
        768,
        384,
        320,
        134,
    ]
