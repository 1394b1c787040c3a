"""Furniture made of parts, of many sizes and styles.

Every piece stands on z = 0 with the middle of its footprint at the origin; its front (the side
that a person uses) looks to −y.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from prep.synthetic.shapes import FABRIC, PLAIN, PRINT, WOOD, Color, Quads, box, join, prism

WOODS: tuple[Color, ...] = (
    (172, 126, 78),
    (140, 96, 60),
    (205, 170, 120),
    (112, 74, 48),
    (222, 200, 165),
)
FABRICS: tuple[Color, ...] = (
    (52, 56, 66),
    (44, 74, 120),
    (128, 44, 44),
    (60, 96, 72),
    (90, 90, 96),
    (190, 120, 48),
    (36, 36, 38),
)
METALS: tuple[Color, ...] = ((70, 72, 76), (150, 153, 158), (40, 40, 42))


@dataclass(frozen=True)
class Piece:
    """One object: its class, surfaces, footprint (width, depth), height and what it carries.

    ``shelf`` is the free height, width and depth of the surface on which clutter can stand:
    (z, width, depth), or None. ``carried`` are further pieces, in the same frame.
    """

    kind: str
    surface: Quads
    width: float
    depth: float
    height: float
    shelf: tuple[float, float, float] | None = None
    carried: tuple[Piece, ...] = ()


def pick(rng: np.random.Generator, colors: tuple[Color, ...]) -> Color:
    """Return one of ``colors``."""
    return colors[int(rng.integers(len(colors)))]


def chair(rng: np.random.Generator, style: int | None = None) -> Piece:
    """Return a chair: seat, back and legs; style 0 four legs, 1 swivel with arms, 2 cantilever."""
    style = int(rng.integers(3)) if style is None else style
    wide, deep = rng.uniform(0.42, 0.52), rng.uniform(0.42, 0.5)
    seat, high = rng.uniform(0.42, 0.5), rng.uniform(0.8, 1.02)
    cloth, metal = pick(rng, FABRICS), pick(rng, METALS)
    body = WOOD if style == 0 and rng.random() < 0.4 else FABRIC
    cover = pick(rng, WOODS) if body == WOOD else cloth
    thick = 0.03 if body == WOOD else 0.07
    parts = [
        box((wide, deep, thick), (0, 0, seat - thick), cover, body),
        box(
            (wide * 0.95, 0.045, high - seat - 0.1),
            (0, deep / 2 - 0.025, seat + 0.1),
            cover,
            body,
        ),
    ]
    legs = [(sx * (wide / 2 - 0.03), sy * (deep / 2 - 0.03)) for sx in (-1, 1) for sy in (-1, 1)]
    if style == 1:
        parts.append(prism(0.03, seat - thick - 0.08, (0, 0, 0.08), metal, sides=8))
        for k in range(5):
            angle = 2 * np.pi * k / 5
            foot = box((0.26, 0.045, 0.05), (0.13, 0, 0.04), metal)
            parts.append(foot.moved((0, 0, 0), angle))
        for side in (-1, 1):
            x = side * (wide / 2 + 0.01)
            parts.append(box((0.05, deep * 0.6, 0.03), (x, 0, seat + 0.18), metal))
            parts.append(box((0.03, 0.05, 0.2), (x, 0.02, seat - 0.02), metal))
        parts.append(box((0.06, 0.03, 0.12), (0, deep / 2 - 0.03, seat - 0.01), metal))
    elif style == 2:
        for side in (-1, 1):
            x = side * (wide / 2 - 0.015)
            parts.append(box((0.03, deep, 0.03), (x, 0, 0), metal))
            parts.append(box((0.03, 0.03, seat - thick), (x, -deep / 2 + 0.015, 0), metal))
            parts.append(box((0.03, 0.03, high - seat), (x, deep / 2 - 0.015, seat), metal))
    else:
        for x, y in legs:
            tone = cover if body == WOOD else metal
            parts.append(box((0.035, 0.035, seat - thick), (x, y, 0), tone))
        for side in (-1, 1):
            x = side * (wide / 2 - 0.03)
            parts.append(box((0.03, 0.03, 0.12), (x, deep / 2 - 0.025, seat), metal))
    reach = max(wide + 0.07, 0.52) if style == 1 else wide
    return Piece("chair", join(parts), reach, max(deep, 0.52) if style == 1 else deep, high)


def table(
    rng: np.random.Generator,
    width: float | None = None,
    depth: float | None = None,
    height: float | None = None,
) -> Piece:
    """Return a rectangular table: top, four legs or two side panels, sometimes drawers."""
    wide = rng.uniform(1.1, 1.8) if width is None else width
    deep = rng.uniform(0.65, 0.85) if depth is None else depth
    high = rng.uniform(0.7, 0.76) if height is None else height
    wood, metal, thick = pick(rng, WOODS), pick(rng, METALS), rng.uniform(0.025, 0.05)
    parts = [box((wide, deep, thick), (0, 0, high - thick), wood, WOOD)]
    under = high - thick
    if rng.random() < 0.6:
        foot = rng.uniform(0.04, 0.07)
        for sx in (-1, 1):
            for sy in (-1, 1):
                at = (sx * (wide / 2 - 0.06), sy * (deep / 2 - 0.06), 0)
                parts.append(box((foot, foot, under), at, metal))
    else:
        for side in (-1, 1):
            at = (side * (wide / 2 - 0.05), 0, 0)
            parts.append(box((0.03, deep * 0.9, under), at, wood, WOOD))
        if high > 0.6:
            panel = (wide - 0.13, 0.02, under * 0.55)
            parts.append(box(panel, (0, deep * 0.4, under * 0.45), wood, WOOD))
    if wide < 2.0 and high > 0.6 and rng.random() < 0.5:
        drawers = ((wide / 2 - 0.3) * (1 if rng.random() < 0.5 else -1), 0.03, 0.08)
        parts.append(box((0.4, deep * 0.8, under - 0.1), drawers, wood, WOOD))
    return Piece("table", join(parts), wide, deep, high, shelf=(high, wide - 0.1, deep - 0.1))


def round_table(rng: np.random.Generator, height: float | None = None) -> Piece:
    """Return a round table on one pole."""
    radius = rng.uniform(0.4, 0.65)
    high = rng.uniform(0.7, 0.76) if height is None else height
    wood, metal = pick(rng, WOODS), pick(rng, METALS)
    parts = [
        prism(radius, 0.035, (0, 0, high - 0.035), wood, WOOD, sides=20),
        prism(0.045, high - 0.065, (0, 0, 0.03), metal, sides=8),
        prism(radius * 0.55, 0.03, (0, 0, 0), metal, sides=12),
    ]
    side = 2 * radius
    return Piece("table", join(parts), side, side, high, shelf=(high, radius, radius))


def sofa(rng: np.random.Generator) -> Piece:
    """Return a sofa: base, seat cushions, back and two arms."""
    seats = int(rng.integers(2, 4))
    arm, deep = rng.uniform(0.14, 0.24), rng.uniform(0.8, 0.95)
    cushion = rng.uniform(0.55, 0.68)
    wide = seats * cushion + 2 * arm
    seat, high = rng.uniform(0.38, 0.44), rng.uniform(0.72, 0.88)
    cloth = pick(rng, FABRICS)
    light: Color = (cloth[0] * 0.85 + 30, cloth[1] * 0.85 + 30, cloth[2] * 0.85 + 30)
    parts = [
        box((wide, deep, seat - 0.2), (0, 0, 0.06), cloth, FABRIC),
        box((wide - 2 * arm, 0.2, high - seat + 0.14), (0, deep / 2 - 0.1, seat - 0.14), cloth, 4),
    ]
    for k in range(seats):
        x = (k - (seats - 1) / 2) * cushion
        y = -0.1
        size = (cushion - 0.02, deep - 0.22, 0.14)
        parts.append(box(size, (x, y, seat - 0.14), light, FABRIC))
        back = (cushion - 0.04, 0.13, high - seat - 0.06)
        parts.append(box(back, (x, deep / 2 - 0.265, seat), light, FABRIC))
    for side in (-1, 1):
        at = (side * (wide - arm) / 2, 0, seat - 0.14)
        parts.append(box((arm, deep, 0.34), at, cloth, FABRIC))
        for front in (-1, 1):
            foot = (side * (wide / 2 - 0.1), front * (deep / 2 - 0.1), 0)
            parts.append(box((0.06, 0.06, 0.06), foot, (45, 38, 34)))
    return Piece("sofa", join(parts), wide, deep, high)


def bookcase(rng: np.random.Generator, height: float | None = None) -> Piece:
    """Return a bookcase: sides, back, shelves; the books on each shelf are one piece of clutter."""
    wide, deep = rng.uniform(0.8, 1.4), rng.uniform(0.28, 0.38)
    high = rng.uniform(1.5, 2.15) if height is None else height
    wood = pick(rng, WOODS) if rng.random() < 0.8 else (215, 215, 212)
    board, n = 0.03, max(2, round(high / 0.36))
    parts = [box((wide, 0.015, high), (0, deep / 2 - 0.0075, 0), wood, WOOD)]
    for side in (-1, 1):
        at = (side * (wide - board) / 2, -0.0075, 0)
        parts.append(box((board, deep - 0.015, high), at, wood, WOOD))
    levels = np.linspace(0.04, high - board, n + 1)
    for z in levels:
        parts.append(box((wide - 2 * board, deep - 0.015, board), (0, -0.0075, z), wood, WOOD))
    carried = []
    for low, top in pairwise(levels):
        if rng.random() < 0.75:
            room = float(top - low) - board - 0.02
            row = _books(rng, wide - 2 * board - 0.02, room).moved((0, 0.03, low + board + 0.001))
            carried.append(Piece("clutter", row, wide - 2 * board, deep, float(room)))
    return Piece("bookcase", join(parts), wide, deep, high, carried=tuple(carried))


def _books(rng: np.random.Generator, width: float, room: float) -> Quads:
    fill = rng.uniform(0.45, 1.0) * width
    books, x = [], -width / 2
    while True:
        thick = rng.uniform(0.025, 0.06)
        if x + thick > -width / 2 + fill:
            break
        tall, deep = rng.uniform(0.6, 0.98) * room, rng.uniform(0.16, 0.21)
        color: Color = tuple(rng.uniform(40, 215, 3))
        books.append(box((thick - 0.002, deep, tall), (x + thick / 2, 0, 0), color, PRINT))
        x += thick
    if not books:
        books.append(box((0.05, 0.18, 0.7 * room), (0, 0, 0), (150, 60, 50), PLAIN))
    return join(books)
