"""The training loop: one seed for everything, and a killed run continues to the same weights.

Every random number is a function of (seed, epoch, step): the order of the blocks, the dropout.
So a checkpoint needs no state of a random generator, and one written in the middle of an epoch
continues exactly where it was. On the CPU weights are equal bit for bit, on one machine and for
one number of threads.

Departure from the published code: torch's Adam adds epsilon to the root of the *corrected* second
moment, TensorFlow's to that of the uncorrected one, whose 1e-8 is 3e-7 here at the first step.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter

from models.batches import Batch, Batches, open_geometry
from models.checkpoint import TrainState, load_checkpoint, save_checkpoint
from models.data import BlockData, open_data
from models.plan import TrainOptions, check_options, plan_run, training_blocks
from models.run import Run, RunConfig
from models.systems import build_model, joint_loss
from prep.errors import JointcloudError, OptionError
from prep.progress import Progress, Silent
from prep.store import open_store


@dataclass(frozen=True)
class TrainReport:
    """What a training came to.

    ``loss`` is the mean of the last epoch; ``seconds`` and ``trained_epochs`` are of this call
    alone.
    """

    run: Path
    system: str
    epochs: int
    trained_epochs: int
    samples: int
    loss: float
    accuracy: float
    seconds: float


def train(options: TrainOptions, progress: Progress | None = None) -> TrainReport:
    """Train a system on one fold of a store, or continue where a run was stopped.

    Parameters
    ----------
    options : TrainOptions
    progress : Progress, optional
        Told of every step, with the loss as its note.

    Raises
    ------
    OptionError
        The folder holds a run of other settings, or an option is wrong.
    StoreError
        The store cannot be used.
    JointcloudError
        The loss is NaN or infinite; the line names the scenes of the batch, and the checkpoint
        before it is kept.
    """
    progress = progress or Silent()
    run = Run(options.out)
    began = time.perf_counter()
    store = open_store(options.store)
    device = check_options(options, store).device
    data = open_data(store, level=options.level, cache=options.cache, progress=progress)
    config = plan_run(options, store, data)
    with run.locked(), _deterministic(config.device):
        run.check_config(config)
        fold = store.fold(config.fold, config.level)
        blocks = training_blocks(fold, data, water_filling=config.water_filling)
        training = _Training(run, config, data, blocks, device, progress)
        started = training.state.epoch
        if started > config.epochs:
            raise OptionError(
                f"{run.folder}: has {started} epochs already, more than the {config.epochs} asked "
                "for; ask for more, or give another folder"
            )
        run.write_config(config)
        training.continue_to(config.epochs)
    history = run.read_history()
    return TrainReport(
        run=run.folder,
        system=config.system,
        epochs=config.epochs,
        trained_epochs=config.epochs - started,
        samples=training.state.samples,
        loss=history[-1]["loss"]["total"] if history else math.nan,
        accuracy=history[-1]["accuracy"] if history else math.nan,
        seconds=time.perf_counter() - began,
    )


class _Training:
    """A model with its optimizer, its data and the state they have reached."""

    def __init__(
        self,
        run: Run,
        config: RunConfig,
        data: BlockData,
        blocks: NDArray[np.int64],
        device: torch.device,
        progress: Progress,
    ) -> None:
        self.run, self.config, self.device, self.progress = run, config, device, progress
        torch.manual_seed(derive_seed(config.seed, "weights"))
        self.model = build_model(config.model).to(self.device)
        self.optimizer = torch.optim.Adam(
            self.model.parameters(),
            lr=config.schedule.lr,
            betas=(0.9, 0.999),
            eps=1e-8,
            fused=True,
        )
        self.batches = Batches(
            data,
            blocks,
            batch_size=config.batch_size,
            seed=config.seed,
            geometry=open_geometry(data, self.model.geometry_spec, progress=progress),
        )
        self.state = TrainState(0, 0, 0, {}, 0.0, data.digest, config.digest)
        if run.checkpoint().exists():
            self.state = load_checkpoint(
                run.checkpoint(), self.model, self.optimizer, config_digest=config.digest
            )

    def continue_to(self, epochs: int) -> None:
        """Train until so many epochs are complete."""
        state, steps = self.state, len(self.batches)
        self.run.write_history(self.run.read_history()[: state.epoch])
        if state.epoch >= epochs:
            self.progress.message(f"{self.run.folder}: {state.epoch} epochs are trained already")
            return
        if state.samples:
            self.progress.message(f"continue after epoch {state.epoch}, step {state.step}")
        writer = SummaryWriter(str(self.run.tensorboard), purge_step=state.samples or None)
        task = f"train {self.config.system} on {self.config.fold}"
        self.progress.start(task, epochs * steps, "step")
        try:
            self.progress.advance(state.epoch * steps + state.step)
            while self.state.epoch < epochs:
                self._epoch(writer)
        finally:
            writer.close()
            self.progress.finish()

    def _epoch(self, writer: SummaryWriter) -> None:
        config, epoch, first = self.config, self.state.epoch, self.state.step
        sums, samples = dict(self.state.sums), self.state.samples
        began = saved = time.perf_counter()
        spent = self.state.seconds
        self.model.train()
        for step, batch in enumerate(self.batches.epoch(epoch, skip=first), start=first):
            torch.manual_seed(derive_seed(config.seed, epoch, step))
            lr = config.schedule.apply(samples, self.model, self.optimizer)
            losses = self._step(batch.to(self.device))
            samples += len(batch.blocks)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value
                writer.add_scalar(f"step/{name}", value, samples)
            now = time.perf_counter()
            total = sums["total"] / (step + 1)
            self.progress.advance(note=f"epoch {epoch + 1}, loss {total:.4f}")
            self.state = replace(
                self.state, step=step + 1, samples=samples, sums=sums, seconds=spent + now - began
            )
            if now - saved > SAVE_SECONDS and step + 1 < len(self.batches):
                self._save("last")
                saved = now
        means = {name: value / len(self.batches) for name, value in sums.items()}
        accuracy = means.pop("accuracy")
        row = {
            "epoch": epoch + 1,
            "samples": samples,
            "loss": means,
            "accuracy": accuracy,
            "lr": lr,
            "bn_momentum": config.schedule.bn_momentum_at(samples - len(batch.blocks)),
            "seconds": self.state.seconds,
        }
        writer.add_scalar("epoch/lr", lr, samples)
        writer.add_scalar("epoch/accuracy", accuracy, samples)
        for name, value in means.items():
            writer.add_scalar(f"epoch/{name}", value, samples)
        self.state = replace(self.state, epoch=epoch + 1, step=0, sums={}, seconds=0.0)
        # history first: a line too many is cut off on resuming, one too few could not be made up
        self.run.write_history([*self.run.read_history()[:epoch], row])
        if (epoch + 1) % config.checkpoint_every == 0 or epoch + 1 == config.epochs:
            self._save(f"epoch_{epoch + 1:03d}")
        self._save("last")

    def _step(self, batch: Batch) -> dict[str, float]:
        """Take one step, and return the losses and the accuracy on the batch."""
        outputs = self.model(batch.features, batch.geometry)
        losses = joint_loss(outputs, batch.semantic, batch.instance, self.config.model)
        values = {name: float(value.detach()) for name, value in losses.items()}
        if not all(math.isfinite(v) for v in values.values()):
            shown = ", ".join(f"{name} {value:g}" for name, value in values.items())
            scenes = ", ".join(sorted(set(batch.scenes)))
            raise JointcloudError(
                f"loss is not finite ({shown}) after {self.state.samples} samples, in a batch of "
                f"{scenes}; the checkpoint before is kept, check these scenes or lower the "
                "learning rate"
            )
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(losses["total"])
        self.optimizer.step()
        known = batch.semantic >= 0
        right = (outputs.logits.detach().argmax(-1) == batch.semantic) & known
        values["accuracy"] = float(right.sum()) / max(1, int(known.sum()))
        return values

    def _save(self, name: str) -> None:
        save_checkpoint(self.run.checkpoint(name), self.model, self.optimizer, self.state)


#: Longest time without a checkpoint, seconds.
SAVE_SECONDS = 600.0


def derive_seed(*parts: object) -> int:
    """Return a seed of 63 bits that is a function of ``parts`` alone."""
    text = ":".join(str(p) for p in parts).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1


@contextmanager
def _deterministic(device: str) -> Iterator[None]:
    """Have torch refuse operations of the CPU whose result depends on timing."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(before or device == "cpu")
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
