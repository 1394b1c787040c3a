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
    """Lay (B, N, E) out as (B, chunks, E, 256), padded with infinity."""
    B, N, E = e.shape
    chunks = -(-N // 256)
    out = torch.full((B, chunks * 256, E), torch.inf)
    out[:, :N] = e
    return out.view(B, chunks, 256, E).transpose(2, 3).contiguous()


@njit(cache=True, nogil=True)
def _nearest_embeddings(e, columns, index, reach, low, high):
    """Fill index (B, N, K) for units of 64 rows low..high−1; columns is e as _chunked lays it.

    The K-th smallest of the minima of groups of 32 distances is at least the K-th smallest
    distance, so few distances are left to sort. Non-negative floats are compared by their bits,
    as integers, which the compiler turns into vector instructions.
    """
    N, K = index.shape[1], index.shape[2]
    units = (N + 63) // 64
    chunks = columns.shape[1]
    distance = np.empty((chunks, 256), np.float32)
    bits = distance.view(np.int32).reshape(chunks * 8, 32)
    least = np.empty(chunks * 8, np.int32)
    best = np.empty(K, np.int32)
    limit = np.full(1, reach, np.float32).view(np.int32)[0]
    for unit in range(low, high):
        b = unit // units
        first = (unit % units) * 64
        for i in range(first, min(first + 64, N)):
            for chunk in range(chunks):
                _distances(e[b, i], columns[b, chunk], distance[chunk])
            for group in range(chunks * 8):
                row = bits[group]
                m = row[0]
                for j in range(32):
                    m = row[j] if row[j] < m else m
                least[group] = m
            bar = limit
            if chunks * 8 >= K:
                _insert_all(least, best)
                bar = min(bar, best[K - 1])
            slots = index[b, i]
            slots[:] = i
            found = 0
            for group in range(chunks * 8):
                if least[group] > bar:
                    continue
                row = bits[group]
                for j in range(32):
                    d = row[j]
                    if d > bar or (found >= K and d >= best[K - 1]):
                        continue
                    slot = min(found, K - 1)
                    while slot > 0 and d < best[slot - 1]:
                        best[slot] = best[slot - 1]
                        slots[slot] = slots[slot - 1]
                        slot -= 1
                    best[slot] = d
                    slots[slot] = group * 32 + j
                    found += 1


@njit(cache=True, nogil=True)
def _distances(mine, theirs, out):
    """L1 distances of one embedding (E,) to a chunk (E, 256), summed in the order of channels."""
    if len(mine) == 5:  # the published width, in one pass
        a, b, c, d, e = mine[0], mine[1], mine[2], mine[3], mine[4]
        for j in range(256):
            out[j] = (
                abs(theirs[0, j] - a)
                + abs(theirs[1, j] - b)
                + abs(theirs[2, j] - c)
                + abs(theirs[3, j] - d)
                + abs(theirs[4, j] - e)
            )
        return
    out[:] = 0
    for c in range(len(mine)):
        a, x = mine[c], theirs[c]
        for j in range(256):
            out[j] += abs(x[j] - a)


@njit(cache=True, nogil=True)
def _insert_all(values, best):
    """Fill best with the smallest values, sorted; there are at least as many values."""
    K = len(best)
    for n in range(len(values)):
        v = values[n]
        if n >= K and v >= best[K - 1]:
            continue
        slot = min(n, K - 1)
        while slot > 0 and v < best[slot - 1]:
            best[slot] = best[slot - 1]
            slot -= 1
        best[slot] = v


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
