"""Tiny rooms in the S3DIS layout for the tests of the pipelines."""

from __future__ import annotations

from pathlib import Path

import numpy as np

CLASSES = ("ceiling", "floor", "wall", "chair", "chair", "table")


def write_room(room: Path, seed: int, points: int = 400, size_m: float = 1.6) -> int:
    """Write one room, an annotation file an object; return its number of points."""
    random = np.random.default_rng(seed)
    folder = room / "Annotations"
    folder.mkdir(parents=True)
    seen: dict[str, int] = {}
    rows = 0
    for name in CLASSES:
        seen[name] = seen.get(name, 0) + 1
        xyz = random.uniform(0, size_m, (points, 3)) + np.array([10.0, -20.0, 0.5])
        if name in ("ceiling", "floor"):
            xyz[:, 2] = 3.0 if name == "ceiling" else 0.5
        rgb = random.integers(0, 256, (points, 3))
        lines = [
            f"{x:.3f} {y:.3f} {z:.3f} {r} {g} {b}"
            for (x, y, z), (r, g, b) in zip(xyz, rgb, strict=True)
        ]
        (folder / f"{name}_{seen[name]}.txt").write_text("\n".join(lines) + "\n")
        rows += points
    return rows


def write_building(root: Path, rooms: dict[str, int], points: int = 400) -> int:
    """Write ``rooms`` (group → number of rooms) below ``root``; return the number of points."""
    total = 0
    for area, (group, count) in enumerate(rooms.items()):
        for room in range(count):
            total += write_room(root / group / f"office_{room + 1}", 100 * area + room, points)
    return total


CATALOG = """
version: 1
datasets:
  tiny:
    title: Tiny rooms of the tests
    reader: s3dis
    levels:
      - name: object
        classes:
          - {id: 0, name: ceiling, color: [0, 255, 0]}
          - {id: 1, name: floor, color: [0, 0, 255]}
          - {id: 2, name: wall, color: [0, 255, 255]}
          - {id: 3, name: chair, color: [255, 0, 0]}
          - {id: 4, name: table, color: [170, 120, 200]}
    groups: {Area_1: 2, Area_2: 2, Area_3: null}
    folds: {area1: [Area_1], area2: [Area_2]}
    recipe: {n_points: 256, min_points: 20, part_points: 3000, msa_radii_m: [0.2, 0.4]}
"""
