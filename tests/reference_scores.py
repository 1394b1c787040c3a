"""Slow, obvious twins of clustering, merging and metrics: plain Python over points."""

from __future__ import annotations

import math
from collections import Counter


def mean_shift(points, bandwidth, max_iter=300):
    """Flat-kernel mean shift; its sums run in the order of the points."""
    points = [tuple(float(v) for v in p) for p in points]
    seeds = {tuple(round(v / bandwidth) for v in p): None for p in points}
    starts = [tuple(c * bandwidth for c in s) for s in seeds]
    if len(starts) == len(points):
        starts = points
    found = {}
    for mean in starts:
        for _ in range(max_iter + 1):
            ball = [p for p in points if math.dist(p, mean) <= bandwidth]
            if not ball:
                break
            old = mean
            mean = tuple(sum(axis) / len(ball) for axis in zip(*ball, strict=True))
            if math.dist(mean, old) <= 1e-3 * bandwidth:
                break
        if ball:
            found[mean] = len(ball)
    kept = []
    for _, mean in sorted(((n, m) for m, n in found.items()), reverse=True):
        if all(math.dist(mean, k) > bandwidth for k in kept):
            kept.append(mean)
    return [min(range(len(kept)), key=lambda k: (math.dist(p, kept[k]), k)) for p in points]


def mode(values):
    """Return the commonest value, of equals the smallest."""
    counts = Counter(values)
    return min(counts, key=lambda v: (-counts[v], v))


def merge_blocks_paper(coord, cluster, semantic, gap=5e-3):
    instance_of, class_of = {}, {}
    for block, labels, classes in zip(coord, cluster, semantic, strict=True):
        cells = [tuple(int(v / gap) for v in p) for p in block]
        groups = range(max(labels) + 1)
        group_class = [
            mode([c for c, g in zip(classes, labels, strict=True) if g == k] or [0]) for k in groups
        ]
        size, overlap = [1 for _ in groups], [[0] * 300 for _ in groups]
        for cell, g in zip(cells, labels, strict=True):
            size[g] += 1
            if class_of.get(cell) == group_class[g] and instance_of[cell] < 300:
                overlap[g][instance_of[cell]] += 1
        newest = max(instance_of.values(), default=-1)
        target = []
        for g in groups:
            best = max(overlap[g])
            target.append(overlap[g].index(best))
            if best < 7 and size[g] > 30:
                newest += 1
                target[g] = newest
        for cell, g in zip(cells, labels, strict=True):
            if cell not in instance_of:
                instance_of[cell], class_of[cell] = target[g], group_class[g]
    return [instance_of[tuple(int(v / gap) for v in p)] for block in coord for p in block]


def drop_small(instance, semantic, mean_size, fraction=0.25):
    new = {-1: -1}
    for i in sorted(set(instance) - {-1}):
        classes = [s for j, s in zip(instance, semantic, strict=True) if j == i]
        keep = len(classes) > fraction * mean_size[mode(classes)]
        new[i] = sum(v >= 0 for v in new.values()) if keep else -1
    return [new[i] for i in instance]


