"""The joint systems, as rows of a table: backbone x fusion x loss x schedule.

Any backbone runs with any fusion: a backbone gives :class:`models.nets.layers.Branches` of some
width, a fusion turns them into :class:`models.nets.layers.Outputs`. To add a system, add a row
(and a backbone or a fusion, where it brings one).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from models.config import ModelConfig, OptionValue
from models.fusions.asis import ASIS
from models.fusions.vanilla import Vanilla
from models.geometry import Geometry, GeometrySpec
from models.losses import Margins, discriminative_loss, semantic_loss
from models.nets.layers import Outputs
from models.nets.pointnet import PointNet
from models.nets.pointnet2 import PointNet2
from models.schedule import Schedule
from prep.errors import OptionError


@dataclass(frozen=True)
class Option:
    """A parameter of a system; its type is that of the default.

    Numbers are finite and at least ``least``.
    """

    default: OptionValue
    help: str
    least: float = 0


@dataclass(frozen=True)
class System:
    """A row of the table.

    Attributes
    ----------
    paper : str
        Where the system and its constants come from.
    backbone : str
        The default; any row of BACKBONES can be chosen.
    fusion : callable
        (width, n_classes, embedding, **fusion options) → module from Branches to Outputs.
    fusion_options, loss_options : dict
        Name → Option; the first go to the fusion, the second are fields of Margins.
    epochs : dict
        Backbone → published number of epochs; "" for all others.
    batch_size : int
        Blocks in a step.
    schedule : Schedule
        Of learning rate and batch normalisation.
    """

    paper: str
    backbone: str
    fusion: Callable[..., nn.Module]
    fusion_options: Mapping[str, Option] = field(default_factory=dict)
    loss_options: Mapping[str, Option] = field(default_factory=dict)
    epochs: Mapping[str, int] = field(default_factory=dict)
    batch_size: int = 24
    schedule: Schedule = field(default_factory=Schedule)

    @property
    def options(self) -> dict[str, Option]:
        """All options by name."""
        return {**self.fusion_options, **self.loss_options}

    def epochs_on(self, backbone: str) -> int:
        """Return the published number of epochs with a backbone."""
        return self.epochs.get(backbone, self.epochs[""])


DISCRIMINATIVE = {
    "delta_var": Option(
        0.5, "distance (L1) to its instance's mean within which a point is not pulled"
    ),
    "delta_dist": Option(1.5, "half the distance (L1) beyond which two means are not pushed apart"),
    "reg_weight": Option(0.001, "weight of the means' distance to the origin"),
}

BACKBONES: dict[str, Callable[[int, int], nn.Module]] = {
    "pointnet": PointNet,
    "pointnet2": PointNet2,
}

SYSTEMS: dict[str, System] = {
    "vanilla": System(
        paper="Wang et al., ASIS, CVPR 2019, the baseline of Tables 1 to 3",
        backbone="pointnet2",
        fusion=Vanilla,
        loss_options=DISCRIMINATIVE,
        epochs={"pointnet": 50, "": 100},
    ),
    "asis": System(
        paper="Wang et al., ASIS, CVPR 2019",
        backbone="pointnet2",
        fusion=ASIS,
        fusion_options={
            "sa": Option(True, "semantic-aware instances: add adapted semantic features (eq. 5)"),
            "if_": Option(True, "instance-fused semantics: maximum over neighbours (eq. 6)"),
            "neighbours": Option(30, "neighbours in the embedding, the point itself included", 1),
            "reach": Option(0.5, "neighbours farther than this (L1) are replaced by the point"),
        },
        loss_options=DISCRIMINATIVE,
        epochs={"pointnet": 50, "": 100},
    ),
}


def find_system(name: str) -> System:
    """Return a row of SYSTEMS, or raise OptionError with the known names."""
    if name not in SYSTEMS:
        raise OptionError(f"system {name!r} is not known (known: {', '.join(sorted(SYSTEMS))})")
    return SYSTEMS[name]


def configure(
    system: str,
    *,
    n_classes: int,
    backbone: str | None = None,
    n_points: int = 4096,
    in_channels: int = 9,
    embedding: int = 5,
    options: Mapping[str, OptionValue] | None = None,
) -> ModelConfig:
    """Check names and values, fill in the defaults.

    Parameters
    ----------
    system, backbone : str
        Rows of SYSTEMS and BACKBONES; the system's own backbone by default.
    n_classes, n_points, in_channels, embedding : int
        As in ModelConfig.
    options : mapping
        Option → value, or its text as it comes from a command line.

    Raises
    ------
    OptionError
        Anything unknown or of a wrong type; all faults in one line.
    """
    row = find_system(system)
    backbone = backbone or row.backbone
    faults, values = [], {name: option.default for name, option in row.options.items()}
    if backbone not in BACKBONES:
        faults.append(f"backbone {backbone!r} is not known (known: {', '.join(sorted(BACKBONES))})")
    for name, value in (options or {}).items():
        if name not in values:
            known = ", ".join(sorted(values)) or "none"
            faults.append(f"option {name!r} is not known (known: {known})")
            continue
        try:
            values[name] = _parse(value, row.options[name].default)
        except (TypeError, ValueError, OverflowError):
            kind = type(row.options[name].default).__name__
            faults.append(f"option {name} {value!r} is not a {kind}")
            continue
        least = row.options[name].least
        if _is_number(values[name]) and not least <= float(values[name]) < math.inf:
            faults.append(f"option {name} {value!r} must be finite and at least {least:g}")
    sizes = {"n_classes": n_classes, "n_points": n_points, "embedding": embedding}
    faults += [f"{name} {size} must be at least 1" for name, size in sizes.items() if size < 1]
    if in_channels < 3:
        faults.append(f"in_channels {in_channels} must be at least 3")
    if faults:
        raise OptionError(f"system {system}: " + "; ".join(faults))
    return ModelConfig(system, backbone, n_classes, n_points, in_channels, embedding, values)


class JointNet(nn.Module):
    """A backbone and a fusion."""

    def __init__(self, backbone: nn.Module, fusion: nn.Module) -> None:
        super().__init__()
        self.backbone, self.fusion = backbone, fusion

    @property
    def geometry_spec(self) -> GeometrySpec:
        """What compute_geometry has to prepare for this network."""
        return self.backbone.geometry_spec

    def forward(self, features: Tensor, geometry: Geometry | None = None) -> Outputs:
        """(B, N, in_channels) → logits (B, N, C), embedding (B, N, E).

        The geometry is computed from channels 0..2 when it is not given.
        """
        return self.fusion(self.backbone(features, geometry))


def build_model(config: ModelConfig) -> JointNet:
    """Build the network of a configuration; weights come from torch's current generator."""
    row = find_system(config.system)
    options = {name: config.options[name] for name in row.fusion_options}
    backbone = BACKBONES[config.backbone](config.in_channels, config.n_points)
    fusion = row.fusion(backbone.width, config.n_classes, config.embedding, **options)
    return JointNet(backbone, fusion)


