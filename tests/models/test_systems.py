from __future__ import annotations

import pytest
import torch

from models.config import ModelConfig
from models.geometry import compute_geometry
from models.systems import BACKBONES, SYSTEMS, build_model, configure, joint_loss
from prep.errors import OptionError

N = 64


def _batch(kind: str, n_blocks: int = 2):
    g = torch.Generator().manual_seed(0)
    x = torch.rand(n_blocks, N, 9, generator=g)
    semantic = torch.randint(0, 13, (n_blocks, N), generator=g)
    instance = torch.randint(0, 5, (n_blocks, N), generator=g)
    if kind == "one instance":
        instance[:] = 7
    if kind == "one class":
        semantic[:] = 3
    if kind == "unlabelled":
        semantic[0], instance[0] = -1, -1
    if kind == "nothing labelled":
        semantic[:], instance[:] = -1, -1
    if kind == "duplicates":
        x = x[:, torch.arange(N) % 7]
    if kind == "one position":
        x = x[:, :1].repeat(1, N, 1)
    return x, semantic, instance


KINDS = (
    "ordinary",
    "one instance",
    "one class",
    "unlabelled",
    "nothing labelled",
    "duplicates",
    "one position",
)


@pytest.mark.parametrize("backbone", sorted(BACKBONES))
@pytest.mark.parametrize("system", sorted(SYSTEMS))
def test_every_cross_trains_with_finite_gradients(system, backbone):
    torch.manual_seed(0)
    config = configure(system, backbone=backbone, n_classes=13, n_points=N)
    model = build_model(config)
    for kind in KINDS:
        x, semantic, instance = _batch(kind)
        outputs = model(x, compute_geometry(x[..., :3], model.geometry_spec))
        assert outputs.logits.shape == (2, N, 13)
        assert outputs.embedding.shape == (2, N, 5)
        losses = joint_loss(outputs, semantic, instance, config)
        assert set(losses) == {"total", "semantic", "instance", "var", "dist", "reg"}
        assert losses["total"].item() == pytest.approx(
            losses["semantic"].item() + losses["instance"].item()
        )
        model.zero_grad(set_to_none=True)
        losses["total"].backward()
        for name, p in model.named_parameters():
            assert p.grad is not None and torch.isfinite(p.grad).all(), (kind, name)


@pytest.mark.parametrize(
    ("system", "backbone", "parameters"),
    [
        # encoder 354,528; a decoder 595,968; a head 16,768 + its linear layer (1,677 or 645)
        ("vanilla", "pointnet2", 354_528 + 2 * (595_968 + 16_768) + 1_677 + 645),
        # one more layer of 128 -> 128
        ("asis", "pointnet2", 354_528 + 2 * (595_968 + 16_768) + 1_677 + 645 + 16_768),
        # trunk and branches 1,894,528; heads start at 256 channels: 33,152
        ("vanilla", "pointnet", 1_894_528 + 2 * 33_152 + 1_677 + 645),
        ("asis", "pointnet", 1_894_528 + 2 * 33_152 + 1_677 + 645 + 16_768),
    ],
)
def test_parameters(system, backbone, parameters):
    model = build_model(configure(system, backbone=backbone, n_classes=13))
    assert sum(p.numel() for p in model.parameters()) == parameters


def test_training_reduces_the_loss_of_a_batch():
    torch.manual_seed(0)
    config = configure("asis", n_classes=13, n_points=N)
    model = build_model(config)
    x, _, _ = _batch("ordinary")
    semantic = (x[..., 2] * 3).long()
    instance = semantic * 2 + (x[..., 0] > 0.5)
    geometry = compute_geometry(x[..., :3], model.geometry_spec)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    seen = []
    for _ in range(20):
        losses = joint_loss(model(x, geometry), semantic, instance, config)
        optimizer.zero_grad(set_to_none=True)
        losses["total"].backward()
        optimizer.step()
        seen.append(losses["total"].item())
    assert seen[-1] < 0.5 * seen[0]


def test_two_trainings_from_one_seed_are_equal_bit_by_bit():
    states = []
    for _ in range(2):
        torch.manual_seed(5)
        config = configure("asis", n_classes=13, n_points=N)
        model = build_model(config)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        x, semantic, instance = _batch("ordinary")
        for _ in range(3):
            optimizer.zero_grad(set_to_none=True)
            joint_loss(model(x), semantic, instance, config)["total"].backward()
            optimizer.step()
        states.append(model.state_dict())
    torch.testing.assert_close(states[0], states[1], rtol=0, atol=0)


