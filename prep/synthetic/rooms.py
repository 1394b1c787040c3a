"""What stands in an office, a conference room, a hallway, a storage room, a lobby or a lounge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prep.synthetic import clutter, furniture, shell
from prep.synthetic.furniture import Piece
from prep.synthetic.layout import FloorPlan, Footprint, overlap
from prep.synthetic.shapes import Quads

CLASSES = (
    "ceiling",
    "floor",
    "wall",
    "beam",
    "column",
    "window",
    "door",
    "table",
    "chair",
    "sofa",
    "bookcase",
    "board",
    "clutter",
)


@dataclass(frozen=True)
class Thing:
    """One instance: class name, surfaces in the room's frame, whether it can hide others."""

    kind: str
    surface: Quads
    hides: bool


@dataclass(frozen=True)
class Room:
    """A room of ``size`` (x, y, z) metres with its origin at a floor corner.

    ``footprints`` holds what stands on the floor, ``scanners`` float64 (s, 3) the tripods and
    ``light`` float64 (3,) the lamp that gives the shading.
    """

    kind: str
    size: tuple[float, float, float]
    things: tuple[Thing, ...]
    footprints: tuple[Footprint, ...]
    scanners: NDArray[np.float64]
    light: NDArray[np.float64]


class RoomBuilder:
    """Fills one room, thing by thing; a thing that finds no place is left out."""

    def __init__(self, rng: np.random.Generator, size: tuple[float, float, float]) -> None:
        self.rng, self.size = rng, size
        self.plan = FloorPlan(size[0], size[1], shell.four_walls(size[0], size[1]))
        self.things: list[Thing] = []
        self.hanging: list[Footprint] = []  # what touches the ceiling
        self.openings: list[list[tuple[float, float, float, float]]] = [[], [], [], []]

    def add(self, piece: Piece, surface: Quads, *, hides: bool = True) -> None:
        """Add one instance in a slightly different tone of its own."""
        tone = self.rng.normal(1.0, 0.05) * self.rng.normal(1.0, 0.02, 3)
        self.things.append(Thing(piece.kind, surface.tinted(tone), hides))

    def put(self, piece: Piece, spot: Footprint, z: float = 0.0) -> None:
        """Stand a piece, and what it carries, at ``spot``."""
        self.add(piece, piece.surface.moved((spot.x, spot.y, z), spot.angle))
        for carried in piece.carried:
            self.add(carried, carried.surface.moved((spot.x, spot.y, z), spot.angle))

    def stand(
        self,
        piece: Piece,
        *,
        wall: bool,
        tall: bool = False,
        front: float = 0.0,
        turned: bool = True,
    ) -> Footprint | None:
        """Find a place on the floor for a piece, stand it there and return the place."""
        size = (piece.width, piece.depth)
        if wall:
            spot = self.plan.along_wall(self.rng, size, tall=tall, front=front)
        else:
            spot = self.plan.anywhere(self.rng, size, turned=turned)
        if spot is not None:
            self.plan.take(spot)
            self.put(piece, spot)
        return spot

    def seat(self, host: Footprint, sides: tuple[int, ...], style: int | None = None) -> None:
        """Stand one chair at each of ``sides`` of ``host``."""
        for side in sides:
            piece = furniture.chair(self.rng, style)
            spot = self.plan.beside(self.rng, (piece.width, piece.depth), host, side)
            if spot is not None:
                self.plan.take(spot)
                self.put(piece, spot)

    def dress(self, piece: Piece, spot: Footprint, n: int) -> None:
        """Lay up to ``n`` small things on a table."""
        if piece.shelf is None:
            return
        z, width, depth = piece.shelf
        top = FloorPlan(width, depth, ())
        c, s = np.cos(spot.angle), np.sin(spot.angle)
        for _ in range(n):
            make = clutter.ON_TABLES[int(self.rng.integers(len(clutter.ON_TABLES)))]
            item = make(self.rng)
            angle = float(self.rng.normal(0.0, 0.3))
            local = Footprint(
                self.rng.uniform(0, width),
                self.rng.uniform(0, depth),
                item.width,
                item.depth,
                angle,
            )
            if not top.fits(local, 0.02):
                continue
            top.take(local)
            x, y = local.x - width / 2, local.y - depth / 2
            at = (spot.x + c * x - s * y, spot.y + s * x + c * y, z + 0.002)
            self.add(item, item.surface.moved(at, spot.angle + angle))

    def scatter(self, n: int, makers: tuple[Callable[..., Piece], ...] = clutter.ON_FLOORS) -> None:
        """Stand up to ``n`` pieces of clutter on the floor, most of them at a wall."""
        for _ in range(n):
            make = makers[int(self.rng.integers(len(makers)))]
            self.stand(make(self.rng), wall=self.rng.random() < 0.8)

    def hang(self, kind: str, index: int, width: float, low: float, high: float) -> None:
        """Build a window, door, board or poster into wall ``index``."""
        x = self.plan.on_wall(self.rng, index, width)
        if x is None:
            return
        wall, rng = self.plan.walls[index], self.rng
        if kind == "door":
            piece = shell.door(rng, width, high)
            # the leaf swings in: nothing may stand there
            self.plan.take(Footprint(*wall.point(x, 0.5), width, 1.0, wall.angle))
        elif kind == "window":
            piece = shell.window(rng, width, low, high)
        elif kind == "board":
            piece = shell.board(rng, width, low, high)
        else:
            piece = shell.poster(rng, width, low, high)
        if kind != "poster":
            self.openings[index].append((x - width / 2, x + width / 2, low, high))
        self.add(piece, wall.place(piece.surface, x), hides=kind not in ("window", "door"))
        if kind == "window" and rng.random() < 0.5:
            heater = clutter.radiator(width * 0.9)
            spot = Footprint(*wall.point(x, 0.08), heater.width, heater.depth, wall.angle)
            if self.plan.fits(spot, 0.0):
                self.plan.take(spot)
                self.put(heater, spot)

    def overhead(self, lights: int, beams: int, columns: int) -> None:
        """Add columns, beams and ceiling lights that do not run through each other."""
        wide, deep, high = self.size
        tone = shell.WALL_COLORS[int(self.rng.integers(len(shell.WALL_COLORS)))]
        for _ in range(columns):
            piece = shell.column(self.rng, high, tone)
            spot = self.stand(piece, wall=self.rng.random() < 0.5, tall=True, turned=False)
            if spot is not None:
                self.hanging.append(spot)
        across = deep > wide  # beams span the shorter way
        length = wide if across else deep
        for _ in range(beams):
            thick, drop = self.rng.uniform(0.22, 0.4), self.rng.uniform(0.2, 0.35)
            along = self.rng.uniform(0.15, 0.85) * (deep if across else wide)
            middle = (wide / 2, along) if across else (along, deep / 2)
            spot = Footprint(*middle, length, thick, 0.0 if across else np.pi / 2)
            if not any(overlap(spot, other) for other in self.hanging):
                self.hanging.append(spot)
                self.put(shell.beam(length, thick, drop, high, tone), spot)
        rows = max(1, round(lights / 2)) if min(wide, deep) > 3.5 else 1
        columns_of_lights = -(-lights // rows)
        for i in range(lights):
            fx = (i % columns_of_lights + 0.5) / columns_of_lights
            fy = (i // columns_of_lights + 0.5) / rows
            x, y = (fy * wide, fx * deep) if across else (fx * wide, fy * deep)
            spot = Footprint(x, y, 1.2, 0.3, np.pi / 2 if across else 0.0)
            if not any(overlap(spot, other) for other in self.hanging):
                self.hanging.append(spot)
                self.put(clutter.ceiling_light(1.2, 0.3, high), spot)

    def finish(self, kind: str) -> Room:
        """Close the room with its floor, ceiling and walls, and choose the tripods' places."""
        wide, deep, high = self.size
        rng = self.rng
        for piece in (shell.ceiling(rng, wide, deep, high), shell.floor(rng, wide, deep)):
            self.add(piece, piece.surface, hides=False)
        paint = shell.WALL_COLORS[int(rng.integers(len(shell.WALL_COLORS)))]
        for wall, holes in zip(self.plan.walls, self.openings, strict=True):
            table = np.array(holes, dtype=np.float64).reshape(-1, 4)
            surface = shell.wall_surface(wall.length, high, table, paint)
            self.add(
                Piece("wall", surface, wall.length, 0.0, high), wall.place(surface, 0), hides=False
            )
        return Room(
            kind,
            self.size,
            tuple(self.things),
            tuple(self.plan.taken),
            self._tripods(),
            np.array([wide / 2, deep / 2, high - 0.12]),
        )

    def _tripods(self) -> NDArray[np.float64]:
        wide, deep, _ = self.size
        n = int(np.clip(round(wide * deep / 10), 1, 3))
        places = []
        for k in range(n):
            for _ in range(60):
                part = (k + self.rng.uniform(0.2, 0.8)) / n
                across = self.rng.uniform(0.25, 0.75)
                x, y = (part * wide, across * deep) if wide > deep else (across * wide, part * deep)
                if self.plan.fits(Footprint(x, y, 0.5, 0.5), 0.0):
                    break
            places.append((x, y, self.rng.uniform(1.4, 1.6)))
        return np.array(places)
