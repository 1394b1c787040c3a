"""How far a store is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prep.errors import StoreError
from prep.scene import Defect
from prep.store.commit import read_commit
from prep.store.create import read_header
from prep.store.finish import read_finish_record
from prep.store.objects import Objects, open_objects
from prep.store.schema import LOCK_KEY


@dataclass(frozen=True)
class StoreStatus:
    """State of a store, finished or not, by its commit records.

    ``done`` counts parts, ``missing`` lists those to do, ``damaged`` those whose record cannot be
    read. ``n_read`` is the rows met in the sources of the stored scenes, ``points`` those stored.
    ``locked`` tells that a build runs, or was killed.
    """

    dataset: str
    key: str
    digest: str
    finished: bool
    locked: bool
    n_parts: int
    done: int
    missing: tuple[int, ...]
    damaged: tuple[int, ...]
    scenes: int
    expected: dict[str, int]
    found: dict[str, int]
    n_read: int
    points: int
    blocks: int
    n_bytes: int
    folds: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    defects: tuple[Defect, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


def store_status(path: str | Path, *, objects: Objects | None = None) -> StoreStatus:
    """Return how far a store is; reads commit records only.

    Raises
    ------
    StoreError
        No store there, or its header is damaged.
    """
    objects = objects or open_objects(path)
    header = read_header(objects)
    commits, missing, damaged = [], [], []
    for index in range(header.n_parts):
        try:
            commit = read_commit(objects, index)
        except StoreError:
            damaged.append(index)
            continue
        if commit is None:
            missing.append(index)
        else:
            commits.append(commit)
    try:
        end = read_finish_record(objects)
    except StoreError:
        end = None
    scenes = [scene for commit in commits for scene in commit.scenes]
    return StoreStatus(
        dataset=header.dataset,
        key=header.key,
        digest=end.digest if end else "",
        finished=end is not None and not missing and not damaged,
        locked=objects.exists(LOCK_KEY),
        n_parts=header.n_parts,
        done=len(commits),
        missing=tuple(missing),
        damaged=tuple(damaged),
        scenes=len(scenes),
        expected=header.expected,
        found=header.found,
        n_read=sum(commit.n_read for commit in commits),
        points=sum(commit.points for commit in commits),
        blocks=sum(scene["blocks"] for scene in scenes),
        n_bytes=sum(commit.n_bytes for commit in commits),
        folds=end.folds if end else (),
        skipped=tuple((s["name"], s["reason"]) for commit in commits for s in commit.skipped),
        defects=tuple(defect for commit in commits for defect in commit.defects),
    )
