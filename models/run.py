"""The folder of a trained model: configuration, checkpoints, history, evaluation.

::

    RUN/config.json                     everything that prediction needs, without the store
        checkpoints/last.safetensors    the newest state; epoch_NNN.safetensors now and then
        history.jsonl                   one line an epoch
        tensorboard/
        evaluation/PROTOCOL.json        scores
        evaluation/PROTOCOL/SCENE.npz   predictions
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any

from models.config import ModelConfig
from models.schedule import Schedule
from models.systems import configure
from prep.errors import JointcloudError, OptionError
from prep.labels import Labels
from prep.recipe import Recipe

FORMAT = 1

#: Settings that do not change the weights after a given number of epochs.
FREE = ("epochs", "checkpoint_every", "store")


@dataclass(frozen=True)
class RunConfig:
    """All that decides the weights of a run, and all that prediction needs to know.

    Attributes
    ----------
    system : str
    model : ModelConfig
    store : str
        Where the store was at training time.
    store_digest, dataset, fold : str
    level : int
        Level of labels that is learned.
    labels : Labels
        Of the store, all levels.
    recipe : Recipe
        Of the store: sizes of blocks and samples.
    colored : bool
        Whether the training points had colours.
    scenes : int
        Training scenes.
    blocks : int
        Labelled blocks in an epoch, before the last incomplete batch is dropped.
    common_class : int
        Class of most training points.
    instance_points : tuple of float
        Mean points of a training instance by class, 0 where there is none.
    cell_points : float
        Density of the training scenes: mean points in those cells of the floor, ``stride_m``
        wide, that hold any.
    seed, epochs, batch_size : int
    schedule : Schedule
    water_filling : bool
        Whether the blocks of Water Filling Sampling are added to the epoch.
    checkpoint_every : int
        Epochs between the checkpoints that are kept.
    device : str
        Kind of device: weights of ``cpu`` and ``cuda`` differ in the last bits.
    """

    system: str
    model: ModelConfig
    store: str
    store_digest: str
    dataset: str
    fold: str
    level: int
    labels: Labels
    recipe: Recipe
    colored: bool
    scenes: int
    blocks: int
    common_class: int
    instance_points: tuple[float, ...]
    cell_points: float
    seed: int
    epochs: int
    batch_size: int
    schedule: Schedule
    water_filling: bool
    checkpoint_every: int
    device: str

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names of the learned level."""
        return self.labels.levels[self.level].names

    @property
    def digest(self) -> str:
        """Digest of everything that decides the weights."""
        data = {k: v for k, v in self.to_dict().items() if k not in FREE}
        text = json.dumps(data, sort_keys=True).encode()
        return hashlib.blake2b(text, digest_size=16).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; the inverse of :meth:`from_dict`."""
        data = {f.name: getattr(self, f.name) for f in fields(self)}
        data["model"] = self.model.to_dict()
        data["labels"] = self.labels.to_dict()
        data["recipe"] = self.recipe.to_dict()
        data["schedule"] = asdict(self.schedule)
        data["instance_points"] = list(self.instance_points)
        return {"format": FORMAT, **data}

    @staticmethod
    def from_dict(data: dict[str, Any]) -> RunConfig:
        """Parse what :meth:`to_dict` wrote; raises OptionError on anything else."""
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise OptionError("not the configuration of a jointcloud run of this version")
        known = {f.name for f in fields(RunConfig)}
        missing, extra = known - data.keys(), data.keys() - known - {"format"}
        if missing or extra:
            raise OptionError(
                f"missing keys {sorted(missing)}, unknown keys {sorted(extra)}; train again"
            )
        values = {name: data[name] for name in known}
        for name, kind in _KINDS.items():
            if type(values[name]) is not kind:
                raise OptionError(f"{name} {values[name]!r} is not a {kind.__name__}")
        try:
            values["model"] = _check_model(ModelConfig.from_dict(data["model"]))
            values["labels"] = Labels.from_dict(data["labels"])
            values["recipe"] = Recipe.from_dict(data["recipe"])
            values["schedule"] = Schedule(**data["schedule"])
            values["instance_points"] = tuple(float(v) for v in data["instance_points"])
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise OptionError(f"a value cannot be read ({error})") from error
        config = RunConfig(**values)
        if not 0 <= config.level < len(config.labels.levels):
            raise OptionError(f"level {config.level} of {len(config.labels.levels)}")
        classes = len(config.class_names)
        found = (config.model.n_classes, len(config.instance_points))
        if found != (classes, classes) or not 0 <= config.common_class < classes:
            raise OptionError(
                f"model of {found[0]} classes, instance sizes of {found[1]}, commonest class "
                f"{config.common_class}; the labels have {classes} classes"
            )
        return config


def _check_model(model: ModelConfig) -> ModelConfig:
    """Return a network's configuration as :func:`models.systems.configure` accepts it."""
    sizes = {"n_classes", "n_points", "in_channels", "embedding"}
    for name in sorted(sizes):
        if type(getattr(model, name)) is not int:
            raise OptionError(f"model: {name} {getattr(model, name)!r} is not an int")
    again = configure(**model.to_dict())
    if again != model:
        raise OptionError(f"model: options {model.options}, wanted {again.options}; train again")
    return again


