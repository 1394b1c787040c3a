"""Numba loops behind :mod:`models.nets.operators`, for the CPU.

Every kernel works on a range of chunks, groups or blocks, so that a few threads share a call; no
two ranges write to the same place, and partial sums are kept for each chunk, so the result does
not depend on the number of threads. Floats are float32 or float64 throughout; a last axis is a
channel and is contiguous.
"""

from __future__ import annotations

import numpy as np
from numba import njit

CHUNK = 256
"""Rows whose sums are accumulated in the arrays' own precision before float64 takes over."""

DROP_CHUNK = 4096
"""Numbers in a chunk of :func:`drop`."""


@njit(cache=True, nogil=True)
def row_sums(y, shift, sums, low, high):
    """Sum ``y − shift`` and its square over the rows of chunks low..high−1.

    y (R, C), shift (C,) → sums (chunks, 2, C) float64.
    """
    R, C = y.shape
    s, q = np.zeros(C, y.dtype), np.zeros(C, y.dtype)
    for chunk in range(low, high):
        s[:] = 0
        q[:] = 0
        for r in range(chunk * 256, min(chunk * 256 + 256, R)):
            row = y[r]
            for c in range(C):
                d = row[c] - shift[c]
                s[c] += d
                q[c] += d * d
        for c in range(C):
            sums[chunk, 0, c] = s[c]
            sums[chunk, 1, c] = q[c]


@njit(cache=True, nogil=True)
def scale_relu(y, scale, shift, out, low, high):
    """``out = max(y · scale + shift, 0)`` on rows low..high−1; y, out (R, C)."""
    zero = y.dtype.type(0)
    for r in range(low, high):
        row, to = y[r], out[r]
        for c in range(row.shape[0]):
            z = row[c] * scale[c] + shift[c]
            to[c] = zero if z <= zero else z  # NaN stays NaN


@njit(cache=True, nogil=True)
def relu_grad_sums(g, y, scale, shift, mean, sums, low, high):
    """Sum the gradient behind the ReLU, and its product with ``y − mean``, over chunks of rows.

    g, y (R, C) → sums (chunks, 2, C) float64.
    """
    R, C = y.shape
    zero = y.dtype.type(0)
    s, q = np.zeros(C, y.dtype), np.zeros(C, y.dtype)
    for chunk in range(low, high):
        s[:] = 0
        q[:] = 0
        for r in range(chunk * 256, min(chunk * 256 + 256, R)):
            row, grad = y[r], g[r]
            for c in range(C):
                v = row[c]
                d = grad[c] if v * scale[c] + shift[c] > zero else zero
                s[c] += d
                q[c] += d * (v - mean[c])
        for c in range(C):
            sums[chunk, 0, c] = s[c]
            sums[chunk, 1, c] = q[c]


@njit(cache=True, nogil=True)
def relu_grad(g, y, scale, shift, slope, offset, out, low, high):
    """``out = scale · relu'(z) · g − (offset + slope · y)`` on rows low..high−1, z as above."""
    zero = y.dtype.type(0)
    for r in range(low, high):
        row, grad, to = y[r], g[r], out[r]
        for c in range(row.shape[0]):
            v = row[c]
            d = grad[c] if v * scale[c] + shift[c] > zero else zero
            to[c] = scale[c] * d - (offset[c] + slope[c] * v)


@njit(cache=True, nogil=True)
def scale_max(y, scale, shift, out, which, low, high):
    """``out = max over k of max(y · scale + shift, 0)`` for groups low..high−1.

    y (G, K, C) → out (G, C), which (G, C) int16: the first k that holds the maximum.
    """
    K, C = y.shape[1], y.shape[2]
    zero = y.dtype.type(0)
    best, arg = np.empty(C, y.dtype), np.empty(C, np.int32)
    for i in range(low, high):
        row = y[i, 0]
        for c in range(C):
            best[c] = row[c] * scale[c] + shift[c]
            arg[c] = 0
        for k in range(1, K):
            row = y[i, k]
            slot = np.int32(k)
            for c in range(C):
                z = row[c] * scale[c] + shift[c]
                arg[c] = slot if z > best[c] else arg[c]
                best[c] = z if z > best[c] else best[c]
        for c in range(C):
            out[i, c] = zero if best[c] <= zero else best[c]  # NaN stays NaN
            which[i, c] = arg[c]


@njit(cache=True, nogil=True)
def max_grad_sums(g, y, out, which, mean, sums, low, high):
    """Sum the gradient that passes the maximum, and its product with ``y − mean``.

    g, out, which (G, C), y (G, K, C) → sums (chunks of groups, 2, C) float64.
    """
    G, C = g.shape
    for chunk in range(low, high):
        for c in range(C):
            sums[chunk, 0, c] = 0.0
            sums[chunk, 1, c] = 0.0
        for i in range(chunk * 256, min(chunk * 256 + 256, G)):
            for c in range(C):
                if out[i, c] > 0:
                    sums[chunk, 0, c] += g[i, c]
                    sums[chunk, 1, c] += g[i, c] * (y[i, which[i, c], c] - mean[c])


