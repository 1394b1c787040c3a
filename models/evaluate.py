"""Scores of a run on its test scenes under a named protocol.

``paper``: what the published code does. The stored samples of the blocks, drawn with replacement,
overlapping; clusters merged on a grid of 201³ cells; instances of at most a quarter of the mean
training size dropped; every entry of a sample counts, semantic classes are not merged.

``full``: every original point gets one prediction and counts once (:mod:`models.votes`).
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.asis_files import write_asis_files
from models.batches import open_geometry, take_geometry
from models.cache import Arrays
from models.checkpoint import load_checkpoint
from models.data import BlockData, open_data
from models.geometry import Geometry
from models.infer import InferOptions, Predictor, share
from models.merging import drop_small, merge_blocks_paper
from models.metrics import Scorer
from models.run import Run, RunConfig, write_json
from models.semantic_metrics import ZeroDivision, constant_baseline
from models.systems import JointNet, build_model
from models.votes import predict_points
from prep.errors import OptionError, StoreError
from prep.progress import Progress, Silent
from prep.store import Store, open_store

PROTOCOLS = ("paper", "full")

F4 = NDArray[np.float32]


@dataclass(frozen=True)
class ScenePoints:
    """The points of one scene that are scored, and what was predicted for them.

    Attributes
    ----------
    coord : float32 (m, 3)
    color : uint8 (m, 3)
        Zeros where the scene has no colour.
    semantic_true, instance_true, semantic, instance : int32 (m,)
    confidence : float32 (m,)
    samples : int
        Samples that the network saw.
    """

    coord: F4
    color: NDArray[np.uint8]
    semantic_true: NDArray[np.int32]
    instance_true: NDArray[np.int32]
    semantic: NDArray[np.int32]
    instance: NDArray[np.int32]
    confidence: F4
    samples: int


def evaluate_run(
    run: Path,
    protocol: str,
    *,
    store: Path | None = None,
    checkpoint: str = "last",
    options: InferOptions | None = None,
    any_digest: bool = False,
    zero_division: ZeroDivision = "zero",
    asis_out: Path | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Score a run on the test scenes of its fold, and write scores and predictions into it.

    Parameters
    ----------
    run : Path
        Folder that train wrote.
    protocol : str
        ``paper`` or ``full``.
    store : Path, optional
        Where the store is now; by default where it was at training time.
    checkpoint : str
        ``last`` or ``epoch_NNN``.
    options : InferOptions, optional
    any_digest : bool
        Accept a store that is not the one of the training.
    zero_division : {"zero", "nan", "skip"}
        What 0/0 gives in a score, see :class:`models.metrics.Scorer`.
    asis_out : Path, optional
        Folder for ``ROOM_pred.txt`` and ``ROOM_gt.txt`` as ASIS writes them.
    cache : Path, optional
        Folder of the decoded store, by default :func:`models.cache.cache_root`.
    progress : Progress, optional

    Returns
    -------
    dict
        What ``evaluation/PROTOCOL.json`` holds.

    Raises
    ------
    OptionError
        The run or the protocol does not exist.
    StoreError
        The store is another one than at training time, or has no labelled test point.
    """
    if protocol not in PROTOCOLS:
        raise OptionError(f"protocol {protocol!r} must be one of {', '.join(PROTOCOLS)}")
    progress = progress or Silent()
    folder = Run(run)
    config = folder.read_config()
    opened = open_store(store or Path(config.store))
    _check_store(config, opened, protocol, any_digest)
    data = open_data(opened, level=config.level, cache=cache, progress=progress)
    model = build_model(config.model)
    state = load_checkpoint(folder.checkpoint(checkpoint), model, config_digest=config.digest)
    evaluation = _Evaluation(folder, config, opened, data, model, options or InferOptions())
    result = evaluation.run(protocol, Scorer(config.class_names, zero_division), asis_out, progress)
    result["checkpoint"] = {"name": checkpoint, "epoch": state.epoch, "samples": state.samples}
    write_json(folder.evaluation(protocol), result)
    return result


