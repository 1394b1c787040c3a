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
from typing import Any

from pipelines.build import BuildSummary, build_store, merge_recipe
from pipelines.catalog import find_entry, load_catalog
from pipelines.catalog_parse import DatasetEntry
from prep.errors import JointcloudError
from prep.progress import Progress
from prep.readers.synthetic import list_scenes, read_scene
from prep.writers.s3dis import write_s3dis

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


FULL = DemoSize(2, 40_000, 512, 4, 8, 2_000)
QUICK = DemoSize(1, 6_000, 128, 2, 4, 300)


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
        ``report`` (path), ``build``, ``train`` and ``evaluation`` (by protocol) as plain JSON
        values, ``wall_seconds``.

    Raises
    ------
    JointcloudError
        ``out`` holds a demonstration of another size or seed, or something else.
    """
    from models.evaluate import evaluate_run
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
        protocol: evaluate_run(run, protocol, cache=options.cache, progress=progress)
        for protocol in PROTOCOLS
    }
    report = write_report(run, out / "report.html", store=store)
    return {
        "report": str(report),
        "build": summary.to_dict(),
        "train": {**asdict(trained), "run": str(run)},
        "evaluation": scores,
        "wall_seconds": time.perf_counter() - began,
    }


def describe_learning(scores: Mapping[str, Any]) -> str:
    """Return one line: how far the model is above always saying the commonest class."""
    mean, base = scores["mean"], scores["baseline"]
    gain = {key: 100 * (mean[key] - base[key]) for key in ("oAcc", "mIoU")}
    return (
        f"protocol {scores['protocol']}, {scores['scenes']} test rooms, "
        f"{scores['points']:,} points: mIoU {100 * mean['mIoU']:.1f} "
        f"({gain['mIoU']:+.1f} over always saying the commonest class), "
        f"oAcc {100 * mean['oAcc']:.1f} ({gain['oAcc']:+.1f}), "
        f"mWCov {100 * mean['mWCov']:.1f}, mPrec {100 * mean['mPrec']:.1f}, "
        f"mRec {100 * mean['mRec']:.1f}"
    )


def _write_building(
    raw: Path, entry: DatasetEntry, size: DemoSize, seed: int, progress: Progress
) -> None:
    """Write the raw rooms, or accept those that an earlier demonstration wrote."""
    wanted = {"seed": seed, **asdict(size)}
    note = raw.parent / "building.json"
    if note.is_file():
        if json.loads(note.read_text(encoding="utf-8")) == wanted:
            return
        raise JointcloudError(
            f"{raw.parent}: found a demonstration of another size or seed, wanted {wanted}; "
            "give another --out or remove the folder"
        )
    if raw.parent.exists() and any(p.name != "building" for p in raw.parent.iterdir()):
        raise JointcloudError(
            f"{raw.parent}: found a folder with other files, wanted an empty or a new one; "
            "give another --out"
        )
    options: dict[str, object] = {
        "rooms_per_area": size.rooms_per_area,
        "points_per_room": size.points_per_room,
        "seed": seed,
    }
    if raw.exists():
        shutil.rmtree(raw)
    sources = list_scenes(raw, labels=entry.labels, options=options)
    progress.start("write the building", len(sources), "rooms")
    for source in sources:
        scene = read_scene(source, labels=entry.labels, on_defect="fail")
        write_s3dis(scene, raw, entry.labels)
        progress.advance(1, source.name)
    progress.finish()
    note.write_text(json.dumps(wanted) + "\n", encoding="utf-8")


def _refuse_failures(summary: BuildSummary) -> None:
    if summary.failures:
        raise JointcloudError("\n".join(line for f in summary.failures for line in f.lines))