def joint_loss(
    outputs: Outputs, semantic: Tensor, instance: Tensor, config: ModelConfig
) -> dict[str, Tensor]:
    """Compute the loss of a batch and its parts.

    Parameters
    ----------
    outputs : Outputs
    semantic, instance : int64 (B, N)
        −1 where there is none.
    config : ModelConfig

    Returns
    -------
    dict
        ``total`` = ``semantic`` + ``instance``, and the parts ``var``, ``dist``, ``reg``.
    """
    row = find_system(config.system)
    margins = Margins(**{name: float(config.options[name]) for name in row.loss_options})
    parts = discriminative_loss(outputs.embedding, instance, margins)
    parts["semantic"] = semantic_loss(outputs.logits, semantic)
    return {"total": parts["semantic"] + parts["instance"], **parts}


def _is_number(value: OptionValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _parse(value: OptionValue, default: OptionValue) -> OptionValue:
    """Convert a value or its text to the type of the default."""
    if isinstance(default, bool):
        if isinstance(value, bool):
            return value
        if str(value).lower() not in ("true", "false"):
            raise ValueError
        return str(value).lower() == "true"
    if isinstance(value, bool):
        raise TypeError
    if isinstance(default, int) and float(value) != int(value):
        raise ValueError
    return type(default)(value)