def merge_blocks_full(
    xyz, point, cluster, semantic, n_points, voxel_m=0.05, join_share=0.3, join_points=7
):
    corner = None
    blocks = []
    for b, row in enumerate(point):
        seen, rows = set(), []
        for j, p in enumerate(row):
            if p >= 0 and p not in seen:
                seen.add(p)
                if cluster[b][j] >= 0:
                    rows.append((p, tuple(xyz[b][j]), cluster[b][j], semantic[b][j]))
        blocks.append(rows)
    used = [x for rows in blocks for _, x, _, _ in rows]
    if not used:
        return [-1] * n_points
    corner = [min(axis) for axis in zip(*used, strict=True)]

    def voxel(x):
        return tuple(math.floor((v - c) / voxel_m) for v, c in zip(x, corner, strict=True))

    owner, visited, votes = {}, set(), [set() for _ in range(n_points)]
    union, apart, n_instances = {}, [], 0

    def root(i):
        while union.get(i, i) != i:
            i = union[i]
        return i

    for b, rows in enumerate(blocks):
        chosen = {}
        for g in sorted({c for _, _, c, _ in rows}):
            members = [(p, x, s) for p, x, c, s in rows if c == g]
            group_class = mode([s for _, _, s in members])
            known = sum(voxel(x) in visited for _, x, _ in members)
            overlap = Counter(
                root(owner[voxel(x), group_class])
                for _, x, _ in members
                if (voxel(x), group_class) in owner
            )
            fitting = [
                i
                for i, n in sorted(overlap.items(), key=lambda item: (-item[1], item[0]))
                if n >= join_points and n >= join_share * known
            ]
            if not fitting:
                chosen[g] = (n_instances, group_class, len(members))
                n_instances += 1
                continue
            best = fitting[0]
            for other in fitting[1:]:
                if not any({root(i), root(j)} == {best, other} for i, j in apart):
                    union[max(best, other)] = min(best, other)
                    best = min(best, other)
            chosen[g] = (best, group_class, len(members))
        for g, (i, c, n) in chosen.items():
            for h, (j, d, m) in chosen.items():
                if g < h and c == d and root(i) != root(j) and min(n, m) >= join_points:
                    apart.append((root(i), root(j)))
        for p, x, g, _ in rows:
            owner.setdefault((voxel(x), chosen[g][1]), chosen[g][0])
            visited.add(voxel(x))
            votes[p].add((b, chosen[g][0]))
    answer = [mode([root(i) for _, i in v]) if v else -1 for v in votes]
    number = {i: k for k, i in enumerate(sorted(set(answer) - {-1}))} | {-1: -1}
    return [number[i] for i in answer]


def scores(rooms, n_classes):
    """Return the seven means with 0/0 = 0; rooms are (gt_sem, gt_ins, sem, ins) lists."""
    tp, gt, pred = ([0] * n_classes for _ in range(3))
    right, n_pred, n_true = ([0] * n_classes for _ in range(3))
    cov, wcov = [[] for _ in range(n_classes)], [[] for _ in range(n_classes)]
    answered = labelled = 0
    for room in rooms:
        points = [p for p in zip(*room, strict=True) if p[0] >= 0]
        labelled += len(points)
        for gs, _, ps, _ in points:
            gt[gs] += 1
            if ps >= 0:
                pred[ps] += 1
                tp[gs] += gs == ps
                answered += 1
        true = _instances([(p[0], p[1]) for p in points])
        found = _instances([(p[2], p[3]) for p in points])
        for c in range(n_classes):
            mine = [s for k, s in true if k == c]
            other = [s for k, s in found if k == c]
            best = [max((_iou(t, f) for f in other), default=0) for t in mine]
            n_true[c] += len(mine)
            n_pred[c] += len(other)
            right[c] += sum(any(_iou(t, f) >= 0.5 for t in mine) for f in other)
            if mine:
                total = sum(map(len, mine))
                cov[c].append(sum(best) / len(mine))
                wcov[c].append(sum(v * len(t) / total for v, t in zip(best, mine, strict=True)))

    def mean(values):
        return sum(values) / len(values) if values else 0

    def each(above, below):
        return mean([a / b if b else 0 for a, b in zip(above, below, strict=True)])

    return {
        "oAcc": sum(tp) / labelled if labelled else 0,
        "mAcc": each(tp, gt),
        "mIoU": each(tp, [g + p - t for g, p, t in zip(gt, pred, tp, strict=True)]),
        "mCov": mean([mean(v) for v in cov]),
        "mWCov": mean([mean(v) for v in wcov]),
        "mPrec": each(right, n_pred),
        "mRec": each(right, n_true),
    }


def _instances(pairs):
    members = {}
    for at, (semantic, instance) in enumerate(pairs):
        if instance >= 0:
            members.setdefault(instance, []).append((at, semantic))
    result = []
    for rows in members.values():
        classes = [s for _, s in rows if s >= 0]
        if classes:
            result.append((mode(classes), {at for at, _ in rows}))
    return result


def _iou(a, b):
    return len(a & b) / len(a | b)
