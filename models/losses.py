"""Losses of the joint systems: cross entropy and the discriminative embedding loss.

ASIS (CVPR 2019), Sec. 3.1, eqs. 1-4, with the constants and the L1 norms of the published code
(after De Brabandere et al., 2017). A semantic label −1 is ignored, and so is a point without an
instance (−1); the published code knows neither and is met exactly where there are none.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Margins:
    """Constants of the discriminative loss.

    Attributes
    ----------
    delta_var : float
        Distance to the mean within which a point is not pulled (δ_v).
    delta_dist : float
        Half the distance beyond which two means are not pushed apart (δ_d).
    reg_weight : float
        Weight of the means' distance to the origin.
    """

    delta_var: float = 0.5
    delta_dist: float = 1.5
    reg_weight: float = 0.001


def semantic_loss(logits: Tensor, semantic: Tensor) -> Tensor:
    """Mean cross entropy of the labelled points; 0 where there are none.

    Parameters
    ----------
    logits : (B, N, C)
    semantic : int64 (B, N)
        Class, −1 unlabelled.

    Returns
    -------
    scalar
    """
    total = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), semantic.flatten(), ignore_index=-1, reduction="sum"
    )
    return total / (semantic >= 0).sum().clamp_min(1)


def discriminative_loss(embedding: Tensor, instance: Tensor, margins: Margins) -> dict[str, Tensor]:
    """Pull points to the mean of their instance, push the means of a block apart.

    For a block of I instances with means μ of their points' embeddings e (all norms L1)::

        var  = 1/I Σ_i 1/N_i Σ_j max(|μ_i − e_j| − δ_v, 0)²
        dist = 1/(I(I−1)) Σ_{a≠b} max(2 δ_d − |μ_a − μ_b|, 0)²,   0 if I = 1
        reg  = 1/I Σ_i |μ_i|

    Parameters
    ----------
    embedding : (B, N, E)
    instance : int64 (B, N)
        Any ids that differ within a block; −1 leaves a point out.
    margins : Margins

    Returns
    -------
    dict
        ``instance`` = var + dist + reg_weight · reg, and these three; each is the mean over the
        B blocks, where a block without instances counts 0.
    """
    B, N, E = embedding.shape
    slot, sizes = _slots(instance)  # (B, N), (B, I)
    width = sizes.shape[1]
    present = (sizes > 0).to(embedding.dtype)  # (B, I)
    count = present.sum(1).clamp_min(1)  # (B,)
    per_slot = sizes.clamp_min(1).to(embedding.dtype)
    row = (slot + torch.arange(B, device=slot.device)[:, None] * (width + 1)).flatten()  # (B N,)
    sums = embedding.new_zeros(B * (width + 1), E).index_add(0, row, embedding.flatten(0, 1))
    # the slot behind the last gathers the points without an instance
    mean = (
        sums.view(B, width + 1, E) / torch.nn.functional.pad(per_slot, (0, 1), value=1)[..., None]
    )
    own = mean.flatten(0, 1).index_select(0, row).view(B, N, E)
    excess = ((own - embedding).abs().sum(2) - margins.delta_var).clamp_min(0).square()  # (B, N)
    weight = torch.nn.functional.pad(present / per_slot / count[:, None], (0, 1))  # (B, I + 1)
    var = (excess * weight.gather(1, slot)).sum() / B
    mean = mean[:, :width]  # (B, I, E)
    gap = (mean[:, :, None] - mean[:, None]).abs().sum(3)  # (B, I, I)
    other = present[:, :, None] * present[:, None]
    other = other * (1 - torch.eye(width, dtype=other.dtype, device=other.device))
    pairs = (count * (count - 1)).clamp_min(1)
    push = (2 * margins.delta_dist - gap).clamp_min(0).square() * other
    dist = (push.sum((1, 2)) / pairs).sum() / B
    reg = ((mean.abs().sum(2) * present).sum(1) / count).sum() / B
    total = var + dist + margins.reg_weight * reg
    return {"instance": total, "var": var, "dist": dist, "reg": reg}


def _slots(instance: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rank of each point's instance among its block's ids.

    Parameters
    ----------
    instance : int64 (B, N)

    Returns
    -------
    slot : int64 (B, N)
        Rank of the point's id among the block's ids; I for points without an instance.
    sizes : int64 (B, I)
        Points of each instance; I is the largest number of instances of a block, at least 1.
    """
    ids, order = instance.sort(dim=1, stable=True)
    valid = ids >= 0
    starts = torch.ones_like(valid)
    starts[:, 1:] = ids[:, 1:] != ids[:, :-1]
    rank = (starts & valid).cumsum(1) - 1  # −1 for points without an instance
    width = max(int(rank.max()) + 1, 1) if rank.numel() else 1
    rank = torch.where(valid, rank, width)
    slot = torch.empty_like(rank).scatter_(1, order, rank)
    sizes = rank.new_zeros(len(rank), width + 1).scatter_add_(1, rank, torch.ones_like(rank))
    return slot, sizes[:, :width]
