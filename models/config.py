"""What defines a network: the system, its backbone, the sizes and the options."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from prep.errors import OptionError

OptionValue = bool | int | float | str


@dataclass(frozen=True)
class ModelConfig:
    """Everything that a checkpoint needs to rebuild its network.

    Made by :func:`models.systems.configure`, which checks names and fills in the options.

    Attributes
    ----------
    system, backbone : str
        Names of rows in models.systems.
    n_classes : int
        Semantic classes.
    n_points : int
        Points of a block.
    in_channels : int
        Channels of a point; the first three are block coordinates.
    embedding : int
        Width of the instance embedding.
    options : dict
        All options of the system, by name.
    """

    system: str
    backbone: str
    n_classes: int
    n_points: int = 4096
    in_channels: int = 9
    embedding: int = 5
    options: dict[str, OptionValue] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; the inverse of :meth:`from_dict`."""
        return asdict(self)

    @staticmethod
    def from_dict(data: dict[str, Any]) -> ModelConfig:
        """Rebuild a configuration; missing and unknown keys are reported together."""
        known = {f.name for f in fields(ModelConfig)}
        faults = [f"unknown key {k!r}" for k in sorted(set(data) - known)]
        faults += [
            f"missing key {k!r}" for k in ("system", "backbone", "n_classes") if k not in data
        ]
        if faults:
            raise OptionError("model configuration: " + "; ".join(faults))
        return ModelConfig(**{**data, "options": dict(data.get("options", {}))})
