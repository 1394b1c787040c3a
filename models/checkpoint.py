"""Checkpoints that cannot run code: safetensors with a JSON header, replaced atomically.

``NAME.safetensors`` holds the weights (``model.…``), the optimizer's tensors
(``optimizer.INDEX.KEY``) and, in its header, the state of the training as JSON, so that one
rename makes the whole checkpoint valid at once. ``NAME.json`` beside it repeats the state for
readers; it is never read back.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from models.run import write_json
from prep.errors import JointcloudError, OptionError

HEADER = "jointcloud"
FORMAT = 1


@dataclass(frozen=True)
class TrainState:
    """Where a training stands.

    Attributes
    ----------
    epoch : int
        Completed epochs.
    step : int
        Completed steps of the epoch under way (0 at the end of an epoch).
    samples : int
        Blocks seen.
    sums : dict of str to float
        Sums of the losses over the steps of the epoch under way.
    seconds : float
        Spent so far on the epoch under way.
    store_digest, config_digest : str
        Digests of the store and of the run's configuration.
    """

    epoch: int
    step: int
    samples: int
    sums: dict[str, float]
    seconds: float
    store_digest: str
    config_digest: str


def save_checkpoint(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, state: TrainState
) -> None:
    """Write a checkpoint in place of an older one.

    Raises
    ------
    JointcloudError
        A weight is NaN or infinite, or the file cannot be written; the older one is kept.
    """
    tensors = _model_tensors(model)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise JointcloudError(
                f"{path.name}: weight {name.removeprefix('model.')} is not finite after "
                f"{state.samples} samples; the checkpoint before is kept, lower the learning rate"
            )
    for index, values in optimizer.state_dict()["state"].items():
        for key, value in values.items():
            tensors[f"optimizer.{index}.{key}"] = value.detach().cpu().contiguous()
    # one entry only: the order of several is not reproducible
    metadata = {HEADER: json.dumps({"format": FORMAT, **asdict(state)}, sort_keys=True)}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, temporary, metadata=metadata)
        _sync(temporary)
        temporary.replace(path)
        write_json(path.with_suffix(".json"), asdict(state))
    except (OSError, SafetensorError) as error:
        raise JointcloudError(
            f"checkpoint {path}: cannot be written ({error}); the one before is kept, free space "
            "and train again to continue"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def load_checkpoint(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer | None = None,
    *,
    config_digest: str | None = None,
) -> TrainState:
    """Load weights, and the optimizer's tensors if one is given, from a checkpoint.

    Nothing is changed before every name and shape has been found right.

    Raises
    ------
    OptionError
        The file is missing, is no checkpoint of this program, is of another model, or, where
        ``config_digest`` is given, of another configuration.
    """
    tensors, state = _read(path)
    if config_digest not in (None, state.config_digest):
        raise OptionError(
            f"checkpoint {path}: was written under settings other than those of config.json "
            "beside it; restore the two together, or train in a new folder"
        )
    wanted = _model_tensors(model)
    found = {n: t for n, t in tensors.items() if n.startswith("model.")}
    _compare(path, found, wanted)
    if optimizer is not None:
        _load_optimizer(path, tensors, optimizer)
    model.load_state_dict({n.removeprefix("model."): t for n, t in found.items()})
    return state


def _model_tensors(model: nn.Module) -> dict[str, Tensor]:
    state = model.state_dict()
    return {f"model.{n}": t.detach().cpu().contiguous().clone() for n, t in state.items()}


def _read(path: Path) -> tuple[dict[str, Tensor], TrainState]:
    try:
        # safetensors holds numbers and text only: reading it runs nothing
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except FileNotFoundError as error:
        raise OptionError(f"checkpoint {path}: no such file; train first") from error
    except (SafetensorError, OSError) as error:
        raise OptionError(
            f"checkpoint {path}: not a readable safetensors file ({error}); use another one"
        ) from error
    try:
        data: dict[str, Any] = json.loads(metadata.get(HEADER, "{}"))
        form = data.get("format")
    except (ValueError, AttributeError) as error:
        raise OptionError(f"checkpoint {path}: its state cannot be read ({error})") from error
    if form != FORMAT:
        raise OptionError(
            f"checkpoint {path}: found format {form!r}, wanted {FORMAT!r}; only checkpoints "
            "written by jointcloud train can be loaded"
        )
    try:
        values = {f.name: data[f.name] for f in fields(TrainState)}
    except KeyError as error:
        raise OptionError(f"checkpoint {path}: its state lacks {error}") from error
    faults = [f"{k} {v!r}" for k, v in values.items() if not _is_sound(k, v)]
    if faults:
        raise OptionError(f"checkpoint {path}: its state holds {', '.join(faults)}; it is damaged")
    return tensors, TrainState(**values)


def _is_sound(name: str, value: Any) -> bool:
    """Tell whether a value of the state is of the type that TrainState names."""
    if name in ("epoch", "step", "samples"):
        return type(value) is int and value >= 0
    if name == "seconds":
        return type(value) in (int, float)
    if name == "sums":
        return isinstance(value, dict) and all(type(v) is float for v in value.values())
    return isinstance(value, str)


def _compare(path: Path, found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    missing, extra = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    if missing or extra:
        name = (missing or extra)[0].removeprefix("model.")
        what = "has no" if missing else "has an unknown"
        more = len(missing) + len(extra) - 1
        raise OptionError(
            f"checkpoint {path}: {what} weight {name} (and {more} other differences); "
            "it is of another model"
        )
    for name, tensor in wanted.items():
        other = found[name]
        if other.shape != tensor.shape or other.dtype != tensor.dtype:
            raise OptionError(
                f"checkpoint {path}: weight {name.removeprefix('model.')} is {_kind(other)}, "
                f"wanted {_kind(tensor)}; it is of another model"
            )


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _load_optimizer(
    path: Path, tensors: dict[str, Tensor], optimizer: torch.optim.Optimizer
) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if not name.startswith("optimizer."):
            continue
        index, _, key = name.removeprefix("optimizer.").partition(".")
        if not index.isdecimal() or int(index) >= len(parameters) or not key:
            raise OptionError(f"checkpoint {path}: {name} belongs to no weight")
        shape = parameters[int(index)].shape
        if tensor.shape not in (shape, torch.Size([])):
            raise OptionError(
                f"checkpoint {path}: {name} is {tuple(tensor.shape)}, wanted {tuple(shape)}"
            )
        state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