_KINDS: dict[str, type] = {
    **dict.fromkeys(("system", "store", "store_digest", "dataset", "fold", "device"), str),
    **dict.fromkeys(("level", "scenes", "blocks", "common_class", "seed", "epochs"), int),
    **dict.fromkeys(("batch_size", "checkpoint_every"), int),
    "cell_points": float,
    **dict.fromkeys(("colored", "water_filling"), bool),
}


class Run:
    """The files of one run."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard events."""
        return self.folder / "tensorboard"

    @property
    def history_path(self) -> Path:
        """File of one JSON line an epoch."""
        return self.folder / "history.jsonl"

    def checkpoint(self, name: str = "last") -> Path:
        """Return the path of a checkpoint, ``last`` or ``epoch_NNN``."""
        return self.folder / "checkpoints" / f"{name}.safetensors"

    def evaluation(self, protocol: str) -> Path:
        """Return the path of a protocol's scores."""
        return self.folder / "evaluation" / f"{protocol}.json"

    def prediction(self, protocol: str, scene: str) -> Path:
        """Return the path of a scene's predictions, which lies inside the run's folder."""
        parts = PurePosixPath(scene).parts
        if not parts or scene.startswith("/") or ".." in parts:
            raise JointcloudError(f"scene {scene!r} is not a name that can be a file's")
        return self.folder / "evaluation" / protocol / f"{scene}.npz"

    def read_config(self) -> RunConfig:
        """Read the configuration.

        Raises
        ------
        OptionError
            The folder holds no run, or its configuration is damaged.
        """
        path = self.folder / "config.json"
        try:
            data = json.loads(path.read_text())
        except FileNotFoundError as error:
            raise OptionError(
                f"{self.folder}: found no config.json, wanted the folder that train wrote; "
                "check the path"
            ) from error
        except (OSError, ValueError) as error:
            raise OptionError(f"{path}: cannot be read ({error}); train again") from error
        try:
            return RunConfig.from_dict(data)
        except OptionError as error:
            raise OptionError(f"{path}: {error}") from error

    def check_config(self, config: RunConfig) -> None:
        """Check that a configuration there already leads to the same weights.

        Raises
        ------
        OptionError
            The run in this folder was trained otherwise; the line names the keys that differ.
        """
        if not (self.folder / "config.json").exists():
            return
        old, new = self.read_config().to_dict(), config.to_dict()
        keys = [k for k in new if k not in FREE and old[k] != new[k]]
        if keys:
            texts = ", ".join(_difference(k, old[k], new[k]) for k in keys)
            raise OptionError(
                f"{self.folder}: holds a run of other settings ({texts}); give the same "
                "settings to continue it, or another folder"
            )

    def write_config(self, config: RunConfig) -> None:
        """Write the configuration."""
        write_json(self.folder / "config.json", config.to_dict())

    def read_history(self) -> list[dict[str, Any]]:
        """Return the lines of the history, without a last one that was cut off."""
        try:
            lines = self.history_path.read_text().splitlines()
        except FileNotFoundError:
            return []
        rows = []
        for line in lines:
            try:
                rows.append(json.loads(line))
            except ValueError:
                break
        return rows

    def write_history(self, rows: list[dict[str, Any]]) -> None:
        """Replace the history."""
        text = "".join(json.dumps(row) + "\n" for row in rows)
        write_text(self.history_path, text)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one training; a process that dies lets go of it.

        Raises
        ------
        OptionError
            Another process is training in this folder, or it cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / ".lock").open("a")
        except OSError as error:
            raise OptionError(
                f"{self.folder}: cannot be used as the folder of a run ({error.strerror}); give "
                "another one"
            ) from error
        with lock as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise OptionError(
                    f"{self.folder}: another process is training in this folder; wait for it or "
                    "give another folder"
                ) from error
            yield


def _difference(key: str, old: Any, new: Any) -> str:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = [k for k in sorted({*old, *new}) if old.get(k) != new.get(k)]
        return ", ".join(_difference(f"{key}.{k}", old.get(k), new.get(k)) for k in keys)
    if isinstance(old, list) or isinstance(new, list):
        return key
    return f"{key} {old} there, {new} now"


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step, in place of an older one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text)
    temporary.replace(path)


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write a JSON file in one step, in place of an older one."""
    write_text(path, json.dumps(data, indent=1) + "\n")
