"""From options and a store to the configuration of a run, and the blocks it trains on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.config import ModelConfig, OptionValue
from models.data import BlockData
from models.infer import choose_device
from models.run import RunConfig
from models.schedule import Schedule
from models.systems import SYSTEMS, configure
from models.votes import mean_cell_points
from prep.errors import OptionError
from prep.store import Fold, Store


@dataclass(frozen=True)
class TrainOptions:
    """What a user asks for; None leaves the choice to the system's row.

    Attributes
    ----------
    system : str
        Name of a row of models.systems.
    store, out : Path
        The store, and the folder of the run.
    fold : str
    backbone : str, optional
    level : int
        Level of labels to learn.
    epochs, batch_size : int, optional
    lr : float, optional
        First learning rate.
    decay_samples : int, optional
        Blocks after which learning rate and batch-norm momentum are halved.
    seed : int
    water_filling : bool
        Whether to add the blocks of Water Filling Sampling to every epoch.
    checkpoint_every : int
        Epochs between the checkpoints that are kept; the last state is always kept.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    model : dict
        Options of the system, by name.
    cache : Path, optional
        Folder of the decoded store, by default :func:`models.cache.cache_root`.
    """

    system: str
    store: Path
    fold: str
    out: Path
    backbone: str | None = None
    level: int = 0
    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    decay_samples: int | None = None
    seed: int = 0
    water_filling: bool = False
    checkpoint_every: int = 10
    device: str = "auto"
    model: dict[str, OptionValue] = field(default_factory=dict)
    cache: Path | None = None


@dataclass(frozen=True)
class Choices:
    """Options with the system's defaults filled in, before any data are read."""

    model: ModelConfig
    schedule: Schedule
    epochs: int
    batch_size: int
    device: torch.device


def check_options(options: TrainOptions, store: Store) -> Choices:
    """Check everything that can be told without the data: decoding a store takes minutes.

    Raises
    ------
    OptionError
        An option is unknown or wrong, or the store has no such fold or level.
    """
    store.fold(options.fold, options.level)
    model = configure(
        options.system,
        n_classes=len(store.labels.levels[options.level].classes),
        n_points=store.recipe.n_points,
        backbone=options.backbone,
        options=options.model,
    )
    row = SYSTEMS[options.system]
    schedule = row.schedule
    if options.lr is not None:
        schedule = replace(schedule, lr=options.lr, lr_min=min(schedule.lr_min, options.lr))
    if options.decay_samples is not None:
        schedule = replace(schedule, decay_samples=options.decay_samples)
    epochs = row.epochs_on(model.backbone) if options.epochs is None else options.epochs
    batch_size = row.batch_size if options.batch_size is None else options.batch_size
    for name, value in (
        ("epochs", epochs),
        ("batch size", batch_size),
        ("checkpoint every", options.checkpoint_every),
    ):
        if value < 1:
            raise OptionError(f"{name} {value} must be at least 1")
    if options.seed < 0:
        raise OptionError(f"seed {options.seed} must not be negative")
    return Choices(model, schedule, epochs, batch_size, choose_device(options.device))


def plan_run(options: TrainOptions, store: Store, data: BlockData) -> RunConfig:
    """Join the choices with what the training scenes say.

    Raises
    ------
    OptionError
        As :func:`check_options`, or the fold has no labelled training block.
    """
    choices = check_options(options, store)
    fold = store.fold(options.fold, options.level)
    n_classes = choices.model.n_classes
    blocks = training_blocks(fold, data, water_filling=options.water_filling)
    if not len(blocks):
        raise OptionError(
            f"{store.path}: fold {fold.name} has no labelled training block in "
            f"{len(fold.train)} training scenes; inspect the store or choose another fold"
        )
    points = count_classes(data, fold.train, n_classes)
    return RunConfig(
        system=options.system,
        model=choices.model,
        store=str(Path(store.path).resolve()),
        store_digest=store.digest,
        dataset=store.dataset,
        fold=fold.name,
        level=options.level,
        labels=store.labels,
        recipe=store.recipe,
        colored=data.color is not None,
        scenes=len(fold.train),
        blocks=len(blocks),
        common_class=int(points.argmax()),
        instance_points=tuple(fold.instance_points.tolist()),
        cell_points=_density(data, fold.train, store.recipe.stride_m),
        seed=options.seed,
        epochs=choices.epochs,
        batch_size=choices.batch_size,
        schedule=choices.schedule,
        water_filling=options.water_filling,
        checkpoint_every=options.checkpoint_every,
        device=choices.device.type,
    )


def training_blocks(fold: Fold, data: BlockData, *, water_filling: bool) -> NDArray[np.int64]:
    """Return the blocks of an epoch: those of the training scenes that hold a labelled point.

    With ``water_filling`` the blocks that Algorithm 1 of SASO adds follow; an index then stands
    more than once.
    """
    blocks = data.blocks_of(fold.train)
    if water_filling:
        extra = data.block_first[fold.resampled[:, 0]] + fold.resampled[:, 1]
        blocks = np.concatenate([blocks, extra])
    return blocks[data.labelled[blocks] > 0]


def _density(data: BlockData, scenes: NDArray[np.int32], cell_m: float) -> float:
    """Return the mean of the scenes' densities; each counts by its points."""
    rows = [data.scene_rows(scene) for scene in scenes.tolist()]
    densities = [mean_cell_points(data.coord[r], cell_m) for r in rows if r.stop > r.start]
    return float(
        np.average(densities, weights=[r.stop - r.start for r in rows if r.stop > r.start])
    )


def count_classes(data: BlockData, scenes: NDArray[np.int32], n_classes: int) -> NDArray[np.int64]:
    """Count the points of each class in some scenes, int64 (C,)."""
    counts = np.zeros(n_classes, np.int64)
    for scene in scenes.tolist():
        labels = data.semantic[data.scene_rows(scene)]
        counts += np.bincount(labels[labels >= 0], minlength=n_classes)
    return counts
