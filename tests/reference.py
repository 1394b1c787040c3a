"""The slow obvious twins of prep's kernels: plain numpy and Python, one thing after the other."""

from __future__ import annotations

import math

import numpy as np

MASK = (1 << 64) - 1
GAMMA = 0x9E3779B97F4A7C15


# ---- cutting ----------------------------------------------------------------------------------


def corners_serpentine(extent_x, extent_y, block_m, stride_m):
    n_x = max(1, int(np.ceil((extent_x - block_m) / stride_m)) + 1)
    n_y = max(1, int(np.ceil((extent_y - block_m) / stride_m)) + 1)
    corners = []
    for i in range(n_x):
        rows = range(n_y) if i % 2 == 0 else range(n_y - 1, -1, -1)
        corners.extend((i * stride_m, j * stride_m) for j in rows)
    return np.array(corners, np.float64)


def members_by_mask(xyz, corner, block_m):
    x, y = xyz[:, 0], xyz[:, 1]
    inside_x = (x >= corner[0]) & (x <= corner[0] + block_m)
    inside_y = (y >= corner[1]) & (y <= corner[1] + block_m)
    return np.flatnonzero(inside_x & inside_y)


def cell_order(xy, cell_m):
    def cell(i):
        return math.floor(xy[i, 0] / cell_m), math.floor(xy[i, 1] / cell_m)

    return np.array(sorted(range(len(xy)), key=cell), np.int64)


# ---- drawing ----------------------------------------------------------------------------------


def splitmix64_output(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


class Stream:
    """One random stream: splitmix64, and Lemire's unbiased bounded draws of its upper halves."""

    def __init__(self, seed, number):
        self.state = splitmix64_output((splitmix64_output((seed + GAMMA) & MASK) + number) & MASK)

    def below(self, n):
        while True:
            self.state = (self.state + GAMMA) & MASK
            product = (splitmix64_output(self.state) >> 32) * n
            if product & 0xFFFFFFFF >= (1 << 32) % n:
                return product >> 32

    def shuffled(self, items, k):
        items = list(items)
        for i in range(k):
            j = i + self.below(len(items) - i)
            items[i], items[j] = items[j], items[i]
        return items


def sample_repeating(members, source, n_points, seed, number):
    stream, n = Stream(seed, number), len(members)
    drawn = sorted(members, key=lambda i: source[i]) if n <= n_points else []
    while len(drawn) < n_points:
        drawn.append(members[stream.below(n)])
    return np.array(drawn)


def sample_distinct(members, n_points, seed, number):
    stream, drawn = Stream(seed, number), []
    while len(drawn) < n_points:
        k = min(len(members), n_points - len(drawn))
        members = stream.shuffled(members, k)
        drawn.extend(members[:k])
    return np.array(drawn)


# ---- features ---------------------------------------------------------------------------------


def nine_features(xyz, color, sample, room_max, block_m=1.0):
    features = np.zeros((len(sample), sample.shape[1], 9))
    for b, rows in enumerate(sample):
        points = xyz[rows].astype(np.float64)
        for axis in (0, 1):
            middle = points[:, axis].min() + block_m / 2
            features[b, :, axis] = points[:, axis] - middle
        features[b, :, 2] = points[:, 2]
        if color is not None:
            features[b, :, 3:6] = color[rows] / 255.0
        features[b, :, 6:9] = points / room_max
    return features.astype(np.float32)


# ---- neighbours by class ----------------------------------------------------------------------


def ball_counts(coord, label, n_classes, radii):
    """All pairs, int64 (n, R, C); zeros for unlabelled points."""
    xyz = coord.astype(np.float64)
    counts = np.zeros((len(xyz), len(radii), n_classes), np.int64)
    for i in np.flatnonzero(label >= 0):
        dx, dy, dz = (xyz - xyz[i]).T
        squared = dx * dx + dy * dy + dz * dz
        for r, radius in enumerate(radii):
            near = label[(squared <= radius * radius) & (label >= 0)]
            counts[i, r] = np.bincount(near, minlength=n_classes)
    return counts


def ball_sums(coord, label, n_classes, radii):
    counts = ball_counts(coord, label, n_classes, radii)
    sums = np.zeros((len(radii), n_classes, n_classes))
    for i in np.flatnonzero(label >= 0):
        for r in range(len(radii)):
            sums[r, label[i]] += counts[i, r] / counts[i, r].sum()
    return sums


# ---- centres ----------------------------------------------------------------------------------


def instances_one_by_one(coord, semantic, instance):
    """List of (id, class, size, centre, low, high)."""
    rows = []
    for k in sorted({int(i) for i in instance if i >= 0}):
        points = coord[instance == k].astype(np.float64)
        classes = [int(c) for c in semantic[instance == k] if c >= 0]
        commonest = min(classes, key=lambda c: (-classes.count(c), c), default=-1)
        centre = points.mean(axis=0)
        rows.append((k, commonest, len(points), centre, points.min(axis=0), points.max(axis=0)))
    return rows


def regions_one_by_one(coord, semantic, instance):
    """List of (class, number of instances, centre)."""
    table = instances_one_by_one(coord, semantic, instance)
    rows = []
    for c in sorted({row[1] for row in table if row[1] >= 0}):
        centres = [row[3] for row in table if row[1] == c]
        rows.append((c, len(centres), sum(centres) / len(centres)))
    return rows


# ---- Water Filling Sampling -------------------------------------------------------------------


def algorithm_1(p, delta, omega_end=1.0):
    """Lines 17-22 as printed; returns SP and the number of steps."""
    level, poured = list(p), [0.0] * len(p)
    omega, steps = 0.0, 0
    while omega < omega_end:
        lowest = min(range(len(level)), key=lambda c: level[c])
        level[lowest] += delta
        poured[lowest] += delta
        omega += delta
        steps += 1
    return np.array(poured), steps


def water_level_by_bisection(p):
    low, high = 0.0, 2.0
    for _ in range(200):
        middle = (low + high) / 2
        if sum(max(0.0, middle - q) for q in p) < 1:
            low = middle
        else:
            high = middle
    return np.array([max(0.0, high - q) for q in p])
