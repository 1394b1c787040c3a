"""What encloses a room: ceiling, floor, walls with openings, and what is built into them.

A wall has its own frame: x runs along it, y = 0 is its plane, y < 0 is inside the room.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from prep.synthetic.furniture import WOODS, Piece, pick
from prep.synthetic.shapes import (
    GLASS,
    PLAIN,
    SCRIBBLE,
    TILES,
    WOOD,
    Color,
    Quads,
    box,
    join,
    prism,
    quads,
)

WALL_COLORS: tuple[Color, ...] = (
    (226, 222, 210),
    (214, 214, 212),
    (232, 226, 200),
    (206, 216, 208),
    (208, 214, 224),
    (222, 208, 196),
)
FLOORS: tuple[tuple[Color, int], ...] = (
    ((104, 102, 100), 2),
    ((84, 92, 112), 2),
    ((128, 112, 94), 2),
    ((164, 128, 90), 1),
    ((150, 148, 140), 3),
)


@dataclass(frozen=True)
class Wall:
    """One wall: where its frame starts, how far it is turned, and its length."""

    start: tuple[float, float]
    angle: float
    length: float

    def place(self, piece: Quads, x: float, inside: float = 0.0) -> Quads:
        """Return ``piece`` moved from the wall's frame, shifted ``x`` along and ``inside`` off."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        at = (self.start[0] + c * x + s * inside, self.start[1] + s * x - c * inside, 0.0)
        return piece.moved(at, self.angle)

    def point(self, x: float, inside: float) -> tuple[float, float]:
        """Return the floor position ``x`` along the wall and ``inside`` metres off it."""
        c, s = float(np.cos(self.angle)), float(np.sin(self.angle))
        return self.start[0] + c * x + s * inside, self.start[1] + s * x - c * inside


def four_walls(width: float, depth: float) -> tuple[Wall, ...]:
    """Return the walls at y = 0, x = 0, y = depth and x = width."""
    return (
        Wall((width, 0.0), np.pi, width),
        Wall((0.0, 0.0), np.pi / 2, depth),
        Wall((0.0, depth), 0.0, width),
        Wall((width, depth), -np.pi / 2, depth),
    )


def floor(rng: np.random.Generator, width: float, depth: float) -> Piece:
    """Return the floor, seen from above."""
    color, material = FLOORS[int(rng.integers(len(FLOORS)))]
    surface = quads([((0, 0, 0), (width, 0, 0), (0, depth, 0))], color, material)
    return Piece("floor", surface, width, depth, 0.0)


def ceiling(rng: np.random.Generator, width: float, depth: float, height: float) -> Piece:
    """Return the ceiling, seen from below."""
    tone = rng.uniform(222, 246)
    material = TILES if rng.random() < 0.6 else PLAIN
    surface = quads(
        [((0, 0, height), (0, depth, 0), (width, 0, 0))], (tone, tone, tone - 4), material
    )
    return Piece("ceiling", surface, width, depth, 0.0)


def wall_surface(
    length: float, height: float, openings: NDArray[np.float64], color: Color
) -> Quads:
    """Return a wall (in its own frame) without its ``openings`` (k, 4): x0, x1, z0, z1."""
    xs = np.unique(np.concatenate([[0.0, length], openings[:, :2].ravel()]))
    zs = np.unique(np.concatenate([[0.0, height], openings[:, 2:].ravel()]))
    corners = []
    for x, x_end in pairwise(xs):
        for z, z_end in pairwise(zs):
            mid_x, mid_z = (x + x_end) / 2, (z + z_end) / 2
            open_x = (openings[:, 0] < mid_x) & (mid_x < openings[:, 1])
            if not np.any(open_x & (openings[:, 2] < mid_z) & (mid_z < openings[:, 3])):
                corners.append(((x, 0, z), (x_end - x, 0, 0), (0, 0, z_end - z)))
    return quads(corners, color)


def _reveal(width: float, low: float, high: float, deep: float, color: Color) -> Quads:
    """Return the four sides of an opening, ``deep`` metres behind the wall's plane."""
    x, tall = width / 2, high - low
    return quads(
        [
            ((-x, 0, low), (width, 0, 0), (0, deep, 0)),
            ((-x, 0, high), (0, deep, 0), (width, 0, 0)),
            ((-x, 0, low), (0, deep, 0), (0, 0, tall)),
            ((x, 0, low), (0, 0, tall), (0, deep, 0)),
        ],
        color,
    )