class _Evaluation:
    """Everything that the scenes of one evaluation share."""

    def __init__(
        self,
        run: Run,
        config: RunConfig,
        store: Store,
        data: BlockData,
        model: JointNet,
        options: InferOptions,
    ) -> None:
        self.run_folder, self.config, self.store, self.data = run, config, store, data
        self.spec, self.options = model.geometry_spec, options
        self.predictor = Predictor(model, options)
        self.fold = store.fold(config.fold, config.level)
        self.seconds = self.predictor.seconds
        self.geometry: Arrays | None = None
        if not len(self.fold.test):
            raise StoreError(f"{store.path}: fold {config.fold} has no test scene")

    def run(
        self, protocol: str, scorer: Scorer, asis_out: Path | None, progress: Progress
    ) -> dict[str, Any]:
        """Predict and score scene by scene."""
        total = samples = 0
        target = self.run_folder.evaluation(protocol)
        target.unlink(missing_ok=True)
        shutil.rmtree(target.with_suffix(""), ignore_errors=True)
        if protocol == "paper":
            self.geometry = open_geometry(self.data, self.spec, progress=progress)
        predict = self._paper if protocol == "paper" else self._full
        total_rows = int(self.data.rows[self.fold.test].sum())
        progress.start(f"evaluate, protocol {protocol}", total_rows, "point")
        try:
            for scene in self.fold.test.tolist():
                name = self.data.names[scene]
                found = predict(scene, progress)
                with self._timed("scoring"):
                    scorer.add(
                        found.semantic_true, found.instance_true, found.semantic, found.instance
                    )
                total, samples = total + len(found.coord), samples + found.samples
                with self._timed("writing"):
                    _write_scene(self.run_folder.prediction(protocol, name), found)
                    if asis_out is not None:
                        _write_asis(asis_out, name, found)
                progress.advance(0, note=name)
        finally:
            progress.finish()
        with self._timed("scoring"):
            scores = scorer.result()
        config = self.config
        if not scores.points:
            raise StoreError(
                f"{self.store.path}: found no labelled point in the {len(self.fold.test)} test "
                f"scenes of fold {config.fold} under protocol {protocol}, wanted something to "
                "score; label the scenes, or use predict"
            )
        n = len(config.class_names)
        common = constant_baseline(scorer.confusion, config.common_class, scorer.zero_division)
        return {
            "protocol": protocol,
            "system": config.system,
            "backbone": config.model.backbone,
            "dataset": config.dataset,
            "fold": config.fold,
            "level": config.level,
            "seed": config.seed,
            "store_digest": self.store.digest,
            "bandwidth": self.options.bandwidth,
            "samples": samples,
            "scenes": scores.rooms,
            **scores.to_dict(),
            "confusion": scorer.confusion[:, :n].tolist(),
            "points": total,
            "scored_points": scores.points,
            "baseline": {
                "class": config.class_names[config.common_class],
                **{name: None if math.isnan(value) else value for name, value in common.items()},
            },
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
        }

    def _paper(self, scene: int, progress: Progress) -> ScenePoints:
        data, config = self.data, self.config
        blocks = data.scene_blocks(scene)
        rows = data.scene_rows(scene)
        sample = data.sample[blocks].astype(np.int64)
        semantic = np.empty(sample.shape, np.int32)
        cluster = np.empty(sample.shape, np.int32)
        confidence = np.empty(sample.shape, np.float32)
        geometry = self.geometry

        def load(first: int, stop: int) -> tuple[F4, Geometry]:
            features = data.features(blocks[first:stop])
            if not config.colored:
                features[:, :, 3:6] = 0
            return features, take_geometry(geometry, blocks[first:stop])

        for at, found in self.predictor.run(load, len(blocks), where=data.names[scene]):
            semantic[at], cluster[at] = found.semantic, found.cluster
            confidence[at] = found.probability.max(axis=2)
            progress.advance(share(int(data.rows[scene]), at, len(blocks)))
        if not len(blocks):
            progress.advance(int(data.rows[scene]))
        coord = data.coord[rows][sample]
        with self._timed("merging"):
            extent = np.where(data.room_max[scene] > 0, data.room_max[scene], 1.0)
            merged = merge_blocks_paper(coord.astype(np.float64) / extent, cluster, semantic)
            # the published file of mean sizes holds whole numbers, NaN where there is none
            size = self.fold.instance_size
            size = np.where(size > 0, np.trunc(size), np.nan)
            instance = drop_small(merged, semantic.reshape(-1), size)
        flat = sample.reshape(-1)
        return ScenePoints(
            coord=coord.reshape(-1, 3),
            color=self._colors(rows)[flat],
            semantic_true=data.semantic[rows][flat].astype(np.int32),
            instance_true=data.instance[rows][flat].astype(np.int32),
            semantic=semantic.reshape(-1),
            instance=instance.astype(np.int32),
            confidence=confidence.reshape(-1),
            samples=len(blocks),
        )

    def _full(self, scene: int, progress: Progress) -> ScenePoints:
        data, config = self.data, self.config
        rows = data.scene_rows(scene)
        color = data.color[rows] if data.color is not None and config.colored else None
        found = predict_points(
            self.predictor,
            self.spec,
            data.coord[rows],
            color,
            name=data.names[scene],
            recipe=config.recipe,
            n_classes=len(config.class_names),
            instance_points=np.array(config.instance_points),
            cell_points=config.cell_points,
            seed=config.seed,
            progress=progress,
        )
        # results stand in the order of the source, as the user gave it
        part = self.store.part(int(self.store.scenes.part[scene]), ["source"])
        first = int(self.store.scenes.first[scene])
        order = np.argsort(part.source[first : first + int(data.rows[scene])], kind="stable")
        return ScenePoints(
            coord=data.coord[rows][order],
            color=self._colors(rows)[order],
            semantic_true=data.semantic[rows][order].astype(np.int32),
            instance_true=data.instance[rows][order].astype(np.int32),
            semantic=found.semantic[order].astype(np.int32),
            instance=found.instance[order],
            confidence=found.confidence[order],
            samples=found.samples,
        )

    def _colors(self, rows: slice) -> NDArray[np.uint8]:
        if self.data.color is None:
            return np.zeros((rows.stop - rows.start, 3), np.uint8)
        return self.data.color[rows]

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - began


