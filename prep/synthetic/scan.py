"""What a scanner on a tripod sees of a room: hidden surfaces, uneven density, noise, colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prep.synthetic.rooms import Room
from prep.synthetic.shapes import (
    CARPET,
    FABRIC,
    GLASS,
    PRINT,
    SCRIBBLE,
    TILES,
    WOOD,
    Quads,
    join,
)

FACE_CELLS = 128  # depth cells along the side of one of the six faces of a scanner's cube
CHUNK = 400_000  # candidates drawn at a time


@dataclass(frozen=True)
class Scan:
    """Points of one scan, in the room's frame.

    Attributes
    ----------
    xyz : float64 (n, 3)
        Metres.
    color : uint8 (n, 3)
    thing : int32 (n,)
        Index into ``Room.things``.
    """

    xyz: NDArray[np.float64]
    color: NDArray[np.uint8]
    thing: NDArray[np.int32]


def cube_cell(ray: NDArray[np.float64], cells: int) -> NDArray[np.int64]:
    """Return the cell of each ray on a cube of 6 × ``cells`` × ``cells``; (n, 3) to (n,)."""
    size = np.abs(ray)
    axis = np.argmax(size, axis=1)
    row = np.arange(len(ray))
    major = ray[row, axis]
    scale = 0.5 * cells / np.maximum(size[row, axis], 1e-12)
    a = (ray[row, (axis + 1) % 3] * scale + 0.5 * cells).astype(np.int64)
    b = (ray[row, (axis + 2) % 3] * scale + 0.5 * cells).astype(np.int64)
    face = 2 * axis + (major < 0)
    np.clip(a, 0, cells - 1, out=a)
    np.clip(b, 0, cells - 1, out=b)
    cell: NDArray[np.int64] = (face * cells + a) * cells + b
    return cell


def depth_cube(surface: Quads, eye: NDArray[np.float64], cells: int) -> NDArray[np.float32]:
    """Return the distance to the nearest surface in every cell seen from ``eye``.

    Each quad that faces ``eye`` is drawn as a lattice of points no farther apart than two
    thirds of a cell; cells that nothing covers hold infinity. float32 (6 · cells²,).
    """
    depth = np.full(6 * cells * cells, np.inf, dtype=np.float32)
    middle = surface.origin + 0.5 * (surface.u + surface.v)
    facing = np.sum(surface.cross * (eye - middle), axis=1) > 0
    origin, u, v = surface.origin[facing], surface.u[facing], surface.v[facing]
    disc = surface.disc[facing]
    if not len(origin):
        return depth
    offset = eye - origin
    on_u = np.clip(np.sum(offset * u, axis=1) / np.sum(u * u, axis=1), 0.0, 1.0)[:, None]
    on_v = np.clip(np.sum(offset * v, axis=1) / np.sum(v * v, axis=1), 0.0, 1.0)[:, None]
    near = np.maximum(np.linalg.norm(offset - on_u * u - on_v * v, axis=1), 0.35)
    step = near * (2.0 / cells) * (2.0 / 3.0)
    nu = np.ceil(np.linalg.norm(u, axis=1) / step).astype(np.int64) + 1
    nv = np.ceil(np.linalg.norm(v, axis=1) / step).astype(np.int64) + 1
    count = nu * nv
    start = np.concatenate([[0], np.cumsum(count)])
    quad = np.repeat(np.arange(len(origin)), count)
    index = np.arange(start[-1]) - start[quad]
    a = ((index // nv[quad]) / np.maximum(nu - 1, 1)[quad])[:, None]
    b = ((index % nv[quad]) / np.maximum(nv - 1, 1)[quad])[:, None]
    ray = origin[quad] + a * u[quad] + b * v[quad] - eye
    if disc.any():
        keep = ~disc[quad] | (((2 * a - 1) ** 2 + (2 * b - 1) ** 2)[:, 0] <= 1)
        ray = ray[keep]
    np.minimum.at(depth, cube_cell(ray, cells), np.linalg.norm(ray, axis=1).astype(np.float32))
    return depth


def scan_room(room: Room, points: int, rng: np.random.Generator) -> Scan:
    """Scan a room from its tripods; returns exactly ``points`` points.

    Candidates are spread evenly over all surfaces that face a tripod. Each is weighted by
    Σ over the tripods that see it of cos(incidence) / (distance² + 1), to the power 0.6 (scans
    are merged and thinned before they are published), and ``points`` of them are drawn without
    replacement with these weights (Efraimidis and Spirakis 2006). Coordinates get range noise
    of 2 mm + 1 mm per metre along the ray and are rounded to millimetres.
    """
    surface = join([thing.surface for thing in room.things])
    owner = np.repeat(
        np.arange(len(room.things), dtype=np.int32), [len(t.surface) for t in room.things]
    )
    hiding = join([t.surface for t in room.things if t.hides])
    cubes = [depth_cube(hiding, eye, FACE_CELLS) for eye in room.scanners]
    standing = join([t.surface for t in room.things if t.hides and t.kind != "beam"])
    shadow = depth_cube(standing, room.light, FACE_CELLS)
    cross = surface.cross
    middle = surface.origin + 0.5 * (surface.u + surface.v)
    faces = np.zeros(len(surface), dtype=bool)
    for eye in room.scanners:
        faces |= np.sum(cross * (eye - middle), axis=1) > 0
    share = np.cumsum(np.where(faces, surface.area, 0.0))
    normal = cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), 1e-12)

    kept: list[tuple[NDArray[np.float64], ...]] = []
    found, drawn = 0, 0
    while found < 1.25 * points + 500 or drawn < 2.5 * points:
        n = int(min(CHUNK, max(2.6 * points - drawn, 0.5 * points + 2000)))
        drawn += n
        quad = np.searchsorted(share, rng.random(n) * share[-1], side="right")
        quad = np.minimum(quad, len(surface) - 1)
        ab = rng.random((n, 2))
        round_ = surface.disc[quad]
        if round_.any():  # fold the corners of a disc's square back into the disc
            angle, radius = 2 * np.pi * ab[round_, 0], 0.5 * np.sqrt(ab[round_, 1])
            ab[round_, 0] = 0.5 + radius * np.cos(angle)
            ab[round_, 1] = 0.5 + radius * np.sin(angle)
        xyz = surface.origin[quad] + ab[:, :1] * surface.u[quad] + ab[:, 1:] * surface.v[quad]
        weight = np.zeros(n)
        best = np.zeros(n)
        ray_of_best = np.zeros((n, 3))
        for eye, cube in zip(room.scanners, cubes, strict=True):
            gain, ray = _seen(xyz, normal[quad], eye, cube)
            weight += gain
            better = gain > best
            best = np.maximum(best, gain)
            ray_of_best[better] = ray[better]
        weight = np.minimum(weight, 0.6) ** 0.6
        weight[surface.material[quad] == GLASS] *= 0.5
        seen = np.flatnonzero(weight > 0)
        key = rng.exponential(size=n)[seen] / weight[seen]
        kept.append((xyz[seen], ray_of_best[seen], quad[seen].astype(np.float64), ab[seen], key))
        found += len(seen)
    xyz, ray, quad_f, ab, key = (np.concatenate(column) for column in zip(*kept, strict=True))
    chosen = np.sort(np.argpartition(key, points - 1)[:points])
    xyz, ray, ab = xyz[chosen], ray[chosen], ab[chosen]
    quad = quad_f[chosen].astype(np.int64)

    lit = _light(xyz, normal[quad], room, shadow)
    color = _texture(surface, quad, ab, xyz, owner[quad], rng) * lit[:, None]
    color += rng.normal(0.0, 4.0, (points, 1)) + rng.normal(0.0, 2.0, (points, 3))
    length = np.linalg.norm(ray, axis=1, keepdims=True)
    error = rng.normal(0.0, 1.0, (points, 1)) * (0.002 + 0.001 * length)
    mixed = rng.random(points) < 5e-4  # rays that graze an edge answer from before it
    error[mixed] = -rng.uniform(0.0, 0.15, (int(mixed.sum()), 1))
    xyz = xyz + ray / np.maximum(length, 1e-9) * error
    order = np.argsort(owner[quad], kind="stable")
    return Scan(
        xyz[order],
        np.clip(np.rint(color[order]), 0, 255).astype(np.uint8),
        owner[quad][order],
    )


def _seen(
    xyz: NDArray[np.float64],
    normal: NDArray[np.float64],
    eye: NDArray[np.float64],
    cube: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return cos(incidence) / (distance² + 1), 0 where hidden, (n,); and the rays (n, 3)."""
    ray = xyz - eye
    squared = np.einsum("ij,ij->i", ray, ray)
    distance = np.sqrt(squared)
    cosine = -np.einsum("ij,ij->i", ray, normal) / np.maximum(distance, 1e-9)
    gain = np.zeros(len(xyz))
    front = np.flatnonzero(cosine > 0.02)
    cell = cube_cell(ray[front], FACE_CELLS)
    # a cell is 2/FACE_CELLS wide at distance 1: the surface may recede by that times tan
    slope = np.minimum(np.sqrt(1 - np.minimum(cosine[front] ** 2, 1)) / cosine[front], 4.0)
    slack = 0.012 + distance[front] * (2.0 / FACE_CELLS) * slope
    visible = distance[front] <= cube[cell] + slack
    front = front[visible]
    gain[front] = cosine[front] / (squared[front] + 1.0)
    return gain, ray


