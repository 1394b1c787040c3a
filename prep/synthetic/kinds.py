"""The kinds of rooms: sizes, openings, furniture, and how often the rare classes turn up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from prep.errors import OptionError
from prep.synthetic import clutter, furniture
from prep.synthetic.layout import Footprint
from prep.synthetic.rooms import Room, RoomBuilder

Span = tuple[float, float]


def build_room(kind: str, rng: np.random.Generator) -> Room:
    """Build one room of a kind named in ``KINDS``; every choice is drawn from ``rng``."""
    if kind not in KINDS:
        raise OptionError(f"synthetic: found kind {kind!r}, wanted one of {', '.join(KINDS)}")
    (width, depth, height), furnish = KINDS[kind]
    size = (float(rng.uniform(*width)), float(rng.uniform(*depth)), float(rng.uniform(*height)))
    builder = RoomBuilder(rng, size)
    furnish(builder)
    return builder.finish(kind)


def _doors(room: RoomBuilder, n: int = 1) -> None:
    for _ in range(n):
        wide, high = room.rng.uniform(0.85, 1.0), room.rng.uniform(2.0, 2.1)
        room.hang("door", int(room.rng.integers(4)), wide, 0.0, high)


def _windows(room: RoomBuilder, n: int, wall: int) -> None:
    for _ in range(n):
        high = min(2.25, room.size[2] - 0.45)
        room.hang("window", wall, room.rng.uniform(1.0, 1.9), room.rng.uniform(0.75, 1.0), high)


def _boards(room: RoomBuilder, n: int, wall: int | None = None) -> None:
    for _ in range(n):
        at = int(room.rng.integers(4)) if wall is None else wall
        high = room.rng.uniform(1.95, 2.1)
        room.hang("board", at, room.rng.uniform(1.3, 2.4), high - room.rng.uniform(1.0, 1.2), high)


def _posters(room: RoomBuilder, n: int) -> None:
    for _ in range(n):
        low = room.rng.uniform(1.2, 1.5)
        room.hang("poster", int(room.rng.integers(4)), room.rng.uniform(0.4, 0.7), low, low + 0.4)


def _desk(room: RoomBuilder, *, wall: bool, items: int = 4) -> None:
    piece = furniture.table(room.rng)
    spot = room.stand(piece, wall=wall, front=0.75 if wall else 0.0, turned=False)
    if spot is not None:
        room.dress(piece, spot, items)
        room.seat(spot, (0,) if wall else (0, 2), 1 if room.rng.random() < 0.7 else None)


def _sofas(room: RoomBuilder, n: int, *, tables: bool) -> None:
    for _ in range(n):
        spot = room.stand(furniture.sofa(room.rng), wall=True, front=1.0 if tables else 0.4)
        if spot is None or not tables:
            continue
        low = furniture.table(
            room.rng, room.rng.uniform(0.8, 1.1), 0.55, room.rng.uniform(0.38, 0.45)
        )
        c, s = float(np.cos(spot.angle)), float(np.sin(spot.angle))
        away = spot.depth / 2 + 0.35 + low.depth / 2
        place = Footprint(spot.x + s * away, spot.y - c * away, low.width, low.depth, spot.angle)
        if room.plan.fits(place):
            room.plan.take(place)
            room.put(low, place)
            room.dress(low, place, 2)


def _bookcases(room: RoomBuilder, n: int) -> None:
    for _ in range(n):
        room.stand(furniture.bookcase(room.rng), wall=True, tall=True, front=0.3)


def _office(room: RoomBuilder) -> None:
    rng = room.rng
    _doors(room)
    wall = int(rng.integers(4))
    _windows(room, int(rng.integers(1, 3)), wall)
    _boards(room, int(rng.random() < 0.7), (wall + 2) % 4)
    _posters(room, int(rng.integers(0, 3)))
    room.overhead(4, int(rng.random() < 0.4), int(rng.random() < 0.3))
    _bookcases(room, int(rng.integers(1, 4)))
    for _ in range(int(rng.integers(2, 5))):
        _desk(room, wall=True)
    _sofas(room, int(rng.random() < 0.25), tables=False)
    if rng.random() < 0.35:
        _desk(room, wall=False)
    room.scatter(int(rng.integers(3, 7)))


def _conference_room(room: RoomBuilder) -> None:
    rng = room.rng
    wide, deep, _ = room.size
    _doors(room)
    wall = int(rng.integers(4))
    _boards(room, 1, wall)
    _windows(room, int(rng.integers(1, 3)), (wall + 1 + 2 * int(rng.integers(2))) % 4)
    _posters(room, int(rng.integers(0, 2)))
    room.overhead(6, int(rng.random() < 0.6), int(rng.random() < 0.4))
    length = float(rng.uniform(0.42, 0.55) * max(wide, deep))
    piece = furniture.table(rng, length, float(rng.uniform(1.1, 1.4)))
    spot = Footprint(wide / 2, deep / 2, length, piece.depth, 0.0 if wide > deep else np.pi / 2)
    if room.plan.fits(spot):
        room.plan.take(spot)
        room.put(piece, spot)
        room.dress(piece, spot, 7)
        style = int(rng.integers(3))
        long_side = max(2, round(length / 0.75))
        room.seat(spot, (0, 2) * long_side + (1, 3), style)
    _bookcases(room, int(rng.random() < 0.5))
    room.scatter(int(rng.integers(2, 5)))


def _hallway(room: RoomBuilder) -> None:
    rng = room.rng
    _doors(room, int(rng.integers(4, 7)))
    _windows(room, int(rng.random() < 0.5), int(rng.choice([0, 2])))
    _boards(room, int(rng.integers(1, 3)))
    _posters(room, int(rng.integers(2, 5)))
    room.overhead(5, int(rng.integers(1, 4)), int(rng.random() < 0.6))
    _bookcases(room, int(rng.random() < 0.3))
    for _ in range(int(rng.integers(1, 4))):
        room.stand(furniture.chair(rng, 0), wall=True)
    room.scatter(int(rng.integers(2, 5)))


def _storage(room: RoomBuilder) -> None:
    rng = room.rng
    _doors(room)
    _windows(room, int(rng.random() < 0.3), int(rng.integers(4)))
    room.overhead(2, int(rng.random() < 0.5), int(rng.random() < 0.5))
    _bookcases(room, int(rng.integers(3, 6)))
    if rng.random() < 0.6:
        room.stand(clutter.copier(rng), wall=True, front=0.3)
    _desk(room, wall=True, items=3)
    room.scatter(int(rng.integers(6, 11)), (clutter.carton, clutter.carton, clutter.bin_))


def _lobby(room: RoomBuilder) -> None:
    rng = room.rng
    _doors(room, 2)
    wall = int(rng.integers(4))
    _windows(room, int(rng.integers(2, 4)), wall)
    _posters(room, int(rng.integers(1, 4)))
    room.overhead(6, int(rng.integers(1, 3)), int(rng.integers(1, 3)))
    _sofas(room, int(rng.integers(2, 4)), tables=True)
    _round_tables(room, int(rng.integers(1, 3)))
    room.scatter(int(rng.integers(4, 8)), (clutter.plant, clutter.plant, clutter.bin_, clutter.bag))


def _lounge(room: RoomBuilder) -> None:
    rng = room.rng
    _doors(room)
    wall = int(rng.integers(4))
    _windows(room, int(rng.integers(1, 3)), wall)
    _boards(room, int(rng.random() < 0.6), (wall + 1) % 4)
    _posters(room, int(rng.integers(0, 3)))
    room.overhead(4, int(rng.random() < 0.5), int(rng.random() < 0.5))
    _sofas(room, int(rng.integers(1, 3)), tables=True)
    _bookcases(room, int(rng.integers(1, 3)))
    _round_tables(room, int(rng.integers(1, 3)))
    room.scatter(int(rng.integers(3, 6)))


def _round_tables(room: RoomBuilder, n: int) -> None:
    for _ in range(n):
        piece = furniture.round_table(room.rng)
        spot = room.stand(piece, wall=False)
        if spot is not None:
            room.dress(piece, spot, 2)
            room.seat(spot, (0, 1, 2, 3))


KINDS: dict[str, tuple[tuple[Span, Span, Span], Callable[[RoomBuilder], None]]] = {
    "office": (((4.0, 6.2), (3.6, 5.4), (2.7, 3.1)), _office),
    "conferenceRoom": (((5.2, 7.5), (4.2, 5.6), (2.8, 3.2)), _conference_room),
    "hallway": (((8.0, 13.0), (1.9, 2.6), (2.6, 2.9)), _hallway),
    "storage": (((3.0, 4.4), (2.8, 3.8), (2.6, 3.0)), _storage),
    "lobby": (((6.0, 8.5), (5.5, 7.5), (3.0, 3.6)), _lobby),
    "lounge": (((4.6, 6.2), (4.2, 5.4), (2.7, 3.1)), _lounge),
}
