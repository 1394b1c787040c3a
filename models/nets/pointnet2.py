"""PointNet++ with single-scale grouping and two decoders, as ASIS uses it.

Qi et al., "PointNet++", NeurIPS 2017; layer widths of the ASIS code (CVPR 2019). Four set
abstractions, four feature propagations for each of the two branches, every layer linear + batch
normalisation + ReLU, no dropout. Departures:

- the levels have N/4, N/16, N/64 and N/256 points (at least 1) for blocks of N points; for
  N = 4096 these are the published 1024, 256, 64 and 16;
- the first layer of every set abstraction and feature propagation is applied before grouping or
  interpolation, which are linear: the same function, less work.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.geometry import Geometry, GeometrySpec, Level, LevelSpec, compute_geometry
from models.nets import operators
from models.nets.layers import FBR, Branches, mlp

RADII_M = (0.1, 0.2, 0.4, 0.8)
N_SAMPLES = 32
ABSTRACTION = ((32, 32, 64), (64, 64, 128), (128, 128, 256), (256, 256, 512))
# from the coarsest level to the points
PROPAGATION = ((256, 256), (256, 256), (256, 128), (128, 128, 128))


def geometry_spec(n_points: int) -> GeometrySpec:
    """Return the levels of a block of ``n_points`` points."""
    return GeometrySpec(
        tuple(
            LevelSpec(max(1, n_points // 4 ** (i + 1)), radius, N_SAMPLES)
            for i, radius in enumerate(RADII_M)
        )
    )


class SetAbstraction(nn.Module):
    """Group points in balls, a small network on every member, maximum over each ball."""

    def __init__(self, width_in: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = mlp(3 + width_in, widths)

    def forward(self, x: Tensor, level: Level) -> Tensor:
        """(B, M, 3 + C) coordinates and features → (B, m, widths[-1])."""
        first, *rest = self.layers
        y = operators.project_group(x, *first.affine(), level.ball, level.centre)
        for layer, following in zip([first, *rest], rest, strict=False):
            y = operators.linear(layer.activate(y), *following.affine())  # (B, m, K, D)
        last: FBR = self.layers[-1]
        return last.activate_max(y)  # (B, m, D)


class FeaturePropagation(nn.Module):
    """Interpolate coarse features, join the fine points' own, a small network."""

    def __init__(self, width_coarse: int, width_skip: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = mlp(width_coarse + width_skip, widths)

    def forward(self, coarse: Tensor, skip: Tensor, level: Level) -> Tensor:
        """(B, m, C), (B, M, S) → (B, M, widths[-1])."""
        first, *rest = self.layers
        y = operators.project_interpolate(coarse, skip, *first.affine(), level.near, level.weight)
        x = first.activate(y)  # (B, M, D)
        for layer in rest:
            x = layer(x)
        return x


class Decoder(nn.Module):
    """Four feature propagations back to the points."""

    def __init__(self, width_points: int) -> None:
        super().__init__()
        skips = (*(widths[-1] for widths in ABSTRACTION[2::-1]), width_points)
        coarse = (ABSTRACTION[-1][-1], *(widths[-1] for widths in PROPAGATION[:-1]))
        self.stages = nn.ModuleList(
            FeaturePropagation(c, s, widths)
            for c, s, widths in zip(coarse, skips, PROPAGATION, strict=True)
        )

    def forward(self, features: list[Tensor], geometry: Geometry) -> Tensor:
        """Features of all levels, finest first → (B, N, 128)."""
        x = features[-1]
        for stage, skip, level in zip(
            self.stages, features[-2::-1], geometry.levels[::-1], strict=True
        ):
            x = stage(x, skip, level)
        return x


class PointNet2(nn.Module):
    """Encoder shared by both tasks, a decoder for each.

    Parameters
    ----------
    in_channels : int
        Channels of a point: the first three are block coordinates in metres.
    n_points : int
        Points of a block.
    """

    width = PROPAGATION[-1][-1]

    def __init__(self, in_channels: int, n_points: int) -> None:
        super().__init__()
        self.geometry_spec = geometry_spec(n_points)
        ins = (in_channels - 3, *(widths[-1] for widths in ABSTRACTION[:-1]))
        self.encoder = nn.ModuleList(
            SetAbstraction(width, widths) for width, widths in zip(ins, ABSTRACTION, strict=True)
        )
        self.semantic = Decoder(in_channels - 3)
        self.instance = Decoder(in_channels - 3)

    def forward(self, features: Tensor, geometry: Geometry | None = None) -> Branches:
        """(B, N, in_channels) → branches of 128 channels; geometry is computed when missing."""
        xyz = features[..., :3].contiguous()  # (B, N, 3)
        if geometry is None:
            geometry = compute_geometry(xyz, self.geometry_spec)
        levels = [features[..., 3:].contiguous()]
        x, at = features, xyz
        for stage, level in zip(self.encoder, geometry.levels, strict=True):
            levels.append(stage(x, level))  # (B, m, D)
            at = operators.gather(at, level.centre)  # (B, m, 3)
            x = torch.cat([at, levels[-1]], -1)  # (B, m, 3 + D)
        return Branches(self.semantic(levels, geometry), self.instance(levels, geometry), xyz)