def _light(
    xyz: NDArray[np.float64],
    normal: NDArray[np.float64],
    room: Room,
    shadow: NDArray[np.float32],
) -> NDArray[np.float64]:
    """Return brightness (n,): ambient light, one lamp with shadows, darker along the floor."""
    ray = xyz - room.light
    distance = np.linalg.norm(ray, axis=1)
    cosine = -np.einsum("ij,ij->i", ray, normal) / np.maximum(distance, 1e-9)
    hidden = distance > shadow[cube_cell(ray, FACE_CELLS)] + 0.05
    lamp = np.where(hidden, 0.0, np.maximum(cosine, 0.0)) * np.exp(-0.06 * distance)
    ceiling = np.where(normal[:, 2] < -0.9, 0.16, 0.0)  # light thrown back by the floor
    corner = 1.0 - 0.12 * np.exp(-np.maximum(xyz[:, 2], 0.0) / 0.12)
    brightness: NDArray[np.float64] = (0.74 + 0.26 * lamp + ceiling) * corner
    return brightness


def _texture(
    surface: Quads,
    quad: NDArray[np.int64],
    ab: NDArray[np.float64],
    xyz: NDArray[np.float64],
    owner: NDArray[np.int32],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the unlit colour of each point, float64 (n, 3)."""
    color = surface.color[quad].copy()
    material = surface.material[quad]
    across = ab[:, 1] * np.linalg.norm(surface.v, axis=1)[quad]
    along = ab[:, 0] * np.linalg.norm(surface.u, axis=1)[quad]
    factor = np.ones(len(quad))

    wood = material == WOOD
    grain = np.sin(across[wood] * 95 + 3.0 * np.sin(along[wood] * 2.2) + quad[wood])
    factor[wood] = 1.0 + 0.07 * grain
    soft = (material == CARPET) | (material == FABRIC)
    mottle = np.sin(xyz[soft, 0] * 31) * np.sin(xyz[soft, 1] * 27) * np.sin(xyz[soft, 2] * 29 + 1)
    factor[soft] = 1.0 + 0.05 * mottle + rng.normal(0.0, 0.04, int(soft.sum()))
    tiled = material == TILES
    edge = np.minimum(np.abs((xyz[tiled, :2] / 0.6) % 1 - 0.5), 0.5).max(axis=1)
    factor[tiled] = np.where(edge > 0.482, 0.8, 1.0)
    printed = material == PRINT
    label = (ab[printed, 1] > 0.7) & (ab[printed, 1] < 0.82)
    factor[printed] = np.where(label, 1.35, 1.0)
    glass = material == GLASS
    color[glass] += (xyz[glass, 2:3] - 1.5) * 26 + rng.normal(0, 6, (int(glass.sum()), 1))

    drawn = np.flatnonzero(material == SCRIBBLE)
    phase = owner[drawn] * 1.7
    wave = 0.5 + 0.22 * np.sin(along[drawn] * 5 + phase) + 0.1 * np.sin(along[drawn] * 17 + phase)
    for k, ink in enumerate(((40, 60, 150), (170, 50, 45), (60, 62, 66))):
        line = np.abs(ab[drawn, 1] - wave - 0.16 * (k - 1)) < 0.012
        color[drawn[line & (np.sin(along[drawn] * (7 + 3 * k) + phase + k) > -0.2)]] = ink
    return color * factor[:, None]