@njit(cache=True, nogil=True)
def max_grad(g, y, out, which, scale, slope, offset, dy, low, high):
    """Gradient of y: ``−(offset + slope · y)`` everywhere, ``scale · g`` more at the maximum."""
    K, C = y.shape[1], y.shape[2]
    for i in range(low, high):
        for k in range(K):
            row, to = y[i, k], dy[i, k]
            for c in range(C):
                to[c] = -(offset[c] + slope[c] * row[c])
        for c in range(C):
            if out[i, c] > 0:
                dy[i, which[i, c], c] += scale[c] * g[i, c]


@njit(cache=True, nogil=True)
def gather_difference(p, centre, index, out, low, high):
    """``out[b, i, k] = p[b, index[b, i, k]] − centre[b, i]`` for blocks low..high−1.

    p (B, M, C), centre (B, m, C), index (B, m, K) → out (B, m, K, C).
    """
    C = p.shape[2]
    for b in range(low, high):
        for i in range(index.shape[1]):
            minus = centre[b, i]
            for k in range(index.shape[2]):
                row, to = p[b, index[b, i, k]], out[b, i, k]
                for c in range(C):
                    to[c] = row[c] - minus[c]


@njit(cache=True, nogil=True)
def gather_difference_grad(g, index, dp, dcentre, low, high):
    """Gradients of p and (with the sign turned) of centre in gather_difference."""
    C = g.shape[3]
    for b in range(low, high):
        dp[b] = 0
        dcentre[b] = 0
        for i in range(index.shape[1]):
            total = dcentre[b, i]
            for k in range(index.shape[2]):
                grad, to = g[b, i, k], dp[b, index[b, i, k]]
                for c in range(C):
                    to[c] += grad[c]
                    total[c] += grad[c]


@njit(cache=True, nogil=True)
def add_interpolated(p, near, weight, out, low, high):
    """``out[b, j] += Σ_k weight[b, j, k] · p[b, near[b, j, k]]`` for blocks low..high−1.

    p (B, m, C), near, weight (B, M, 3) → out (B, M, C).
    """
    C = p.shape[2]
    for b in range(low, high):
        for j in range(near.shape[1]):
            x, y, z = p[b, near[b, j, 0]], p[b, near[b, j, 1]], p[b, near[b, j, 2]]
            u = p.dtype.type(weight[b, j, 0])
            v = p.dtype.type(weight[b, j, 1])
            w = p.dtype.type(weight[b, j, 2])
            to = out[b, j]
            for c in range(C):
                to[c] += u * x[c] + v * y[c] + w * z[c]


@njit(cache=True, nogil=True)
def interpolated_grad(g, near, weight, dp, low, high):
    """Gradient of p in add_interpolated."""
    C = g.shape[2]
    for b in range(low, high):
        dp[b] = 0
        for j in range(near.shape[1]):
            grad = g[b, j]
            for k in range(3):
                w = g.dtype.type(weight[b, j, k])
                to = dp[b, near[b, j, k]]
                for c in range(C):
                    to[c] += w * grad[c]


@njit(cache=True, nogil=True)
def drop(x, out, threshold, factor, seed, low, high):
    """``out = x · factor`` where 16 random bits lie below the threshold, else 0.

    x, out (n,); chunks of 4096 numbers. The bits are a mix of the number's place (32 bits) and
    the seed (64 bits), so the mask does not depend on the division into chunks.
    """
    scale, zero, limit = x.dtype.type(factor), x.dtype.type(0), np.uint32(threshold)
    one, two = np.uint32(seed & np.uint64(0xFFFFFFFF)), np.uint32(seed >> np.uint64(32))
    for chunk in range(low, high):
        xs, to = x[chunk * 4096 : chunk * 4096 + 4096], out[chunk * 4096 : chunk * 4096 + 4096]
        first = np.uint32(chunk * 4096)
        for i in range(len(xs)):
            h = np.uint32(np.uint32(first + np.uint32(i)) ^ one)
            h = np.uint32(np.uint32(h ^ (h >> np.uint32(16))) * np.uint32(0x7FEB352D))
            h = np.uint32(np.uint32(h ^ (h >> np.uint32(15)) ^ two) * np.uint32(0x846CA68B))
            h = np.uint32(np.uint32(h ^ (h >> np.uint32(16))) * np.uint32(0x9E3779B1))
            h = np.uint32(h >> np.uint32(16))
            to[i] = xs[i] * scale if h < limit else zero
