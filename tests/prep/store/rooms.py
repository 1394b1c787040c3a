"""Tiny rooms for tests of the store, and a reader for them.

A room is one NPZ file ``GROUP/NAME.npz`` with the columns of a Scene.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from prep.errors import SourceError
from prep.labels import ClassInfo, Labels, Level
from prep.readers import Reader
from prep.recipe import Recipe
from prep.scene import Defect, Scene, SceneSource
from prep.store import PartTask, StoreHeader, build_part, create_store, finish_store

RECIPE = Recipe(n_points=32, min_points=20, wfs_threshold=3, wfs_delta=0.01, msa_radii_m=(0.2, 0.3))


def make_labels(*numbers: int) -> Labels:
    """Labels of one level per number of classes."""
    return Labels(
        tuple(
            Level(
                f"level{k}",
                tuple(ClassInfo(c, f"class{k}_{c}", (c, 2 * c, 3 * c)) for c in range(n)),
            )
            for k, n in enumerate(numbers)
        )
    )


def write_room(
    root: Path,
    name: str,
    *,
    seed: int = 0,
    n: int = 240,
    size=(1.8, 1.4, 0.6),
    levels=(3,),
    color=True,
    normal=False,
    labelled=True,
    defect="",
) -> None:
    """Write one room of random points, a few instances in each."""
    rng = np.random.default_rng(seed)
    columns = {"xyz": np.round(rng.random((n, 3)) * size + (100.5, -20.25, 3.0), 3)}
    if color:
        columns["color"] = rng.integers(0, 256, (n, 3)).astype(np.uint8)
    if normal:
        columns["normal"] = rng.normal(size=(n, 3)).astype(np.float32)
    instance = rng.integers(-1, 5, (n, len(levels))).astype(np.int32)
    semantic = instance % np.array(levels)
    semantic[rng.random(n) < 0.05] = -1
    columns["semantic"] = (semantic if labelled else np.full_like(semantic, -1)).astype(np.int16)
    columns["instance"] = instance if labelled else np.full_like(instance, -1)
    columns["defect"] = np.array(defect)
    path = root / f"{name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **columns)


def list_rooms(root: Path) -> list[SceneSource]:
    """All rooms, sorted by name."""
    return [
        SceneSource(
            name=path.relative_to(root).with_suffix("").as_posix(),
            group=path.parent.name,
            root=str(root),
            files=(path.relative_to(root).as_posix(),),
            n_bytes=path.stat().st_size,
        )
        for path in sorted(root.glob("*/*.npz"))
    ]


def read_room(source, *, labels, on_defect) -> Scene:
    """Read a room; one with a ``defect`` drops its last row, or fails."""
    with np.load(source.path(source.files[0])) as data:
        columns = {key: data[key] for key in data.files}
    defect = str(columns.pop("defect"))
    n = len(columns["xyz"])
    scene = Scene(
        name=source.name,
        group=source.group,
        color=None,
        normal=None,
        source=np.arange(n),
        n_read=n,
        **{key: value for key, value in columns.items() if key not in ("color", "normal")},
    )
    scene = replace(scene, **{k: columns[k] for k in ("color", "normal") if k in columns})
    if not defect:
        return scene
    if on_defect != "repair":
        raise SourceError(
            scene=source.name,
            file=source.files[0],
            line=n,
            found=repr(defect),
            wanted="a number",
            remedy=f"see {source.path(source.files[0])}",
        )
    kept = {
        name: None if getattr(scene, name) is None else getattr(scene, name)[:-1]
        for name in ("xyz", "color", "normal", "semantic", "instance", "source")
    }
    logged = Defect(source.name, source.files[0], n, "last-row", defect, "row dropped", dropped=1)
    return replace(scene, **kept, defects=(logged,))


ROOMS = Reader(name="rooms", list_scenes=lambda root, **_: list_rooms(root), read_scene=read_room)


def make_header(root: Path, *, per_part=1, levels=(3,), recipe=RECIPE, **changes) -> StoreHeader:
    """The header of a store of all rooms below ``root``."""
    n = -(-len(list_rooms(root)) // per_part)
    defaults = {"dataset": "rooms", "reader": "rooms", "folds": {"b": ("B",)}}
    return StoreHeader(
        labels=make_labels(*levels), recipe=recipe, n_parts=n, **{**defaults, **changes}
    )


def make_tasks(root: Path, store: Path, *, per_part=1, on_defect="repair") -> list[PartTask]:
    """One task per part."""
    sources = list_rooms(root)
    return [
        PartTask(str(store), i // per_part, tuple(sources[i : i + per_part]), on_defect)
        for i in range(0, len(sources), per_part)
    ]


def build(root: Path, store: Path, *, per_part=1, on_defect="repair", objects=None, **header):
    """Build a whole store; return the reports of its parts."""
    create_store(store, make_header(root, per_part=per_part, **header), objects=objects)
    tasks = make_tasks(root, store, per_part=per_part, on_defect=on_defect)
    reports = [build_part(task, objects=objects) for task in tasks]
    finish_store(store, objects=objects)
    return reports


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _is_record(key):
    """Tell whether anything depends on the moment at which an object changes."""
    return (
        key.startswith("lock/")
        or key.endswith(
            ("commit/zarr.json", "scenes/zarr.json", "parts/zarr.json", "folds/zarr.json")
        )
        or key == "zarr.json"
    )


class Killed(Exception):
    """Stands for SIGKILL: nothing catches it."""


class MemoryObjects:
    """Objects in memory, which can die just before change number ``lives``.

    A change is a put, a create or a delete of an object that is there.
    """

    where = "memory"

    def __init__(self, objects=None, lives=None):
        self.objects = dict(objects or {})
        self.lives = lives
        self.changed = []

    @property
    def changes(self):
        """Number of changes so far."""
        return len(self.changed)

    def moments(self):
        """Numbers of changes to die at: those around records, and every fourth among equals."""
        records = {k for k, key in enumerate(self.changed) if _is_record(key)}
        near = {k + after for k in records for after in (0, 1)} - {self.changes}
        return sorted(near | set(range(0, self.changes, 4)))

    def _spend(self, key):
        if self.changes == self.lives:
            raise Killed
        self.changed.append(key)

    def get(self, key):
        return self.objects.get(key)

    def put(self, key, data):
        self._spend(key)
        self.objects[key] = data

    def create(self, key, data):
        if key in self.objects:
            return False
        self.put(key, data)
        return True

    def delete(self, key):
        if key in self.objects:
            self._spend(key)
            del self.objects[key]

    def list(self, prefix=""):
        return {k: len(self.objects[k]) for k in sorted(self.objects) if k.startswith(prefix)}

    def exists(self, key):
        return key in self.objects

    def sweep(self):
        return 0
