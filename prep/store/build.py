"""Building one part: the function that every executor runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from prep import stages
from prep.errors import JointcloudError, SourceError, StoreError
from prep.scene import Defect, OnDefect, SceneSource
from prep.store.assemble import Clock, PartArrays
from prep.store.commit import (
    Commit,
    FileHash,
    hash_source,
    is_intact,
    list_hashes,
    part_digest,
    read_commit,
)
from prep.store.create import read_header, unfinish
from prep.store.encode import encode_arrays
from prep.store.header import StoreHeader
from prep.store.objects import Objects, open_objects
from prep.store.schema import PART_ARRAYS, commit_key, part_prefix


@dataclass(frozen=True)
class PartTask:
    """What to build: paths and indices, small enough to send anywhere.

    Attributes
    ----------
    store : str
        Path of a store on which :func:`prep.store.create_store` was called.
    index : int
        Number of the part.
    sources : tuple of SceneSource
        Its scenes, in the order in which they are stored.
    on_defect : str
        ``repair``, ``fail`` or ``skip`` (leave the scene out, and say so in the commit record).
    """

    store: str
    index: int
    sources: tuple[SceneSource, ...]
    on_defect: OnDefect = "repair"


@dataclass(frozen=True)
class PartReport:
    """What became of a part.

    ``scenes``, ``points``, ``blocks`` and ``n_bytes`` are what the store holds now, ``n_read``
    the rows met in the sources of those scenes, ``skipped`` names of scenes left out and why,
    ``seconds`` the time by stage in this run.
    """

    index: int
    status: Literal["built", "kept"]
    scenes: int
    points: int
    n_read: int
    blocks: int
    n_bytes: int
    defects: tuple[Defect, ...]
    skipped: tuple[tuple[str, str], ...]
    seconds: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def build_part(task: PartTask, *, objects: Objects | None = None) -> PartReport:
    """Build one part of a store, or keep it if it is done and nothing changed.

    The part is encoded in memory, then its objects are written, the commit record last. Whatever
    moment this is interrupted at, and however often it runs, also at the same time in two
    processes, the part ends with the same bytes.

    Raises
    ------
    SourceError
        A scene cannot be read, or has a defect under ``fail``.
    StoreError
        The store is missing, damaged or cannot be written.
    """
    objects = objects or open_objects(task.store)
    header = read_header(objects)
    if not 0 <= task.index < header.n_parts:
        raise StoreError(f"{objects.where}: no part {task.index}, it has {header.n_parts}")
    clock = Clock()
    with clock.time("hash"):
        hashes, unreadable = _hash_sources(task)
    digest = part_digest(header, task.sources, hashes)
    with clock.time("check"):
        done = _done(objects, task, digest)
    if done is not None:
        return _report(task, "kept", done, clock)
    arrays = PartArrays(header)
    skipped, defects = _read_scenes(task, header, hashes, unreadable, arrays, clock)
    with clock.time("encode"):
        encoded: dict[str, bytes] = {}
        for spec in PART_ARRAYS:
            array = arrays.take(spec)
            if array is not None:
                encoded.update(encode_arrays({spec.name: array}, [spec]))
        commit = Commit(
            digest=digest,
            key=header.key,
            scenes=tuple(arrays.scenes),
            skipped=tuple(skipped),
            defects=tuple(defects),
            on_defect=task.on_defect if defects or skipped else "",
            objects=list_hashes(encoded, [spec.name for spec in PART_ARRAYS]),
        )
    with clock.time("write"):
        _write(objects, task.index, encoded, commit)
    return _report(task, "built", commit, clock)


def _hash_sources(task: PartTask) -> tuple[list[list[FileHash]], dict[str, SourceError]]:
    """Hash all files; scenes whose files cannot be read are told apart under ``skip``."""
    hashes, unreadable = [], {}
    for source in task.sources:
        try:
            hashes.append(hash_source(source))
        except SourceError as error:
            if task.on_defect != "skip":
                raise
            unreadable[source.name] = error
            hashes.append([])
    return hashes, unreadable


def _done(objects: Objects, task: PartTask, digest: str) -> Commit | None:
    """Return the commit record of a part that can stay as it is."""
    try:
        commit = read_commit(objects, task.index)
    except StoreError:
        return None
    if commit is None or commit.digest != digest:
        return None
    if commit.on_defect not in ("", task.on_defect):
        return None
    return commit if is_intact(objects, task.index, commit) else None


def _read_scenes(
    task: PartTask,
    header: StoreHeader,
    hashes: list[list[FileHash]],
    unreadable: dict[str, SourceError],
    arrays: PartArrays,
    clock: Clock,
) -> tuple[list[dict[str, Any]], list[Defect]]:
    skipped: list[dict[str, Any]] = []
    defects: list[Defect] = []
    for source, files in zip(task.sources, hashes, strict=True):
        try:
            if source.name in unreadable:
                raise unreadable[source.name]
            with clock.time("read"):
                scene = stages.read(
                    source=source,
                    reader=header.reader,
                    labels=header.labels,
                    on_defect=task.on_defect,
                )
                _check_unchanged(source, files)
            arrays.add(scene, clock)
        except JointcloudError as error:
            if task.on_defect != "skip":
                raise
            reason = str(error).replace(source.root.rstrip("/") + "/", "")
            entry = {"name": source.name, "group": source.group, "reason": reason, "files": files}
            skipped.append(entry)
        else:
            arrays.scenes[-1]["files"] = files
            defects.extend(scene.defects)
    return skipped, defects


def _check_unchanged(source: SceneSource, files: list[FileHash]) -> None:
    """Refuse a file that grew or shrank since it was hashed."""
    for file, size, _ in files:
        path = Path(source.path(file))
        now = path.stat().st_size if path.exists() else 0
        if now != size:
            raise SourceError(
                scene=source.name,
                file=file,
                found=f"{now} bytes after {size} a moment before",
                wanted="a file that stays as it is during the build",
                remedy="run the build again when nothing writes there",
            )


def _write(objects: Objects, index: int, encoded: dict[str, bytes], commit: Commit) -> None:
    """Replace a part: its record goes first and comes last, so that no moment looks done.

    Objects are replaced in place rather than deleted first: a second process that writes the same
    part never finds one of them missing.
    """
    prefix = part_prefix(index)
    unfinish(objects)
    objects.delete(commit_key(index))
    for key, data in encoded.items():
        objects.put(prefix + key, data)
    for key in objects.list(prefix):
        if key.removeprefix(prefix) not in encoded and key != commit_key(index):
            objects.delete(key)
    objects.put(commit_key(index), commit.encode())


def _report(
    task: PartTask, status: Literal["built", "kept"], commit: Commit, clock: Clock
) -> PartReport:
    return PartReport(
        index=task.index,
        status=status,
        scenes=len(commit.scenes),
        points=commit.points,
        n_read=commit.n_read,
        blocks=sum(scene["blocks"] for scene in commit.scenes),
        n_bytes=commit.n_bytes,
        defects=commit.defects,
        skipped=tuple((entry["name"], entry["reason"]) for entry in commit.skipped),
        seconds=clock.seconds,
    )
