"""Pointwise layers on rows (B, N, C), as the published TensorFlow code has them.

Every layer is linear with bias, batch normalisation (epsilon 1e-3), ReLU; weights start Glorot
uniform, biases 0. Departures:

- running variances are averages of the biased variance, as in TensorFlow, and start at 1
  (TensorFlow: 0, which some thousand steps forget);
- in evaluation the normalisation is folded into the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.nets import operators

EPS = 1e-3


@dataclass(frozen=True)
class Branches:
    """What a backbone gives a fusion: features of every point for both tasks.

    Attributes
    ----------
    semantic, instance : (B, N, width)
        Features of the semantic and of the instance decoder.
    xyz : (B, N, 3)
        Block coordinates, metres.
    """

    semantic: Tensor
    instance: Tensor
    xyz: Tensor


@dataclass(frozen=True)
class Outputs:
    """What a system gives for every point.

    Attributes
    ----------
    logits : (B, N, C)
    embedding : (B, N, E)
    """

    logits: Tensor
    embedding: Tensor


class FBR(nn.Module):
    """Linear layer with bias, batch normalisation, ReLU on the last axis.

    The steps can also be had apart: :meth:`affine` gives the weights to an operator that applies
    them in its own way, and :meth:`activate` does the rest. ``linear`` and ``norm`` hold the
    parameters and are not called. The momentum of ``norm`` starts at 0.5; see
    :func:`set_bn_momentum`.
    """

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width_in, width_out)
        self.norm = nn.BatchNorm1d(width_out, eps=EPS, momentum=0.5)
        _initialise(self.linear)

    def affine(self) -> tuple[Tensor, Tensor]:
        """Return weight and bias; in evaluation with the normalisation folded in."""
        w, b, norm = self.linear.weight, self.linear.bias, self.norm
        if self.training:
            return w, b
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        return w * scale[:, None], (b - norm.running_mean) * scale + norm.bias

    def activate(self, y: Tensor) -> Tensor:
        """Normalise (in training) and rectify: (..., C) → (..., C)."""
        if not self.training:
            return y.relu()
        return self._normalise(operators.norm_relu, y)

    def activate_max(self, y: Tensor) -> Tensor:
        """Normalise (in training), rectify, maximum over neighbours: (B, m, K, C) → (B, m, C)."""
        if not self.training:
            return y.amax(2).relu()
        return self._normalise(operators.norm_relu_max, y)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) → (..., out)."""
        return self.activate(operators.linear(x, *self.affine()))

    def _normalise(
        self, operator: Callable[..., tuple[Tensor, Tensor, Tensor]], y: Tensor
    ) -> Tensor:
        norm = self.norm
        out, mean, variance = operator(y, norm.weight, norm.bias, norm.eps)
        with torch.no_grad():
            norm.running_mean.lerp_(mean, norm.momentum)
            norm.running_var.lerp_(variance, norm.momentum)
            norm.num_batches_tracked += 1
        return out


class FC(nn.Module):
    """Linear layer with bias, nothing else."""

    def __init__(self, width_in: int, width_out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width_in, width_out)
        _initialise(self.linear)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) → (..., out)."""
        return operators.linear(x, self.linear.weight, self.linear.bias)


class Dropout(nn.Module):
    """Inverted dropout that keeps a number with probability ``keep`` (to 1/65536)."""

    def __init__(self, keep: float) -> None:
        super().__init__()
        self.keep = keep

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape; outside training the same tensor."""
        return operators.dropout(x, self.keep, self.training)


def _initialise(layer: nn.Linear) -> None:
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)


def mlp(width_in: int, widths: Sequence[int]) -> nn.Sequential:
    """Chain FBR layers: width_in → widths[0] → widths[1] → …"""
    ins = (width_in, *widths[:-1])
    return nn.Sequential(*(FBR(a, b) for a, b in zip(ins, widths, strict=True)))


def set_bn_momentum(model: nn.Module, momentum: float) -> None:
    """Set the weight of the newest batch in all running statistics."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.momentum = momentum
