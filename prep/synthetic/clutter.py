"""Small things: on tables, on floors, on ceilings; all of class clutter."""

from __future__ import annotations

import numpy as np

from prep.synthetic.furniture import METALS, Piece, pick
from prep.synthetic.shapes import FABRIC, PLAIN, PRINT, Color, Quads, box, join, prism, quads


def _piece(surface: Quads, width: float, depth: float, height: float) -> Piece:
    return Piece("clutter", surface, width, depth, height)


def monitor(rng: np.random.Generator) -> Piece:
    """Return a screen on a foot."""
    wide, tall = rng.uniform(0.45, 0.62), rng.uniform(0.28, 0.36)
    dark: Color = (30, 31, 34)
    glow: Color = tuple(rng.uniform(30, 110, 3))
    screen = quads(
        [((-wide / 2 + 0.015, -0.0255, 0.135), (wide - 0.03, 0, 0), (0, 0, tall - 0.03))], glow
    )
    parts = [
        box((wide, 0.05, tall), (0, 0, 0.12), dark),
        box((0.06, 0.04, 0.12), (0, 0.01, 0), dark),
        box((0.24, 0.18, 0.015), (0, 0.01, 0), dark),
        screen,
    ]
    return _piece(join(parts), wide, 0.2, tall + 0.12)


def laptop(rng: np.random.Generator) -> Piece:
    """Return an open laptop."""
    wide, deep = rng.uniform(0.3, 0.38), rng.uniform(0.21, 0.26)
    metal = pick(rng, METALS)
    parts = [
        box((wide, deep, 0.02), (0, 0, 0), metal),
        box((wide, 0.015, deep * 0.9), (0, deep / 2 - 0.008, 0.02), (35, 36, 40)),
    ]
    return _piece(join(parts), wide, deep, deep)


def papers(rng: np.random.Generator) -> Piece:
    """Return a pile of paper or books lying flat."""
    wide, deep, tall = rng.uniform(0.2, 0.3), rng.uniform(0.18, 0.28), rng.uniform(0.02, 0.12)
    color: Color = (225, 224, 218) if rng.random() < 0.6 else tuple(rng.uniform(60, 200, 3))
    return _piece(box((wide, deep, tall), (0, 0, 0), color, PRINT), wide, deep, tall)


def mug(rng: np.random.Generator) -> Piece:
    """Return a mug."""
    color: Color = tuple(rng.uniform(60, 235, 3))
    return _piece(prism(0.04, 0.1, (0, 0, 0), color, sides=10), 0.08, 0.08, 0.1)


def lamp(rng: np.random.Generator) -> Piece:
    """Return a table lamp."""
    metal = pick(rng, METALS)
    parts = [
        prism(0.07, 0.02, (0, 0, 0), metal),
        prism(0.012, 0.3, (0, 0, 0.02), metal, sides=6),
        prism(0.12, 0.16, (0, 0, 0.32), (235, 222, 180), FABRIC, flare=-0.04),
    ]
    return _piece(join(parts), 0.24, 0.24, 0.48)


def carton(rng: np.random.Generator) -> Piece:
    """Return a cardboard box."""
    wide, deep, tall = rng.uniform(0.28, 0.55), rng.uniform(0.25, 0.45), rng.uniform(0.2, 0.45)
    color: Color = (178 + rng.uniform(-18, 18), 138 + rng.uniform(-14, 14), 92)
    tape = quads(
        [((-wide / 2, -0.025, tall + 0.0015), (wide, 0, 0), (0, 0.05, 0))], (205, 185, 150)
    )
    parts = [box((wide, deep, tall), (0, 0, 0), color), tape]
    return _piece(join(parts), wide, deep, tall)


def bin_(rng: np.random.Generator) -> Piece:
    """Return a waste bin."""
    radius, tall = rng.uniform(0.12, 0.19), rng.uniform(0.28, 0.55)
    color: Color = ((48, 50, 54), (110, 112, 116), (40, 86, 150), (38, 110, 66))[
        int(rng.integers(4))
    ]
    side = 2 * radius + 0.08
    return _piece(prism(radius, tall, (0, 0, 0), color, flare=0.04), side, side, tall)


def plant(rng: np.random.Generator) -> Piece:
    """Return a potted plant: pot, stem and some forty leaves."""
    tall, spread = rng.uniform(0.7, 1.5), rng.uniform(0.22, 0.38)
    parts = [
        prism(0.13, 0.26, (0, 0, 0), (168, 96, 68), flare=0.04),
        prism(0.02, tall * 0.6, (0, 0, 0.26), (92, 70, 44), sides=6),
    ]
    for _ in range(40):
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        shrink = rng.random() ** 0.33
        at = direction * (spread, spread, (tall - 0.26) * 0.38) * shrink
        at[2] += 0.26 + (tall - 0.26) * 0.6
        along = rng.normal(size=3)
        along *= rng.uniform(0.1, 0.18) / np.linalg.norm(along)
        across = np.cross(along, rng.normal(size=3))
        across *= 0.07 / max(float(np.linalg.norm(across)), 1e-9)
        green: Color = (rng.uniform(40, 80), rng.uniform(105, 155), rng.uniform(40, 70))
        corner = at - along / 2 - across / 2
        parts.append(quads([(corner, along, across), (corner, across, along)], green, disc=True))
    side = 2 * (spread + 0.08)
    return _piece(join(parts), side, side, tall)


def bag(rng: np.random.Generator) -> Piece:
    """Return a rucksack standing on the floor."""
    wide, deep, tall = rng.uniform(0.28, 0.36), rng.uniform(0.16, 0.24), rng.uniform(0.36, 0.5)
    color: Color = tuple(rng.uniform(30, 150, 3))
    parts = [
        box((wide, deep, tall), (0, 0.03, 0), color, FABRIC),
        box((wide * 0.8, 0.07, tall * 0.5), (0, -deep / 2 - 0.005, 0.04), color, FABRIC),
    ]
    return _piece(join(parts), wide, deep + 0.1, tall)


def copier(rng: np.random.Generator) -> Piece:
    """Return a photocopier."""
    wide, deep, tall = rng.uniform(0.6, 0.9), rng.uniform(0.6, 0.7), rng.uniform(0.95, 1.15)
    parts = [
        box((wide, deep, tall * 0.75), (0, 0, 0), (205, 206, 208)),
        box((wide * 0.98, deep * 0.95, tall * 0.17), (0, 0, tall * 0.8), (66, 68, 74)),
        box((wide * 0.9, deep * 0.8, tall * 0.05), (0, 0.03, tall * 0.75), (120, 122, 126)),
    ]
    return _piece(join(parts), wide, deep, tall)


def ceiling_light(width: float, depth: float, ceiling: float) -> Piece:
    """Return a luminaire just below a ceiling at height ``ceiling``."""
    body = box((width, depth, 0.06), (0, 0, ceiling - 0.065), (250, 250, 242), PLAIN)
    return _piece(body, width, depth, 0.06)


def radiator(width: float) -> Piece:
    """Return a ribbed radiator to stand below a window."""
    parts = [box((width, 0.03, 0.5), (0, 0.03, 0.12), (226, 226, 222))]
    for x in np.arange(-width / 2 + 0.05, width / 2, 0.1):
        parts.append(box((0.06, 0.045, 0.5), (x, -0.0075, 0.12), (232, 232, 228)))
    return _piece(join(parts), width, 0.1, 0.62)


ON_TABLES = (monitor, laptop, papers, papers, mug, lamp)
ON_FLOORS = (carton, bin_, bag, plant)
