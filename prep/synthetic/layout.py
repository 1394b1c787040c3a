"""Where things may stand in a room: oriented rectangles that must not overlap."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from prep.synthetic.shell import Wall


@dataclass(frozen=True)
class Footprint:
    """A rectangle on the floor: middle (x, y), full width and depth, turn in radians."""

    x: float
    y: float
    width: float
    depth: float
    angle: float = 0.0

    @property
    def corners(self) -> NDArray[np.float64]:
        """The four corners, float64 (4, 2)."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (self.width / 2, self.depth / 2)
        turned: NDArray[np.float64] = half @ np.array([[c, s], [-s, c]]) + (self.x, self.y)
        return turned

    def grown(self, by: float) -> Footprint:
        """Return the rectangle with ``by`` metres added on every side."""
        return Footprint(self.x, self.y, self.width + 2 * by, self.depth + 2 * by, self.angle)


def overlap(a: Footprint, b: Footprint) -> bool:
    """Tell whether two rectangles share area (separating axes; touching is not overlapping)."""
    corners_a, corners_b = a.corners, b.corners
    for angle in (a.angle, a.angle + np.pi / 2, b.angle, b.angle + np.pi / 2):
        axis = np.array([np.cos(angle), np.sin(angle)])
        along_a, along_b = corners_a @ axis, corners_b @ axis
        if along_a.max() <= along_b.min() + 1e-9 or along_b.max() <= along_a.min() + 1e-9:
            return False
    return True


@dataclass
class FloorPlan:
    """The free floor of a room of ``width`` × ``depth`` metres with its ``walls``."""

    width: float
    depth: float
    walls: tuple[Wall, ...]
    taken: list[Footprint] = field(default_factory=list)
    tall_taken: list[list[tuple[float, float]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.tall_taken:
            self.tall_taken = [[] for _ in self.walls]

    def fits(self, spot: Footprint, gap: float = 0.03) -> bool:
        """Tell whether ``spot`` lies inside the room, ``gap`` metres off everything placed."""
        corners = spot.corners
        inside = (
            corners.min() >= 0.01
            and corners[:, 0].max() <= self.width - 0.01
            and corners[:, 1].max() <= self.depth - 0.01
        )
        return bool(inside) and not any(overlap(spot.grown(gap), other) for other in self.taken)

    def take(self, spot: Footprint) -> None:
        """Mark ``spot`` as occupied."""
        self.taken.append(spot)

    def along_wall(
        self,
        rng: np.random.Generator,
        size: tuple[float, float],
        *,
        tall: bool = False,
        front: float = 0.0,
        tries: int = 40,
    ) -> Footprint | None:
        """Find a place with the back to a wall, ``front`` metres kept free before it.

        ``tall`` things stay clear of windows, doors and boards. Returns None after ``tries``.
        """
        for _ in range(tries):
            index = int(rng.integers(len(self.walls)))
            wall, gap = self.walls[index], rng.uniform(0.02, 0.05)
            if wall.length < size[0] + 0.1:
                continue
            x = rng.uniform(size[0] / 2 + 0.04, wall.length - size[0] / 2 - 0.04)
            if tall and any(
                x - size[0] / 2 < end and x + size[0] / 2 > start
                for start, end in self.tall_taken[index]
            ):
                continue
            deep = size[1] + front
            middle = wall.point(x, gap + deep / 2)
            if self.fits(Footprint(*middle, size[0], deep, wall.angle), gap=0.0):
                at = wall.point(x, gap + size[1] / 2)
                return Footprint(*at, *size, wall.angle)
        return None

    def anywhere(
        self,
        rng: np.random.Generator,
        size: tuple[float, float],
        *,
        gap: float = 0.1,
        turned: bool = True,
        tries: int = 40,
    ) -> Footprint | None:
        """Find a place on the free floor; ``turned`` allows any angle. None after ``tries``."""
        for _ in range(tries):
            angle = rng.uniform(-np.pi, np.pi) if turned else rng.integers(4) * np.pi / 2
            spot = Footprint(
                rng.uniform(0.0, self.width), rng.uniform(0.0, self.depth), *size, float(angle)
            )
            if self.fits(spot, gap):
                return spot
        return None

    def beside(
        self, rng: np.random.Generator, size: tuple[float, float], host: Footprint, side: int
    ) -> Footprint | None:
        """Find a place at one side of ``host`` (0 front, 1 right, 2 back, 3 left), facing it."""
        for _ in range(8):
            turn = host.angle + side * np.pi / 2
            reach = (host.depth if side % 2 == 0 else host.width) / 2
            span = (host.width if side % 2 == 0 else host.depth) / 2 - size[0] / 2
            away = reach + size[1] / 2 + rng.uniform(0.04, 0.3)
            shift = rng.uniform(-1.0, 1.0) * max(span, 0.0)
            c, s = np.cos(turn), np.sin(turn)
            x, y = host.x + c * shift + s * away, host.y + s * shift - c * away
            angle = turn + np.pi + rng.normal(0.0, 0.25)
            spot = Footprint(float(x), float(y), *size, float(angle))
            if self.fits(spot, 0.02):
                return spot
        return None

    def on_wall(
        self, rng: np.random.Generator, index: int, width: float, *, tries: int = 20
    ) -> float | None:
        """Find the middle of a free stretch of ``width`` metres on wall ``index``, and take it."""
        length = self.walls[index].length
        for _ in range(tries):
            if length < width + 0.3:
                return None
            x = float(rng.uniform(width / 2 + 0.15, length - width / 2 - 0.15))
            start, end = x - width / 2 - 0.08, x + width / 2 + 0.08
            if all(end <= a or start >= b for a, b in self.tall_taken[index]):
                self.tall_taken[index].append((start, end))
                return x
        return None