def window(rng: np.random.Generator, width: float, low: float, high: float) -> Piece:
    """Return a window for an opening: reveal, frame, bars, panes and a sill."""
    frame: Color = (238, 238, 234) if rng.random() < 0.7 else pick(rng, WOODS)
    deep, bar, tall = 0.1, 0.05, high - low
    pane: Color = (150 + rng.uniform(-15, 15), 190 + rng.uniform(-15, 15), 225)
    parts = [
        _reveal(width, low, high, deep, (228, 226, 220)),
        quads([((-width / 2, deep, low), (width, 0, 0), (0, 0, tall))], pane, GLASS),
        box((width, 0.16, 0.03), (0, -0.05, low - 0.031), frame),
    ]
    n = max(1, round(width / 0.8))
    for x in np.linspace(-width / 2 + bar / 2, width / 2 - bar / 2, n + 1):
        parts.append(box((bar, 0.05, tall), (x, deep - 0.03, low), frame))
    for z in (low, high - bar, low + 0.65 * tall):
        parts.append(box((width, 0.05, bar), (0, deep - 0.03, z), frame))
    return Piece("window", join(parts), width, 0.16, tall)


def door(rng: np.random.Generator, width: float, high: float) -> Piece:
    """Return a closed door for an opening: frame, leaf and handle."""
    leaf = pick(rng, WOODS) if rng.random() < 0.75 else (186, 190, 196)
    frame: Color = (leaf[0] * 0.75, leaf[1] * 0.75, leaf[2] * 0.75)
    bar, x = 0.06, width / 2
    parts = [
        box((bar, 0.09, high), (-x + bar / 2, 0.025, 0), frame),
        box((bar, 0.09, high), (x - bar / 2, 0.025, 0), frame),
        box((width - 2 * bar, 0.09, bar), (0, 0.025, high - bar), frame),
        quads(
            [((-x + bar, 0.05, 0), (width - 2 * bar, 0, 0), (0, 0, high - bar))],
            leaf,
            WOOD,
        ),
        box((0.12, 0.05, 0.03), (x - bar - 0.1, 0.02, 1.02), (170, 170, 172)),
    ]
    return Piece("door", join(parts), width, 0.1, high)


def board(rng: np.random.Generator, width: float, low: float, high: float) -> Piece:
    """Return a board 3 cm proud of the wall: panel, frame and tray."""
    black = rng.random() < 0.25
    panel: Color = (44, 62, 54) if black else (244, 245, 246)
    metal: Color = (158, 124, 84) if black else (168, 170, 174)
    bar, x, tall = 0.035, width / 2, high - low
    parts = [
        quads([((-x, -0.02, low), (width, 0, 0), (0, 0, tall))], panel, SCRIBBLE),
        box((width, 0.035, bar), (0, -0.0175, low), metal),
        box((width, 0.035, bar), (0, -0.0175, high - bar), metal),
        box((bar, 0.035, tall), (-x + bar / 2, -0.0175, low), metal),
        box((bar, 0.035, tall), (x - bar / 2, -0.0175, low), metal),
        box((width * 0.6, 0.09, 0.02), (0, -0.045, low - 0.021), metal),
    ]
    return Piece("board", join(parts), width, 0.09, tall)


def poster(rng: np.random.Generator, width: float, low: float, high: float) -> Piece:
    """Return a poster or picture, which S3DIS calls clutter."""
    color: Color = tuple(rng.uniform(50, 210, 3))
    at = (0, -0.01, low)
    surface = join(
        [
            box((width, 0.02, high - low), at, (60, 58, 56)),
            quads(
                [((-width / 2 + 0.03, -0.0215, low + 0.03), (width - 0.06, 0, 0), (0, 0, 0.34))],
                color,
                SCRIBBLE,
            ),
        ]
    )
    return Piece("clutter", surface, width, 0.02, high - low)


def beam(length: float, wide: float, drop: float, height: float, color: Color) -> Piece:
    """Return a beam along x that hangs ``drop`` metres below a ceiling at ``height``."""
    surface = box((length, wide, drop), (0, 0, height - drop), color)
    return Piece("beam", surface, length, wide, drop)


def column(rng: np.random.Generator, height: float, color: Color) -> Piece:
    """Return a column from floor to ceiling, square or round."""
    side = rng.uniform(0.32, 0.5)
    if rng.random() < 0.5:
        surface = box((side, side, height), (0, 0, 0), color)
    else:
        surface = prism(side / 2, height, (0, 0, 0), color, sides=16)
    return Piece("column", surface, side, side, height)
