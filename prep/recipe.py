"""The parameters of a build, parsed once at the edge and trusted inside."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from prep.errors import OptionError


@dataclass(frozen=True)
class Recipe:
    """Parameters of a build; every one of them enters the store's digest.

    Attributes
    ----------
    block_m, stride_m : float
        Side of a block and distance between block corners, metres.
    min_points : int
        Blocks with fewer raw points are left out.
    n_points : int
        Points of a block's sample.
    draw : str
        ``with_replacement`` draws as the published code does, also where a block has enough
        points; ``without_replacement`` repeats a point only where the block has too few.
    wfs_threshold : int
        A sampled block belongs to a class when it holds more than this many of its points
        (``t`` of SASO, Algorithm 1).
    wfs_delta : float
        Step of the literal water filling loop; 0 uses the closed form.
    msa_radii_m : tuple of float
        Radii of the association maps, metres, ascending; empty leaves the maps out.
    part_points : int
        Aim for the size of a part, points.
    seed : int
        Seed of every random draw, together with the scene's name.
    """

    block_m: float = 1.0
    stride_m: float = 0.5
    min_points: int = 100
    n_points: int = 4096
    draw: str = "with_replacement"
    wfs_threshold: int = 100
    wfs_delta: float = 1e-4
    msa_radii_m: tuple[float, ...] = (0.2, 0.3, 0.5)
    part_points: int = 2_000_000
    seed: int = 0

    def __post_init__(self) -> None:
        faults = []
        if not 0 < self.stride_m <= self.block_m:
            faults.append(f"stride_m {self.stride_m} must lie in (0, block_m {self.block_m}]")
        if self.min_points < 1:
            faults.append(f"min_points {self.min_points} must be at least 1")
        if self.n_points < 1:
            faults.append(f"n_points {self.n_points} must be at least 1")
        if self.draw not in DRAWS:
            faults.append(f"draw {self.draw!r} must be one of {', '.join(DRAWS)}")
        if self.wfs_threshold < 0:
            faults.append(f"wfs_threshold {self.wfs_threshold} must not be negative")
        if not 0 <= self.wfs_delta <= 0.1:
            faults.append(f"wfs_delta {self.wfs_delta} must lie in [0, 0.1]")
        radii = self.msa_radii_m
        if any(r <= 0 for r in radii) or list(radii) != sorted(set(radii)):
            faults.append(f"msa_radii_m {list(radii)} must be positive and ascending")
        if len(radii) > MAX_RADII:
            faults.append(f"msa_radii_m holds {len(radii)} radii, at most {MAX_RADII}")
        if self.part_points < 1:
            faults.append(f"part_points {self.part_points} must be at least 1")
        if not 0 <= self.seed < 2**63:
            faults.append(f"seed {self.seed} must lie in [0, 2^63)")
        if faults:
            raise OptionError("recipe: " + "; ".join(faults))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; the inverse of :meth:`from_dict`."""
        return {**asdict(self), "msa_radii_m": list(self.msa_radii_m)}

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Recipe:
        """Parse a mapping; unknown keys and values of a wrong type are reported together."""
        defaults = Recipe()
        faults, values = [], {}
        known = {f.name for f in fields(Recipe)}
        for key, value in data.items():
            if key not in known:
                faults.append(f"unknown key {key!r} (known: {', '.join(sorted(known))})")
                continue
            try:
                values[key] = _parse_value(getattr(defaults, key), value)
            except (TypeError, ValueError, OverflowError):
                kind = _KINDS[type(getattr(defaults, key))]
                faults.append(f"{key} {value!r} is not {kind}")
        if faults:
            raise OptionError("recipe: " + "; ".join(faults))
        return Recipe(**values)


MAX_RADII = 32

DRAWS = ("with_replacement", "without_replacement")

_KINDS = {int: "a whole number", float: "a number", str: "text", tuple: "a list of numbers"}


def _parse_value(default: Any, value: Any) -> Any:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(default, tuple):
        if isinstance(value, str | dict):
            raise TypeError
        return tuple(_parse_value(0.0, v) for v in value)
    if isinstance(default, float):
        if not math.isfinite(float(value)):
            raise ValueError
        return float(value)
    if isinstance(default, int):
        if int(value) != value:
            raise ValueError
        return int(value)
    if not isinstance(value, str):
        raise TypeError
    return value
