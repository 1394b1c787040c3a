"""Neighbours in the space of embeddings, and the maximum of features over them.

On the CPU both are numba loops over the rows of a block: neither the N x N matrix of distances nor
the N x K x C gathered features are ever held. Elsewhere torch operations do it in chunks of rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from models.geometry_torch import CHUNK, smallest
from models.nets import operators
from models.nets.memory import empty
from models.nets.threads import share

ROWS = 64
"""Rows of one block in a unit of work."""


def embedding_neighbours(embedding: Tensor, k: int, reach: float) -> Tensor:
    """Find the k nearest embeddings (L1) of every point of a block, itself included.

    Parameters
    ----------
    embedding : float32 (B, N, E)
    k : int
        At most N neighbours are different points.
    reach : float
        A neighbour at a distance above this is replaced by the point itself.

    Returns
    -------
    int32 (B, N, k)
        Sorted by (distance, index), replaced ones last; no gradient.
    """
    e = embedding.detach()
    B, N, _ = e.shape
    if operators.has_kernels(e):
        index = empty((B, N, k), torch.int32)
        columns = _chunked(e)
        arrays = [t.numpy() for t in (e.float().contiguous(), columns, index)]
        share(_nearest_embeddings, B * -(-N // ROWS), *arrays, np.float32(reach))
        return index
    own = torch.arange(N, dtype=torch.int32, device=e.device).view(1, N, 1)
    found = []
    for rows, me in zip(e.split(CHUNK, 1), own.split(CHUNK, 1), strict=True):
        distance = sum(
            (rows[:, :, None, c] - e[:, None, :, c]).abs() for c in range(e.shape[2])
        )  # (B, rows, N)
        index, value = smallest(distance, k)
        found.append(torch.where(value <= reach, index, me))
    return torch.cat(found, 1)


def neighbour_max(x: Tensor, index: Tensor) -> Tensor:
    """Take the maximum of the neighbours' features, channel by channel.

    Parameters
    ----------
    x : (B, N, C)
    index : int32 (B, M, K)

    Returns
    -------
    (B, M, C)
        The gradient goes to the first neighbour that holds the maximum.
    """
    if operators.has_kernels(x):
        return _NeighbourMax.apply(x, index)
    return torch.cat([operators.gather(x, part).max(2).values for part in index.split(CHUNK, 1)], 1)


class _NeighbourMax(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor) -> Tensor:
        B, M, _ = index.shape
        C = x.shape[2]
        out, source = empty((B, M, C), x.dtype), empty((B, M, C), torch.int32)
        arrays = [t.numpy() for t in (x.detach().contiguous(), index, out, source)]
        share(_max_of_rows, B * -(-M // ROWS), *arrays)
        ctx.save_for_backward(source)
        ctx.shape = x.shape
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (source,) = ctx.saved_tensors
        dx = empty(ctx.shape, grad.dtype)
        arrays = [t.numpy() for t in (grad.contiguous(), source, dx)]
        share(_max_of_rows_grad, len(dx), *arrays)
        return dx, None


def _chunked(e: Tensor) -> Tensor:
    """Lay (B, N, E) out as (B, chunks, E, 64), padded with infinity."""
    B, N, E = e.shape
    chunks = -(-N // 64)
    out = torch.full((B, chunks * 64, E), torch.inf)
    out[:, :N] = e
    return out.view(B, chunks, 64, E).transpose(2, 3).contiguous()


@njit(cache=True, nogil=True)
def _nearest_embeddings(e, columns, index, reach, low, high):
    """Fill index (B, N, K) for units of 64 rows low..high−1; columns is e as _chunked lays it."""
    N, E = e.shape[1], e.shape[2]
    K = index.shape[2]
    units = (N + 63) // 64
    distance = np.empty(64, np.float32)
    best = np.empty(K, np.float32)
    for unit in range(low, high):
        b = unit // units
        first = (unit % units) * 64
        for i in range(first, min(first + 64, N)):
            slots = index[b, i]
            slots[:] = i
            best[:] = np.inf
            found = 0
            # distances above the reach never enter; once the list is full, its last one is the bar
            worst = np.nextafter(reach, np.float32(np.inf))
            for chunk in range(columns.shape[1]):
                distance[:] = 0
                for c in range(E):
                    mine, theirs = e[b, i, c], columns[b, chunk, c]
                    for j in range(64):
                        distance[j] += abs(theirs[j] - mine)
                closer = np.int32(0)
                for j in range(64):
                    closer += np.int32(distance[j] < worst)
                if closer == 0:
                    continue
                for j in range(64):
                    d = distance[j]
                    if d < worst:
                        slot = min(found, K - 1)
                        while slot > 0 and d < best[slot - 1]:
                            best[slot] = best[slot - 1]
                            slots[slot] = slots[slot - 1]
                            slot -= 1
                        best[slot] = d
                        slots[slot] = chunk * 64 + j
                        found += 1
                        if found >= K:
                            worst = best[K - 1]


@njit(cache=True, nogil=True)
def _max_of_rows(x, index, out, source, low, high):
    """Fill out and source (B, M, C) for units of 64 rows low..high−1."""
    M, K = index.shape[1], index.shape[2]
    C = x.shape[2]
    units = (M + 63) // 64
    for unit in range(low, high):
        b = unit // units
        first = (unit % units) * 64
        for i in range(first, min(first + 64, M)):
            best, arg = out[b, i], source[b, i]
            best[:] = x[b, index[b, i, 0]]
            arg[:] = index[b, i, 0]
            for k in range(1, K):
                j = index[b, i, k]
                row = x[b, j]
                for c in range(C):
                    arg[c] = j if row[c] > best[c] else arg[c]
                    best[c] = row[c] if row[c] > best[c] else best[c]


@njit(cache=True, nogil=True)
def _max_of_rows_grad(g, source, dx, low, high):
    """Scatter g (B, M, C) to the rows that held the maximum, blocks low..high−1."""
    for b in range(low, high):
        dx[b] = 0
        for i in range(g.shape[1]):
            for c in range(g.shape[2]):
                dx[b, source[b, i, c], c] += g[b, i, c]
