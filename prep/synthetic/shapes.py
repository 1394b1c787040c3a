"""Surfaces of synthetic things: parallelograms, and boxes and prisms made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

Color = tuple[float, float, float]

PLAIN, WOOD, CARPET, TILES, FABRIC, GLASS, SCRIBBLE, PRINT = range(8)


@dataclass(frozen=True)
class Quads:
    """One-sided parallelograms ``origin + a·u + b·v`` with a, b in [0, 1].

    Attributes
    ----------
    origin, u, v : float64 (q, 3)
        Metres; ``u × v`` points to the side from which the surface can be seen.
    color : float64 (q, 3)
        RGB, 0..255.
    material : int8 (q,)
        How ``color`` varies over the surface (``PLAIN``, ``WOOD``, …).
    disc : bool (q,)
        Only the ellipse inside the parallelogram is there.
    """

    origin: NDArray[np.float64]
    u: NDArray[np.float64]
    v: NDArray[np.float64]
    color: NDArray[np.float64]
    material: NDArray[np.int8]
    disc: NDArray[np.bool_]

    def __len__(self) -> int:
        return int(self.origin.shape[0])

    @property
    def cross(self) -> NDArray[np.float64]:
        """Outward normals, as long as the parallelogram's area; float64 (q, 3)."""
        cross: NDArray[np.float64] = np.cross(self.u, self.v)
        return cross

    @property
    def area(self) -> NDArray[np.float64]:
        """Areas in m², float64 (q,)."""
        area: NDArray[np.float64] = np.linalg.norm(self.cross, axis=1)
        return area * np.where(self.disc, np.pi / 4, 1.0)

    def moved(self, offset: Sequence[float], angle: float = 0.0) -> Quads:
        """Return the quads turned by ``angle`` (radians, about z, anticlockwise), then shifted."""
        c, s = np.cos(angle), np.sin(angle)
        turn = np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])  # row vectors: p @ turn
        return replace(
            self,
            origin=self.origin @ turn + np.asarray(offset, dtype=np.float64),
            u=self.u @ turn,
            v=self.v @ turn,
        )

    def tinted(self, factor: NDArray[np.float64]) -> Quads:
        """Return the quads with their colours multiplied by ``factor`` (3,)."""
        return replace(self, color=np.clip(self.color * factor, 0.0, 255.0))


def join(pieces: Sequence[Quads]) -> Quads:
    """Return all quads of ``pieces`` as one."""
    return Quads(
        np.concatenate([p.origin for p in pieces]),
        np.concatenate([p.u for p in pieces]),
        np.concatenate([p.v for p in pieces]),
        np.concatenate([p.color for p in pieces]),
        np.concatenate([p.material for p in pieces]),
        np.concatenate([p.disc for p in pieces]),
    )


def quads(
    corners: Sequence[tuple[ArrayLike, ArrayLike, ArrayLike]],
    color: Color,
    material: int = PLAIN,
    *,
    disc: bool = False,
) -> Quads:
    """Return parallelograms from triples (origin, u, v), all of one colour and material."""
    table = np.array(corners, dtype=np.float64).reshape(-1, 3, 3)
    n = len(table)
    return Quads(
        table[:, 0],
        table[:, 1],
        table[:, 2],
        np.tile(np.array(color, dtype=np.float64), (n, 1)),
        np.full(n, material, dtype=np.int8),
        np.full(n, disc),
    )


def box(
    size: Sequence[float], centre: Sequence[float], color: Color, material: int = PLAIN
) -> Quads:
    """Return the six faces of a box; ``centre`` is the middle of its underside, metres."""
    x, y, z = size
    ex, ey, ez = (x, 0.0, 0.0), (0.0, y, 0.0), (0.0, 0.0, z)
    left, front, low = centre[0] - x / 2, centre[1] - y / 2, centre[2]
    right, back, high = left + x, front + y, low + z
    return quads(
        [
            ((left, front, high), ex, ey),
            ((left, front, low), ey, ex),
            ((left, front, low), ex, ez),
            ((right, back, low), (-x, 0.0, 0.0), ez),
            ((left, back, low), (0.0, -y, 0.0), ez),
            ((right, front, low), ey, ez),
        ],
        color,
        material,
    )


def prism(
    radius: float,
    height: float,
    centre: Sequence[float],
    color: Color,
    material: int = PLAIN,
    *,
    sides: int = 12,
    flare: float = 0.0,
) -> Quads:
    """Return an upright prism with discs as its ends.

    ``centre`` is the middle of the underside; ``flare`` metres are added to the upper radius.
    """
    angle = 2 * np.pi * np.arange(sides) / sides
    rim = np.stack([np.cos(angle), np.sin(angle), np.zeros(sides)], axis=1)
    origin = np.asarray(centre, dtype=np.float64) + radius * rim
    along = np.roll(rim, -1, axis=0) * radius - rim * radius
    up = np.array([0.0, 0.0, height]) + flare * rim
    mantle = quads(list(zip(origin, along, up, strict=True)), color, material)
    x, y, z = centre
    wide = radius + flare
    top = quads(
        [((x - wide, y - wide, z + height), (2 * wide, 0, 0), (0, 2 * wide, 0))],
        color,
        material,
        disc=True,
    )
    low = quads(
        [((x - radius, y - radius, z), (0, 2 * radius, 0), (2 * radius, 0, 0))],
        color,
        material,
        disc=True,
    )
    return join([mantle, top, low])
