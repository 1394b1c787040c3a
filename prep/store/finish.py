"""Ending a build: the table of scenes, the folds, and the record that makes a store readable."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prep.errors import StoreError
from prep.store.commit import Commit, commit_bytes, list_hashes
from prep.store.create import delete_all, read_header, unfinish
from prep.store.encode import encode_arrays
from prep.store.header import StoreHeader
from prep.store.objects import Objects, open_objects
from prep.store.record import decode_record, digest_all, encode_record, hash_bytes
from prep.store.schema import (
    FOLD_ARRAYS,
    FOLDS_KEY,
    OPTIONAL_ARRAYS,
    PARTS_KEY,
    ROOT_KEY,
    SCENE_ARRAYS,
    SCENES_KEY,
    fold_prefix,
    part_prefix,
)
from prep.store.tables import Tables, compute_tables, read_statistics


@dataclass(frozen=True)
class FinishRecord:
    """What stands in the attributes of the table of scenes; without it a store is unfinished.

    Attributes
    ----------
    digest : str
        Hash of all commit records.
    commits : tuple of str
        Hash of each part's commit record.
    names, groups : tuple of str
        Of all scenes, part by part.
    folds : tuple of str
        Names.
    left_out : dict of str to str
        Folds without a training or a test scene here, and why.
    optional : tuple of str
        Which of colour and normals any part has.
    objects : dict
        Group (``scenes``, ``folds/NAME``, "" for the root) → array → object → [bytes, hash].
    """

    digest: str
    commits: tuple[str, ...]
    names: tuple[str, ...]
    groups: tuple[str, ...]
    folds: tuple[str, ...]
    left_out: dict[str, str]
    optional: tuple[str, ...]
    objects: dict[str, dict[str, dict[str, list[Any]]]]


@dataclass(frozen=True)
class FinishReport:
    """What a finished store holds, and which folds had no scene on one side."""

    digest: str
    parts: int
    scenes: int
    points: int
    blocks: int
    folds: tuple[str, ...]
    left_out: dict[str, str]
    skipped: tuple[tuple[str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def finish_store(path: str | Path, *, objects: Objects | None = None) -> FinishReport:
    """Write the table of scenes and the folds of a store whose parts are all done.

    Raises
    ------
    StoreError
        Parts are missing (the line lists them), or are not those of the header.
    """
    objects = objects or open_objects(path)
    header = read_header(objects)
    encoded_commits = _read_commits(objects, header)
    commits = [
        Commit.decode(data, f"{objects.where}: part {index}: commit")
        for index, data in enumerate(encoded_commits)
    ]
    _check_parts(objects, header, commits)
    statistics = [
        scene
        for index, commit in enumerate(commits)
        for scene in read_statistics(objects, part_prefix(index), commit)
    ]
    tables = compute_tables(header, commits, statistics)
    groups = _encode_tables(tables)
    hashes = [hash_bytes(data) for data in encoded_commits]
    record = FinishRecord(
        digest=digest_all(hashes),
        commits=tuple(hashes),
        names=tables.names,
        groups=tables.groups,
        folds=tuple(tables.folds),
        left_out=tables.left_out,
        optional=tuple(
            name for name in OPTIONAL_ARRAYS if any(name in commit.objects for commit in commits)
        ),
        objects={
            "": list_hashes({key: objects.get(key) or b"" for key in _ROOT_KEYS}, ()),
            **{group: list_hashes(*content) for group, content in groups.items()},
        },
    )
    end = encode_record(asdict(record))
    written = {
        f"{group}/{key}": data
        for group, (encoded, _) in groups.items()
        for key, data in encoded.items()
    }
    written[SCENES_KEY] = end
    there = {*objects.list("scenes/"), *objects.list("folds/")} - {FOLDS_KEY}
    if there != set(written) or any(objects.get(key) != data for key, data in written.items()):
        unfinish(objects)
        delete_all(objects, "scenes/")
        for key in objects.list("folds/"):
            if key != FOLDS_KEY:
                objects.delete(key)
        for key, data in written.items():
            objects.put(key, data)
    return _report(record, commits)


def read_finish_record(objects: Objects) -> FinishRecord | None:
    """Return the record of a finished store, None for an unfinished one.

    Raises
    ------
    StoreError
        The record is damaged.
    """
    data = objects.get(SCENES_KEY)
    if data is None:
        return None
    where = f"{objects.where}: scenes"
    record = decode_record(data, where)
    try:
        return FinishRecord(
            digest=record["digest"],
            commits=tuple(record["commits"]),
            names=tuple(record["names"]),
            groups=tuple(record["groups"]),
            folds=tuple(record["folds"]),
            left_out=record["left_out"],
            optional=tuple(record["optional"]),
            objects=record["objects"],
        )
    except (KeyError, TypeError) as error:
        raise StoreError(f"{where}: damaged, not the record of a store ({error})") from error


_ROOT_KEYS = (ROOT_KEY, PARTS_KEY, FOLDS_KEY)


def _read_commits(objects: Objects, header: StoreHeader) -> list[bytes]:
    found = [commit_bytes(objects, index) for index in range(header.n_parts)]
    missing = [index for index, data in enumerate(found) if data is None]
    if missing:
        shown = ", ".join(map(str, missing[:10])) + (" …" if len(missing) > 10 else "")
        raise StoreError(
            f"{objects.where}: {len(missing)} of {header.n_parts} parts are not done ({shown}); "
            "run the build again to continue"
        )
    return [data for data in found if data is not None]


def _check_parts(objects: Objects, header: StoreHeader, commits: Sequence[Commit]) -> None:
    """Refuse parts of another header or plan, or with objects missing."""
    present = objects.list("parts/")
    for index, commit in enumerate(commits):
        prefix = part_prefix(index)
        there = all(present.get(prefix + key) == size for key, size in commit.sizes().items())
        if commit.key != header.key or not there:
            reason = "lacks objects" if commit.key == header.key else "is of another recipe"
            raise StoreError(f"{objects.where}: part {index} {reason}; run the build again")
    scenes = [s for commit in commits for s in (*commit.scenes, *commit.skipped)]
    twice = [name for name, n in Counter(s["name"] for s in scenes).items() if n > 1]
    if twice:
        raise StoreError(
            f"{objects.where}: scene {twice[0]} stands in two parts; run the build again"
        )
    if header.found:
        found = Counter(s["group"] for s in scenes)
        for group in sorted(set(header.found) | set(found)):
            if header.found.get(group, 0) != found[group]:
                raise StoreError(
                    f"{objects.where}: the parts hold {found[group]} scenes of group {group!r}, "
                    f"the plan {header.found.get(group, 0)}; run the build again"
                )


def _encode_tables(tables: Tables) -> dict[str, tuple[Mapping[str, bytes], list[str]]]:
    """Return group → (objects, names of its arrays); ``scenes`` without its own metadata."""
    encoded = encode_arrays(tables.scenes, SCENE_ARRAYS)
    del encoded["zarr.json"]
    groups: dict[str, tuple[Mapping[str, bytes], list[str]]] = {
        "scenes": (encoded, list(tables.scenes))
    }
    for name, arrays in tables.folds.items():
        groups[fold_prefix(name)[:-1]] = (encode_arrays(arrays, FOLD_ARRAYS), list(arrays))
    return groups


def _report(record: FinishRecord, commits: Sequence[Commit]) -> FinishReport:
    return FinishReport(
        digest=record.digest,
        parts=len(commits),
        scenes=len(record.names),
        points=sum(commit.points for commit in commits),
        blocks=sum(scene["blocks"] for commit in commits for scene in commit.scenes),
        folds=record.folds,
        left_out=record.left_out,
        skipped=tuple((s["name"], s["reason"]) for commit in commits for s in commit.skipped),
    )
