"""A whole build: catalogue entry and raw folder in, finished store and a summary out."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.catalog_parse import DatasetEntry
from pipelines.execute import Failure, run_tasks
from pipelines.plan import BuildPlan, find_scenes, plan_build
from prep.errors import OptionError
from prep.progress import Progress, Silent
from prep.recipe import Recipe
from prep.scene import Defect, OnDefect

if TYPE_CHECKING:
    from prep.store import PartReport, StoreHeader


@dataclass(frozen=True)
class BuildSummary:
    """What a build did; ``points_read == points_stored + points_dropped``.

    ``seconds`` are summed over all workers by stage, ``wall_seconds`` is what the clock on the
    wall says. ``skipped`` holds scenes left out and why; their rows are not counted as read.
    """

    store: str
    dataset: str
    scenes: int
    points_read: int
    points_stored: int
    points_dropped: int
    blocks: int
    parts: int
    built: int
    kept: int
    finished: bool
    workers: int
    n_bytes: int
    seconds: dict[str, float]
    wall_seconds: float
    defects: tuple[Defect, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    failures: tuple[Failure, ...] = ()
    missing_allowed: tuple[str, ...] = field(default=())

    @property
    def bytes_per_point(self) -> float:
        """Bytes of the store on disk for each point stored, everything included."""
        return self.n_bytes / self.points_stored if self.points_stored else 0.0

    @property
    def ok(self) -> bool:
        """Whether every scene of the plan is in the store."""
        return self.finished and not self.skipped

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self), "bytes_per_point": self.bytes_per_point, "ok": self.ok}


def merge_recipe(entry: DatasetEntry, settings: Mapping[str, Any]) -> Recipe:
    """Return the entry's recipe with some values replaced; OptionError names what is wrong."""
    return Recipe.from_dict({**entry.recipe.to_dict(), **settings})


def build_store(
    entry: DatasetEntry,
    root: Path | None,
    out: Path,
    *,
    recipe: Recipe | None = None,
    workers: int = 0,
    on_defect: OnDefect = "repair",
    scenes: Sequence[str] = (),
    allow_missing: Sequence[str] = (),
    rebuild: bool = False,
    progress: Progress | None = None,
) -> BuildSummary:
    """Build a store, or go on with one that was interrupted.

    Parameters
    ----------
    entry : DatasetEntry
    root : Path, optional
        Folder of the raw data; none for scenes that are made up.
    out : Path
        Folder of the store. ``OUT.log.jsonl`` beside it gets one line with the times.
    recipe : Recipe, optional
        In place of the entry's.
    workers : int
        Processes; 0 and 1 work here.
    on_defect : {"repair", "fail", "skip"}
    scenes, allow_missing : sequences of str
        As for :func:`pipelines.plan.plan_build`.
    rebuild : bool
        Throw away a store of another recipe instead of refusing.
    progress : Progress, optional

    Raises
    ------
    OptionError
        No scene, a missing one, or a wrong option.
    StoreError
        ``out`` is something else, of another recipe, or being built by another process.
    """
    from prep.store import PartTask, build_part, create_store, finish_store, hold_store

    progress = progress or Silent()
    began = time.perf_counter()
    if root is not None:
        _check_apart(root, out)
    plan = plan_build(
        entry,
        find_scenes(entry, root),
        recipe or entry.recipe,
        patterns=scenes,
        allow_missing=allow_missing,
    )
    with hold_store(out):
        create_store(out, make_header(plan), rebuild=rebuild)
        outcome = run_tasks(
            build_part,
            [PartTask(str(out), part.index, part.scenes, on_defect) for part in plan.parts],
            labels=[_label(part.scenes[0].name, len(part.scenes)) for part in plan.parts],
            sizes=[part.n_bytes for part in plan.parts],
            workers=workers,
            progress=progress,
            title=f"build {entry.name}",
        )
        finish_seconds = time.perf_counter()
        if not outcome.failures:
            finish_store(out)
        finish_seconds = time.perf_counter() - finish_seconds
    seconds = {**_sum_seconds(outcome.reports), "finish": finish_seconds}
    wall = time.perf_counter() - began
    summary = _summarise(plan, out, outcome.reports, outcome.failures, workers, seconds, wall)
    _log(out, summary, outcome.reports)
    return summary


def make_header(plan: BuildPlan) -> StoreHeader:
    """Return the header of the store of a plan."""
    from prep.store import StoreHeader

    return StoreHeader(
        dataset=plan.entry.name,
        labels=plan.entry.labels,
        recipe=plan.recipe,
        reader=plan.entry.reader,
        n_parts=len(plan.parts),
        options=plan.entry.reader_options,
        groups=tuple(plan.found),
        expected=plan.expected,
        found=plan.found,
        missing_allowed=plan.missing_allowed,
        folds=plan.entry.folds,
    )


def disk_bytes(folder: Path) -> int:
    """Return the size of all files below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _check_apart(root: Path, out: Path) -> None:
    """Refuse to write a store among the raw data, where the next build would find it."""
    here, there = root.resolve(), out.resolve()
    if there == here or here in there.parents:
        raise OptionError(
            f"--out {out}: found a folder inside --root {root}, wanted one outside, since raw data "
            "are never written to; give another --out"
        )


def _label(first: str, n_scenes: int) -> str:
    return first if n_scenes == 1 else f"{first} and {n_scenes - 1} more"


def _sum_seconds(reports: Iterable[PartReport]) -> dict[str, float]:
    total: dict[str, float] = {}
    for report in reports:
        for stage, seconds in report.seconds.items():
            total[stage] = total.get(stage, 0.0) + seconds
    return total


def _summarise(
    plan: BuildPlan,
    out: Path,
    reports: Sequence[PartReport],
    failures: Sequence[Failure],
    workers: int,
    seconds: dict[str, float],
    wall: float,
) -> BuildSummary:
    defects = tuple(defect for report in reports for defect in report.defects)
    return BuildSummary(
        store=str(out),
        dataset=plan.entry.name,
        scenes=sum(report.scenes for report in reports),
        points_read=sum(report.n_read for report in reports),
        points_stored=sum(report.points for report in reports),
        points_dropped=sum(defect.dropped for defect in defects),
        blocks=sum(report.blocks for report in reports),
        parts=len(plan.parts),
        built=sum(report.status == "built" for report in reports),
        kept=sum(report.status == "kept" for report in reports),
        finished=not failures,
        workers=max(workers, 1),
        n_bytes=disk_bytes(out),
        seconds=seconds,
        wall_seconds=wall,
        defects=defects,
        skipped=tuple(skip for report in reports for skip in report.skipped),
        failures=tuple(failures),
        missing_allowed=plan.missing_allowed,
    )


def _log(out: Path, summary: BuildSummary, reports: Sequence[PartReport]) -> None:
    """Append the times to a file beside the store, whose own bytes know no time."""
    entry = {
        "ended": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "workers": summary.workers,
        "wall_seconds": round(summary.wall_seconds, 3),
        "seconds": {stage: round(value, 3) for stage, value in summary.seconds.items()},
        "finished": summary.finished,
        "parts": [
            {
                "index": report.index,
                "status": report.status,
                "points": report.points,
                "seconds": {stage: round(value, 3) for stage, value in report.seconds.items()},
            }
            for report in reports
        ],
    }
    path = out.with_name(out.name + ".log.jsonl")
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(entry) + "\n")
