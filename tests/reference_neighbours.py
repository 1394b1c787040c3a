"""Slow, obvious twins of prep.kernels.neighbours: whole distance matrices and stable sorts."""

from __future__ import annotations

import numpy as np


def squared_distances(a, b):
    """float32 (len(a), len(b)): the sum of squares in the order x, y, z."""
    d = (b[None, :, :] - a[:, None, :]).astype(np.float32)
    return d[..., 0] * d[..., 0] + d[..., 1] * d[..., 1] + d[..., 2] * d[..., 2]


def farthest_points(xyz, k):
    d2 = squared_distances(xyz, xyz)
    chosen = [0][:k]
    while len(chosen) < k:
        chosen.append(int(np.argmax(d2[chosen].min(axis=0))))
    return np.array(chosen, np.int32)


def ball_query(source, centres, radius, n_samples):
    index = np.zeros((len(centres), n_samples), np.int32)
    count = np.zeros(len(centres), np.int32)
    distance = np.maximum(np.sqrt(squared_distances(centres, source)), np.float32(1e-20))
    for i, row in enumerate(distance < np.float32(radius)):
        hits = np.flatnonzero(row)[:n_samples]
        if len(hits):
            index[i] = hits[0]
            index[i, : len(hits)] = hits
        count[i] = len(hits)
    return index, count


def k_nearest(source, query, k):
    d2 = squared_distances(query, source)
    order = np.argsort(d2, axis=1, kind="stable")[:, :k]
    index = np.repeat(order[:, :1], k, axis=1)
    squared = np.full((len(query), k), np.inf, np.float32)
    index[:, : order.shape[1]] = order
    squared[:, : order.shape[1]] = np.take_along_axis(d2, order, axis=1)
    return index.astype(np.int32), squared


def three_nearest(source, query):
    index, squared = k_nearest(source, query, 3)
    w = np.float32(1) / np.maximum(squared, np.float32(1e-10))
    return index, w / (w[:, 0] + w[:, 1] + w[:, 2])[:, None]
