"""Slow twins of layers, of the ASIS aggregation and of the discriminative loss, in float64.

Written from the equations: grouped and interpolated tensors are laid out in full, sums over
points, instances and pairs are Python loops.
"""

from __future__ import annotations

import numpy as np
import torch


def linear_norm_relu(x, weight, bias, gamma, beta, eps=1e-3):
    """x (..., C): the normalisation runs over all rows."""
    y = x @ weight.t() + bias
    rows = y.reshape(-1, y.shape[-1])
    mean = rows.sum(0) / len(rows)
    variance = ((rows - mean) ** 2).sum(0) / len(rows)
    return torch.relu((y - mean) / torch.sqrt(variance + eps) * gamma + beta)


def layers_of(sequence):
    """The parameters of models.nets.layers.FBR modules, as linear_norm_relu takes them."""
    return [(f.linear.weight, f.linear.bias, f.norm.weight, f.norm.bias) for f in sequence]


def set_abstraction(x, layers, ball, centre):
    """PointNet++: concat [xyz_j − xyz_i, features_j], layers, maximum over the ball."""
    blocks = []
    for b in range(len(x)):
        balls = []
        for i, neighbours in enumerate(ball[b].tolist()):
            xyz = x[b, int(centre[b, i]), :3]
            balls.append(
                torch.stack([torch.cat([x[b, j, :3] - xyz, x[b, j, 3:]]) for j in neighbours])
            )
        blocks.append(torch.stack(balls))
    out = torch.stack(blocks)
    for layer in layers:
        out = linear_norm_relu(out, *layer)
    return out.max(2).values


def feature_propagation(coarse, skip, layers, near, weight):
    """PointNet++: concat [Σ w coarse, skip], layers."""
    blocks = []
    for b in range(len(skip)):
        rows = []
        for j in range(skip.shape[1]):
            interpolated = sum(
                weight[b, j, k].double() * coarse[b, int(near[b, j, k])] for k in range(3)
            )
            rows.append(torch.cat([interpolated, skip[b, j]]))
        blocks.append(torch.stack(rows))
    out = torch.stack(blocks)
    for layer in layers:
        out = linear_norm_relu(out, *layer)
    return out


def embedding_neighbours(embedding, k, reach):
    """ASIS: the k smallest L1 distances, those above the reach replaced by the point itself."""
    out = np.empty((len(embedding), len(embedding[0]), k), np.int32)
    for b, block in enumerate(np.asarray(embedding, np.float32)):
        for i, e in enumerate(block):
            distance = np.zeros(len(block), np.float32)
            for c in range(len(e)):
                distance += np.abs(block[:, c] - e[c])
            order = np.argsort(distance, kind="stable")[:k]
            kept = [j if distance[j] <= np.float32(reach) else i for j in order]
            out[b, i] = kept + [i] * (k - len(kept))
    return out


def neighbour_max(x, index):
    """ASIS eq. 6: F_ISEM = max over the neighbours' F_SEM, channel by channel."""
    return torch.stack(
        [
            torch.stack([x[b, neighbours].max(0).values for neighbours in index[b].tolist()])
            for b in range(len(x))
        ]
    )


def discriminative_loss(embedding, instance, delta_var=0.5, delta_dist=1.5, reg_weight=0.001):
    """ASIS eqs. 1-4 with L1 norms; blocks without instances count 0."""
    embedding = np.asarray(embedding, np.float64)
    totals = {"instance": 0.0, "var": 0.0, "dist": 0.0, "reg": 0.0}
    for e, ids in zip(embedding, np.asarray(instance), strict=True):
        groups = [e[ids == i] for i in np.unique(ids) if i != -1]
        if not groups:
            continue
        means = [g.mean(0) for g in groups]
        var = dist = 0.0
        for g, mu in zip(groups, means, strict=True):
            var += sum(max(np.abs(mu - p).sum() - delta_var, 0) ** 2 for p in g) / len(g)
        var /= len(groups)
        if len(groups) > 1:
            for a in range(len(groups)):
                for b in range(len(groups)):
                    if a != b:
                        gap = np.abs(means[a] - means[b]).sum()
                        dist += max(2 * delta_dist - gap, 0) ** 2
            dist /= len(groups) * (len(groups) - 1)
        reg = sum(np.abs(mu).sum() for mu in means) / len(groups)
        totals["var"] += var
        totals["dist"] += dist
        totals["reg"] += reg
        totals["instance"] += var + dist + reg_weight * reg
    return {name: value / len(embedding) for name, value in totals.items()}
