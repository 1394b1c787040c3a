"""A synthetic building: rooms made up from a seed, with known answers and no files.

Six areas (or as many as wanted) of offices, conference rooms, hallways, storage rooms, lobbies
and lounges, with the 13 classes of S3DIS, furniture made of parts, and what a scanner on a
tripod sees of it: hidden surfaces, uneven density, noise. Beams, columns, boards and sofas are
rare. The class and the instance of every point are exact.

Options
-------
areas : int, default 6
rooms_per_area : int, default 2
points_per_room : int, default 40000
seed : int, default 0
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from prep.errors import OptionError
from prep.labels import Labels
from prep.scene import OnDefect, Scene, SceneSource
from prep.seeding import scene_seed
from prep.synthetic.kinds import build_room
from prep.synthetic.rooms import CLASSES
from prep.synthetic.scan import scan_room

DEFAULTS = {"areas": 6, "rooms_per_area": 2, "points_per_room": 40_000, "seed": 0}
LEAST = {"areas": 1, "rooms_per_area": 1, "points_per_room": 1000, "seed": 0}
SECOND_ROOMS = ("conferenceRoom", "hallway", "lobby", "storage", "conferenceRoom", "lounge")


def list_scenes(root: Path, *, labels: Labels, options: dict[str, object]) -> list[SceneSource]:
    """Plan the building; ``root`` is not read.

    Raises
    ------
    OptionError
        An option is unknown or out of range, or ``labels`` lack one of the 13 classes.
    """
    values = _parse_options(options)
    _class_ids(labels)
    sources = []
    for area in range(1, values["areas"] + 1):
        used: dict[str, int] = {}
        for room in range(values["rooms_per_area"]):
            kind = _kind(area, room)
            used[kind] = used.get(kind, 0) + 1
            name = f"Area_{area}/{kind}_{used[kind]}"
            origin = [-41.237 + 16.5 * room, 31.4 * (area - 3) - 7.651, 3.72 * (area % 3 - 1)]
            sources.append(
                SceneSource(
                    name=name,
                    group=f"Area_{area}",
                    root=str(root),
                    files=(),
                    n_bytes=39 * values["points_per_room"],
                    options={
                        "kind": kind,
                        "points": values["points_per_room"],
                        "seed": values["seed"],
                        "origin": origin,
                    },
                )
            )
    return sorted(sources, key=lambda source: source.name)


def read_scene(source: SceneSource, *, labels: Labels, on_defect: OnDefect) -> Scene:
    """Make one room of :func:`list_scenes`; there are no defects to repair."""
    del on_defect
    origin = source.options["origin"]
    if not isinstance(origin, list | tuple):
        raise OptionError(f"{source.name}: found origin {origin!r}, wanted three numbers")
    return synthetic_room(
        int(str(source.options["seed"])),
        source.name,
        str(source.options["kind"]),
        int(str(source.options["points"])),
        labels,
        origin=[float(v) for v in origin],
    )


def synthetic_room(
    seed: int,
    name: str,
    kind: str,
    points: int,
    labels: Labels,
    *,
    origin: Sequence[float] = (0.0, 0.0, 0.0),
) -> Scene:
    """Make one room: a function of its arguments alone.

    Parameters
    ----------
    seed, name
        Decide the room (with ``kind``) and the scan; ``name`` is ``GROUP/ROOM``.
    kind : str
        ``office``, ``conferenceRoom``, ``hallway``, ``storage``, ``lobby`` or ``lounge``.
    points : int
        Number of points, exactly. The room is the same for any number.
    labels : Labels
        Must hold the 13 classes by name; the first level is filled.
    origin : sequence of 3 floats
        World position of the room's floor corner, metres.

    Returns
    -------
    Scene
        Points by instance, instances by class name; what no point fell on has no instance.
        Coordinates are whole millimetres.
    """
    ids = _class_ids(labels)
    base = scene_seed(seed, name)
    room = build_room(kind, np.random.default_rng([base, 0]))
    scan = scan_room(room, points, np.random.default_rng([base, 1]))
    kinds = [thing.kind for thing in room.things]
    seen = np.flatnonzero(np.bincount(scan.thing, minlength=len(kinds)))
    by_name = np.array(sorted(seen, key=lambda i: kinds[i]), dtype=np.int64)  # stable
    rank = np.full(len(kinds), -1, dtype=np.int32)
    rank[by_name] = np.arange(len(by_name), dtype=np.int32)
    instance = rank[scan.thing]
    order = np.argsort(instance, kind="stable")
    class_of = np.array([ids[k] for k in kinds], dtype=np.int16)
    n_levels = len(labels.levels)
    semantic_out = np.full((points, n_levels), -1, dtype=np.int16)
    instance_out = np.full((points, n_levels), -1, dtype=np.int32)
    semantic_out[:, 0] = class_of[scan.thing[order]]
    instance_out[:, 0] = instance[order]
    return Scene(
        name=name,
        group=name.split("/")[0],
        xyz=np.round(scan.xyz[order] + np.asarray(origin, dtype=np.float64), 3),
        color=scan.color[order],
        normal=None,
        semantic=semantic_out,
        instance=instance_out,
        source=np.arange(points, dtype=np.int64),
        n_read=points,
    )


def summarise(scene: Scene, labels: Labels) -> dict[str, tuple[int, int]]:
    """Return class name → (points, instances) of the first level, absent classes included."""
    semantic, instance = scene.semantic[:, 0], scene.instance[:, 0]
    table = {}
    for info in labels.levels[0].classes:
        mine = semantic == info.id
        found = np.unique(instance[mine])
        table[info.name] = (int(mine.sum()), int(np.count_nonzero(found >= 0)))
    return table


def _kind(area: int, room: int) -> str:
    """Return the kind of a room: every other one is an office, the rest take turns."""
    if room % 2 == 0:
        return "office"
    return SECOND_ROOMS[(area - 1 + room // 2) % len(SECOND_ROOMS)]


def _class_ids(labels: Labels) -> dict[str, int]:
    ids = labels.class_ids()
    missing = [name for name in CLASSES if name not in ids]
    if missing:
        raise OptionError(
            f"synthetic: found no class {', '.join(missing)} in the data set's labels, wanted the "
            "13 of S3DIS; add them or name them as aliases"
        )
    return ids


def _parse_options(options: dict[str, object]) -> dict[str, int]:
    faults, values = [], dict(DEFAULTS)
    for key, value in options.items():
        if key not in DEFAULTS:
            faults.append(f"unknown option {key!r} (known: {', '.join(DEFAULTS)})")
        elif isinstance(value, bool) or not isinstance(value, int):
            faults.append(f"{key} {value!r} is not a whole number")
        elif value < LEAST[key]:
            faults.append(f"{key} {value} must be at least {LEAST[key]}")
        else:
            values[key] = value
    if faults:
        raise OptionError("synthetic: " + "; ".join(faults))
    return values
