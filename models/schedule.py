"""How learning rate and batch-norm momentum fall with the number of samples seen.

Source: ASIS, JSNet and JSPNet published code. The papers' "every 300k iterations" are samples:
300,000 samples are 12,500 iterations of 24 blocks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from models.nets.layers import set_bn_momentum
from prep.errors import OptionError


@dataclass(frozen=True)
class Schedule:
    """Staircases in samples; both laws halve at the same sample counts.

    Attributes
    ----------
    lr, lr_min : float
        First and lowest learning rate.
    decay : float
        Factor of one step of both staircases.
    decay_samples : int
        Samples of one step.
    bn_momentum, bn_momentum_min : float
        First and lowest weight of the new batch in the running statistics (the momentum of
        torch, one minus TensorFlow's decay).
    """

    lr: float = 1e-3
    lr_min: float = 1e-5
    decay: float = 0.5
    decay_samples: int = 300_000
    bn_momentum: float = 0.5
    bn_momentum_min: float = 0.01

    def __post_init__(self) -> None:
        faults = []
        if not 0 < self.lr_min <= self.lr < math.inf:
            faults.append(
                f"lr {self.lr} must be finite and at least lr_min {self.lr_min}, which is above 0"
            )
        if not 0 < self.decay <= 1:
            faults.append(f"decay {self.decay} must lie in (0, 1]")
        if self.decay_samples < 1:
            faults.append(f"decay_samples {self.decay_samples} must be at least 1")
        if not 0 < self.bn_momentum_min <= self.bn_momentum <= 1:
            faults.append(
                f"bn_momentum {self.bn_momentum} must lie in "
                f"[bn_momentum_min {self.bn_momentum_min}, 1]"
            )
        if faults:
            raise OptionError("schedule: " + "; ".join(faults))

    def lr_at(self, samples: int) -> float:
        """Return the learning rate after ``samples`` samples."""
        return max(self.lr_min, self.lr * self.decay ** (samples // self.decay_samples))

    def bn_momentum_at(self, samples: int) -> float:
        """Return the batch-norm momentum after ``samples`` samples."""
        steps = samples // self.decay_samples
        return max(self.bn_momentum_min, self.bn_momentum * self.decay**steps)

    def apply(self, samples: int, model: nn.Module, optimizer: torch.optim.Optimizer) -> float:
        """Set both on a model and its optimizer, and return the learning rate."""
        lr = self.lr_at(samples)
        for group in optimizer.param_groups:
            group["lr"] = lr
        set_bn_momentum(model, self.bn_momentum_at(samples))
        return lr