class TestTable:
    @pytest.mark.parametrize("name", sorted(SYSTEMS))
    def test_rows_are_complete(self, name):
        row = SYSTEMS[name]
        assert row.paper
        assert row.backbone in BACKBONES
        assert row.epochs_on("pointnet") == 50
        assert row.epochs_on("pointnet2") == row.epochs_on("another") == 100
        assert row.batch_size == 24
        assert all(option.help for option in row.options.values())

    def test_schedule_of_the_published_code(self):
        schedule = SYSTEMS["asis"].schedule
        assert [schedule.lr_at(s) for s in (0, 299_999, 300_000, 600_000)] == [
            1e-3,
            1e-3,
            5e-4,
            2.5e-4,
        ]
        assert schedule.lr_at(10**9) == 1e-5
        assert [schedule.bn_momentum_at(s) for s in (0, 300_000, 10**9)] == [0.5, 0.25, 0.01]


class TestConfigure:
    def test_fills_in_the_defaults(self):
        config = configure("asis", n_classes=13)
        assert config.backbone == "pointnet2"
        assert config.options == {
            "sa": True,
            "if_": True,
            "neighbours": 30,
            "reach": 0.5,
            "delta_var": 0.5,
            "delta_dist": 1.5,
            "reg_weight": 0.001,
        }

    def test_takes_text_from_a_command_line(self):
        texts = {"sa": "false", "neighbours": "12", "reach": "0.25"}
        options = configure("asis", n_classes=13, options=texts).options
        assert (options["sa"], options["neighbours"], options["reach"]) == (False, 12, 0.25)

    def test_options_reach_the_network_and_the_loss(self):
        config = configure(
            "asis", n_classes=13, n_points=N, options={"sa": False, "neighbours": 7, "reach": 2}
        )
        fusion = build_model(config).fusion
        assert (fusion.adapt, fusion.neighbours, fusion.reach) == (None, 7, 2.0)
        x, semantic, instance = _batch("ordinary")
        outputs = build_model(config)(x)
        heavier = configure("asis", n_classes=13, options={"reg_weight": 10.0})
        one, other = (
            joint_loss(outputs, semantic, instance, c)["instance"].item() for c in (config, heavier)
        )
        assert other > one

    def test_all_faults_in_one_line(self):
        options = {"speed": 1, "sa": "perhaps", "neighbours": 1.5, "reach": True}
        with pytest.raises(OptionError) as error:
            configure("asis", backbone="resnet", n_classes=0, in_channels=2, options=options)
        line = str(error.value)
        assert "\n" not in line
        for part in (
            "backbone 'resnet' is not known (known: pointnet, pointnet2)",
            "option 'speed' is not known (known: delta_dist, delta_var, if_, neighbours",
            "option sa 'perhaps' is not a bool",
            "option neighbours 1.5 is not a int",
            "option reach True is not a float",
            "n_classes 0 must be at least 1",
            "in_channels 2 must be at least 3",
        ):
            assert part in line

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("neighbours", 0),
            ("neighbours", "-3"),
            ("neighbours", float("inf")),
            ("reach", "nan"),
            ("reach", "inf"),
            ("reach", -0.5),
            ("delta_var", "-1"),
            ("reg_weight", "1e999"),
        ],
    )
    def test_senseless_numbers(self, name, value):
        with pytest.raises(OptionError, match=f"option {name} {value!r} (must be|is not)"):
            configure("asis", n_classes=13, options={name: value})

    def test_unknown_system(self):
        with pytest.raises(OptionError, match=r"'sgpn' is not known \(known: asis, vanilla\)"):
            configure("sgpn", n_classes=13)

    def test_vanilla_has_no_fusion_options(self):
        with pytest.raises(OptionError, match="'sa' is not known"):
            configure("vanilla", n_classes=13, options={"sa": True})


class TestModelConfig:
    def test_round_trip(self):
        config = configure("asis", n_classes=13, options={"sa": False})
        assert ModelConfig.from_dict(config.to_dict()) == config

    def test_faults_are_reported_together(self):
        with pytest.raises(OptionError, match="unknown key 'colour'; missing key 'n_classes'"):
            ModelConfig.from_dict({"system": "asis", "backbone": "pointnet", "colour": 1})
