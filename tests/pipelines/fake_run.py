"""The folder of a run that was never trained: made-up numbers in the files of a real one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from models.metrics import Scorer
from models.run import Run, RunConfig, write_json
from models.schedule import Schedule
from models.semantic_metrics import ZeroDivision
from models.systems import configure
from prep.labels import ClassInfo, Labels, Level
from prep.readers.synthetic import synthetic_room
from prep.recipe import Recipe
from prep.synthetic.rooms import CLASSES

COLORS = np.random.default_rng(4).integers(30, 230, (13, 3)).tolist()
LABELS = Labels(
    (Level("object", tuple(ClassInfo(i, n, tuple(COLORS[i])) for i, n in enumerate(CLASSES))),)
)


def write_run(
    folder: Path,
    *,
    labels: Labels = LABELS,
    dataset: str = "building",
    fold: str = "area5",
    store: str = "gone.zarr",
    digest: str = "0123456789abcdef0123456789abcdef",
    epochs: int = 3,
) -> Run:
    """Write ``config.json`` and ``history.jsonl``."""
    n = len(labels.levels[0].classes)
    run = Run(folder)
    run.write_config(
        RunConfig(
            system="asis",
            model=configure("asis", backbone="pointnet", n_classes=n),
            store=store,
            store_digest=digest,
            dataset=dataset,
            fold=fold,
            level=0,
            labels=labels,
            recipe=Recipe(n_points=1024),
            colored=True,
            scenes=10,
            blocks=640,
            common_class=2 % n,
            instance_points=(100.0,) * n,
            cell_points=100.0,
            seed=7,
            epochs=epochs,
            batch_size=12,
            schedule=Schedule(),
            water_filling=False,
            checkpoint_every=10,
            device="cpu",
        )
    )
    run.write_history(
        [
            {
                "epoch": e + 1,
                "samples": 640 * (e + 1),
                "loss": {"total": 3 / (e + 1), "semantic": 2 / (e + 1), "instance": 1 / (e + 1)},
                "accuracy": 1 - 0.6 / (e + 1),
                "lr": 1e-3,
                "seconds": 12.5,
            }
            for e in range(epochs)
        ]
    )
    return run


def add_evaluation(
    run: Run,
    protocol: str,
    *,
    scenes: tuple[str, ...],
    points: int = 3000,
    zero_division: ZeroDivision = "zero",
) -> None:
    """Write scores, and predictions with one point in four wrong."""
    rng = np.random.default_rng(len(protocol))
    labels = run.read_config().labels
    names = labels.levels[0].names
    scorer = Scorer(names, zero_division)
    for name in scenes:
        room = synthetic_room(0, name, "office", points, LABELS, origin=(3.0, -2.0, 0.0))
        truth = np.minimum(room.semantic[:, 0], len(names) - 1)
        found = np.where(rng.random(points) < 0.25, rng.integers(0, len(names), points), truth)
        instance = (room.instance[:, 0] + 5).astype(np.int32)
        scorer.add(truth, room.instance[:, 0], found, instance)
        path = run.prediction(protocol, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            path,
            coord=room.xyz.astype(np.float32),
            color=room.color,
            semantic_true=truth,
            instance_true=room.instance[:, 0],
            semantic=found.astype(np.int16),
            instance=instance,
            confidence=rng.random(points).astype(np.float32),
        )
    scores = scorer.result().to_dict()
    result = {
        "protocol": protocol,
        "system": "asis",
        "backbone": "pointnet",
        "fold": "area5",
        "seed": 7,
        "scenes": len(scenes),
        **scores,
        "baseline": {"class": names[2 % len(names)], **scores["baseline"]},
        "seconds": {"network": 10.0, "clustering": 5.5},
    }
    write_json(run.evaluation(protocol), json.loads(json.dumps(result)))