def _check_store(config: RunConfig, store: Store, protocol: str, any_digest: bool) -> None:
    if store.digest != config.store_digest and not any_digest:
        raise StoreError(
            f"{store.path}: found digest {store.digest[:12]}, wanted {config.store_digest[:12]} "
            "that the run was trained on; give that store, or accept this one with --any-store"
        )
    if store.labels != config.labels:
        raise StoreError(f"{store.path}: its classes are not those that the run was trained on")
    if protocol == "paper":  # full cuts blocks of its own
        for name in ("block_m", "stride_m", "n_points"):
            found, wanted = getattr(store.recipe, name), getattr(config.recipe, name)
            if found != wanted:
                raise StoreError(
                    f"{store.path}: found blocks of {name} {found}, wanted {wanted} as in the "
                    "training; build the store with the same recipe, or use protocol full"
                )


def _write_scene(path: Path, found: ScenePoints) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path,
        coord=found.coord,
        color=found.color,
        semantic_true=found.semantic_true,
        instance_true=found.instance_true,
        semantic=found.semantic,
        instance=found.instance,
        confidence=found.confidence,
    )


def _write_asis(folder: Path, name: str, found: ScenePoints) -> None:
    write_asis_files(
        folder,
        name,
        xyz=found.coord,
        color=found.color,
        confidence=found.confidence,
        semantic=found.semantic,
        instance=found.instance,
        true_semantic=found.semantic_true,
        true_instance=found.instance_true,
    )
