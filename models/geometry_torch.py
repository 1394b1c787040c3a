"""The rules of :mod:`prep.kernels.neighbours` in torch operations, for blocks on a GPU.

Whole batches at once, in chunks of query points so that no B x N x N matrix is held. Every sum of
squares is written out as separate operations, so nothing is contracted and the indices equal those
of the CPU kernels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

CHUNK = 256


class LevelRule(Protocol):
    """The three numbers of :class:`models.geometry.LevelSpec`."""

    @property
    def n_points(self) -> int: ...  # noqa: D102 - named by the class
    @property
    def radius_m(self) -> float: ...  # noqa: D102 - named by the class
    @property
    def n_samples(self) -> int: ...  # noqa: D102 - named by the class


def levels(xyz: Tensor, rules: Sequence[LevelRule]) -> Iterator[tuple[Tensor, ...]]:
    """Yield (centre, ball, near, weight) of every level, as models.geometry.Level has them."""
    for rule in rules:
        centre = farthest_points(xyz, rule.n_points)
        coarse = xyz.gather(1, centre.long()[..., None].expand(-1, -1, 3))
        ball, _ = ball_query(xyz, coarse, rule.radius_m, rule.n_samples)
        yield (centre, ball, *three_nearest(coarse, xyz))
        xyz = coarse


def farthest_points(xyz: Tensor, k: int) -> Tensor:
    """Choose k points of each block; see prep.kernels.neighbours.farthest_points.

    Parameters
    ----------
    xyz : float32 (B, N, 3)
    k : int

    Returns
    -------
    int32 (B, k)
    """
    B, N, _ = xyz.shape
    chosen = torch.zeros(B, k, dtype=torch.int64, device=xyz.device)
    nearest = torch.full((B, N), torch.inf, dtype=xyz.dtype, device=xyz.device)
    last = chosen[:, 0]
    order = torch.arange(N, device=xyz.device)
    for i in range(1, k):
        centre = xyz.gather(1, last.view(B, 1, 1).expand(B, 1, 3))
        nearest = torch.minimum(nearest, _squared(centre, xyz)[:, 0])  # (B, N)
        # argmax promises no particular index among equals
        top = nearest == nearest.amax(1, keepdim=True)
        last = torch.where(top, order, N).amin(1)
        chosen[:, i] = last
    return chosen.int()


def ball_query(
    source: Tensor, centres: Tensor, radius: float, n_samples: int
) -> tuple[Tensor, Tensor]:
    """Find the first points inside each ball; see prep.kernels.neighbours.ball_query.

    Parameters
    ----------
    source : float32 (B, N, 3)
    centres : float32 (B, k, 3)
    radius : float
        Metres.
    n_samples : int

    Returns
    -------
    index : int32 (B, k, n_samples)
    count : int32 (B, k)
    """
    N = source.shape[1]
    order = torch.arange(N, dtype=torch.int32, device=source.device)
    kept = min(N, n_samples)
    indices, counts = [], []
    for part in centres.split(CHUNK, dim=1):
        inside = _squared(part, source).sqrt().clamp_min(1e-20) < radius  # (B, c, N)
        hits = torch.where(inside, order, N).topk(kept, largest=False, sorted=True).values
        missing = hits.new_full((*hits.shape[:2], n_samples - kept), N)
        hits = torch.cat([hits, missing], dim=2)  # (B, c, n_samples)
        first = torch.where(hits[..., :1] < N, hits[..., :1], 0)
        indices.append(torch.where(hits < N, hits, first))
        counts.append((hits < N).sum(2, dtype=torch.int32))
    return torch.cat(indices, 1), torch.cat(counts, 1)


def k_nearest(source: Tensor, query: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Find the k nearest points; see prep.kernels.neighbours.k_nearest.

    Parameters
    ----------
    source : float32 (B, N, 3)
    query : float32 (B, q, 3)
    k : int

    Returns
    -------
    index : int32 (B, q, k)
    squared : float32 (B, q, k)
    """
    indices, distances = [], []
    for part in query.split(CHUNK, dim=1):
        index, squared = smallest(_squared(part, source), k)
        indices.append(index)
        distances.append(squared)
    return torch.cat(indices, 1), torch.cat(distances, 1)


def smallest(distance: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Select the k smallest of each row, sorted by (value, index).

    Parameters
    ----------
    distance : float32 (..., n)
        Not negative, no NaN.
    k : int
        Slots beyond n repeat the first index, at an infinite distance.

    Returns
    -------
    index : int32 (..., k)
    value : float32 (..., k)
    """
    n = distance.shape[-1]
    # bits of non-negative floats order as the floats do; the index below them breaks ties
    bits = distance.contiguous().view(torch.int32).long()
    key = (bits << 32) | torch.arange(n, device=distance.device)
    index = key.topk(min(k, n), largest=False, sorted=True).values & 0xFFFFFFFF
    value = distance.gather(-1, index)
    if k > n:
        shape = (*index.shape[:-1], k - n)
        index = torch.cat([index, index[..., :1].expand(shape)], -1)
        value = torch.cat([value, value.new_full(shape, torch.inf)], -1)
    return index.int(), value


def three_nearest(source: Tensor, query: Tensor) -> tuple[Tensor, Tensor]:
    """Find three neighbours and their weights; see prep.kernels.neighbours.three_nearest.

    Parameters
    ----------
    source : float32 (B, m, 3)
    query : float32 (B, M, 3)

    Returns
    -------
    index : int32 (B, M, 3)
    weight : float32 (B, M, 3)
    """
    index, squared = k_nearest(source, query, 3)
    w = 1 / squared.clamp_min(1e-10)
    return index, w / (w[..., 0] + w[..., 1] + w[..., 2])[..., None]


def _squared(query: Tensor, source: Tensor) -> Tensor:
    """Return the squared distances, (B, q, n), summed in the order x, y, z."""
    out = (source[:, None, :, 0] - query[:, :, None, 0]).square_()
    out += (source[:, None, :, 1] - query[:, :, None, 1]).square_()
    out += (source[:, None, :, 2] - query[:, :, None, 2]).square_()
    return out
