"""The demonstration: everything once, on a building that the program makes up.

::

    OUT/building/     raw rooms in the S3DIS layout
    OUT/store.zarr    built from them
    OUT/run/          ASIS trained on five areas with Water Filling Sampling, scored on the sixth
    OUT/report.html   scores, curves and pictures

Every step is skipped or continued where an earlier demonstration stopped.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.run import write_json
from pipelines.build import BuildSummary, build_store, merge_recipe
from pipelines.catalog import find_entry, load_catalog
from pipelines.catalog_parse import DatasetEntry
from prep.errors import JointcloudError, OptionError
from prep.progress import Progress
from prep.readers.synthetic import list_scenes, read_scene
from prep.writers.s3dis import write_s3dis

if TYPE_CHECKING:
    from models.train import TrainReport

SYSTEM, FOLD, PROTOCOLS = "asis", "area6", ("paper", "full")
LEARNING_RATE = 3e-3  # a few minutes of training want larger steps than a hundred epochs


@dataclass(frozen=True)
class DemoSize:
    """How much the demonstration does; ``decay_samples`` halves the learning rate."""

    rooms_per_area: int
    points_per_room: int
    n_points: int
    epochs: int
    batch_size: int
    decay_samples: int


FULL = DemoSize(2, 40_000, 512, 3, 8, 1_500)
QUICK = DemoSize(1, 4_000, 96, 2, 8, 300)


def run_demo(
    out: Path,
    *,
    seed: int = 0,
    workers: int = 0,
    progress: Progress,
    quick: bool = False,
) -> dict[str, Any]:
    """Run the demonstration in the folder ``out``.

    Returns
    -------
    dict
        ``report`` and ``building`` (paths), ``build``, ``train``, ``evaluation`` (by protocol) and
        ``wall_seconds`` as plain JSON values.

    Raises
    ------
    JointcloudError
        ``out`` holds a demonstration of another size or seed, or something else.
    """
    from models.plan import TrainOptions
    from models.train import train
    from pipelines.report import write_report

    began = time.perf_counter()
    size = QUICK if quick else FULL
    entry = find_entry(load_catalog(), "building")
    raw, store, run = out / "building", out / "store.zarr", out / "run"
    _write_building(raw, entry, size, seed, progress)
    recipe = merge_recipe(entry, {"n_points": size.n_points, "seed": seed})
    summary = build_store(entry, raw, store, recipe=recipe, workers=workers, progress=progress)
    _refuse_failures(summary)
    options = TrainOptions(
        system=SYSTEM,
        store=store,
        fold=FOLD,
        out=run,
        epochs=size.epochs,
        batch_size=size.batch_size,
        lr=LEARNING_RATE,
        decay_samples=size.decay_samples,
        seed=seed,
        water_filling=True,
        cache=out / "cache",
    )
    trained = train(options, progress)
    scores = {
        protocol: _scores(run, trained, protocol, out / "cache", progress) for protocol in PROTOCOLS
    }
    report = write_report(run, out / "report.html", store=store)
    return {
        "report": str(report),
        "building": str(raw),
        "build": summary.to_dict(),
        "train": {**asdict(trained), "run": str(run)},
        "evaluation": scores,
        "wall_seconds": time.perf_counter() - began,
    }


def describe_learning(scores: Mapping[str, Any]) -> str:
    """Return one line: how far the model is above always saying the commonest class."""
    mean, base = scores["mean"], scores["baseline"]
    rooms = scores["scenes"]
    compared = (
        f"{key} {100 * mean[key]:.1f} % ({100 * (mean[key] - base[key]):+.1f})"
        for key in ("mIoU", "oAcc")
    )
    others = (f"{key} {100 * mean[key]:.1f} %" for key in ("mWCov", "mPrec", "mRec"))
    return (
        f"protocol {scores['protocol']}, {rooms} test room{'s' * (rooms != 1)}, "
        f"{scores['points']:,} points: {', '.join(compared)} over always saying "
        f"{base.get('class', 'the commonest class')}; {', '.join(others)}"
    )


def _write_building(
    raw: Path, entry: DatasetEntry, size: DemoSize, seed: int, progress: Progress
) -> None:
    """Write the raw rooms, or accept those that an earlier demonstration wrote.

    The note beside them says whose they are before the first is written, and at the end that they
    are all there: nothing is removed that a demonstration did not write.
    """
    note = raw.parent / "building.json"
    wanted = {"seed": seed, **asdict(size)}
    found = _read_note(note)
    if found is not None:
        finished = found.pop("finished", False)
        if found != wanted:
            keys = [key for key in wanted if found.get(key) != wanted[key]]
            there = ", ".join(f"{key} {found.get(key)}" for key in keys)
            now = ", ".join(f"{key} {wanted[key]}" for key in keys)
            raise OptionError(
                f"{raw.parent}: found a demonstration with {there}, wanted {now}; "
                "give another --out or remove the folder"
            )
        if finished:
            return
        shutil.rmtree(raw, ignore_errors=True)
    elif raw.parent.exists() and (not raw.parent.is_dir() or any(raw.parent.iterdir())):
        kind = "folder with other files" if raw.parent.is_dir() else "file"
        raise OptionError(
            f"{raw.parent}: found a {kind}, wanted an empty or a new folder; give another --out"
        )
    options: dict[str, object] = {
        "rooms_per_area": size.rooms_per_area,
        "points_per_room": size.points_per_room,
        "seed": seed,
    }
    write_json(note, {**wanted, "finished": False})
    sources = list_scenes(raw, labels=entry.labels, options=options)
    progress.start("write the building", len(sources), "room")
    for source in sources:
        scene = read_scene(source, labels=entry.labels, on_defect="fail")
        write_s3dis(scene, raw, entry.labels)
        progress.advance(1, source.name)
    progress.finish()
    write_json(note, {**wanted, "finished": True})


def _read_note(note: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _scores(run: Path, trained: TrainReport, protocol: str, cache: Path, progress: Progress) -> Any:
    """Return the scores of an earlier evaluation of these weights, or evaluate."""
    from models.evaluate import evaluate_run
    from models.run import Run

    try:
        found = json.loads(Run(run).evaluation(protocol).read_text(encoding="utf-8"))
        if trained.trained_epochs == 0 and found["checkpoint"]["samples"] == trained.samples:
            return found
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        pass  # none yet, or not a whole one
    return evaluate_run(run, protocol, cache=cache, progress=progress)


def _refuse_failures(summary: BuildSummary) -> None:
    if summary.failures:
        raise JointcloudError("\n".join(line for f in summary.failures for line in f.lines))
