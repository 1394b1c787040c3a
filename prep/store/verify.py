"""Verifying a store: every hash, every invariant, every table recomputed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.errors import StoreError
from prep.folds import SceneStatistics
from prep.progress import Progress, Silent
from prep.store.commit import Commit
from prep.store.create import read_header
from prep.store.encode import decode_array
from prep.store.fetch import object_fault
from prep.store.finish import FinishRecord, read_finish_record
from prep.store.header import StoreHeader
from prep.store.invariants import check_part
from prep.store.objects import Objects, open_objects
from prep.store.record import digest_all, hash_bytes
from prep.store.schema import LOCK_KEY, PARTS_KEY, ROOT_KEY, SCENES_KEY, commit_key, part_prefix
from prep.store.tables import compute_tables, scene_statistics

Arrays = dict[str, NDArray[Any]]


@dataclass
class VerifyReport:
    """What verification found.

    Attributes
    ----------
    faults : list of str
        One line each, naming part and array; empty for a sound store.
    parts, scenes, objects, n_bytes : int
        What was checked.
    n_read, points, dropped : int
        Balance of points: rows met in the sources, stored, and logged as dropped.
    skipped : int
        Scenes left out, by the commit records.
    """

    faults: list[str] = field(default_factory=list)
    parts: int = 0
    scenes: int = 0
    objects: int = 0
    n_bytes: int = 0
    n_read: int = 0
    points: int = 0
    dropped: int = 0
    skipped: int = 0

    @property
    def ok(self) -> bool:
        """Tell whether no fault was found."""
        return not self.faults

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"ok": self.ok, **asdict(self)}


def verify_store(
    path: str | Path, progress: Progress | None = None, *, objects: Objects | None = None
) -> VerifyReport:
    """Check everything about a store that can be checked without its sources.

    Raises
    ------
    StoreError
        There is no store; any other fault is in the report.
    """
    objects = objects or open_objects(path)
    if not objects.exists(ROOT_KEY):
        raise StoreError(f"{objects.where}: no store there; build it first or check the path")
    report = VerifyReport()
    try:
        header = read_header(objects)
    except StoreError as error:
        report.faults.append(str(error))
        return report
    _Verification(objects, header, report).run(progress or Silent())
    return report


class _Verification:
    def __init__(self, objects: Objects, header: StoreHeader, report: VerifyReport) -> None:
        self.objects, self.header, self.report = objects, header, report
        self.unexpected = set(objects.list()) - {LOCK_KEY}

    def run(self, progress: Progress) -> None:
        commits: list[Commit] = []
        hashes: list[str] = []
        statistics: list[SceneStatistics] = []
        progress.start("verify", self.header.n_parts, "part")
        for index in range(self.header.n_parts):
            data = self._get(commit_key(index))
            if data is None:
                self._fault(f"part {index}: commit: missing, the part is not done")
            else:
                hashes.append(hash_bytes(data))
                found = self._check_part(index, data)
                if found is not None:
                    commits.append(found[0])
                    statistics += found[1]
            progress.advance()
        progress.finish()
        whole = len(commits) == self.header.n_parts
        self._check_end(commits if whole else None, hashes, statistics)
        for key in sorted(self.unexpected):
            self._fault(f"{_place(key)}: unexpected object {key}")

    def _fault(self, text: str) -> None:
        self.report.faults.append(text)

    def _get(self, key: str) -> bytes | None:
        self.unexpected.discard(key)
        data = self.objects.get(key)
        if data is not None:
            self.report.objects += 1
            self.report.n_bytes += len(data)
        return data

    def _check_part(self, index: int, data: bytes) -> tuple[Commit, list[SceneStatistics]] | None:
        """Check one part; return its record and statistics unless they cannot be had."""
        place, before = f"part {index}", len(self.report.faults)
        try:
            commit = Commit.decode(data, f"{place}: commit")
        except StoreError as error:
            self._fault(str(error))
            prefix = part_prefix(index)
            self.unexpected = {k for k in self.unexpected if not k.startswith(prefix)}
            return None
        if commit.key != self.header.key:
            self._fault(f"{place}: commit: of another header (key {commit.key})")
        arrays = self._read_group(place, part_prefix(index), commit.objects)
        self.report.parts += 1
        self.report.scenes += len(commit.scenes)
        self.report.points += commit.points
        self.report.n_read += commit.n_read
        self.report.dropped += sum(scene["dropped"] for scene in commit.scenes)
        self.report.skipped += len(commit.skipped)
        if len(self.report.faults) > before:
            return None
        for fault in check_part(self.header, commit, arrays):
            self._fault(f"{place}: {fault}")
        if len(self.report.faults) > before:
            return None
        return commit, scene_statistics(arrays, len(commit.scenes))

    def _read_group(
        self, place: str, prefix: str, table: Mapping[str, Mapping[str, list[Any]]]
    ) -> Arrays:
        """Check all objects of a group, and decode the arrays whose objects are sound."""
        arrays: Arrays = {}
        for name, hashes in table.items():
            held: dict[str, bytes] = {}
            for key, entry in hashes.items():
                data = self._get(prefix + key)
                fault = object_fault(data, entry)
                if fault:
                    self._fault(f"{place}: {name}: object {key} is {fault}")
                elif data is not None:
                    held[key] = data
            if len(held) < len(hashes) or name.endswith("zarr.json"):
                continue
            try:
                arrays[name] = decode_array(held, name)
            except Exception as error:
                self._fault(f"{place}: {name}: cannot be decoded ({error})")
        return arrays

    def _check_end(
        self,
        commits: list[Commit] | None,
        hashes: list[str],
        statistics: list[SceneStatistics],
    ) -> None:
        """Check the table of scenes and the folds against what the parts give."""
        self._get(SCENES_KEY)
        try:
            end = read_finish_record(self.objects)
        except StoreError as error:
            self._fault(str(error))
            end = None
        else:
            if end is None:
                self._fault("scenes: missing, the build is not finished")
        if end is None:
            self.unexpected = {
                key for key in self.unexpected if key.startswith("parts/") and key != PARTS_KEY
            }
            return
        if end.digest != digest_all(end.commits) or list(end.commits) != hashes:
            self._fault("scenes: finished with other parts than there are; run the build again")
        groups = {
            group: self._read_group(group or "root", f"{group}/" if group else "", table)
            for group, table in end.objects.items()
        }
        if commits is not None:
            self._compare_tables(end, commits, statistics, groups)

    def _compare_tables(
        self,
        end: FinishRecord,
        commits: list[Commit],
        statistics: list[SceneStatistics],
        groups: Mapping[str, Arrays],
    ) -> None:
        tables = compute_tables(self.header, commits, statistics)
        if (end.names, end.groups) != (tables.names, tables.groups):
            self._fault("scenes: names or groups are not those of the parts")
        if set(end.folds) != set(tables.folds):
            self._fault(f"folds: {sorted(end.folds)}, wanted {sorted(tables.folds)}")
        wanted = {"scenes": tables.scenes}
        wanted.update({f"folds/{name}": arrays for name, arrays in tables.folds.items()})
        for group, arrays in wanted.items():
            for name, array in arrays.items():
                stored = groups.get(group, {}).get(name)
                if stored is not None and not np.array_equal(stored, array):
                    self._fault(f"{group}: {name}: not what the parts give")


def _place(key: str) -> str:
    head, _, rest = key.partition("/")
    number = rest.partition("/")[0]
    if head == "parts" and number.isdigit():
        return f"part {int(number)}"
    return head
