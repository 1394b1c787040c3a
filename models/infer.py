"""From a trained network to clustered blocks: forward, softmax, mean shift."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from models.batches import prefetch
from models.cluster import mean_shift
from models.geometry import Geometry
from prep.errors import JointcloudError, OptionError

F4 = NDArray[np.float32]
I4 = NDArray[np.int32]

#: Gives the features (k, N, 9) and the geometry of the blocks start .. stop - 1.
BlockSource = Callable[[int, int], tuple[F4, Geometry]]


@dataclass(frozen=True)
class InferOptions:
    """Settings of inference.

    Attributes
    ----------
    bandwidth : float
        Of the mean shift on the embeddings.
    batch_size : int
        Blocks in one forward pass.
    threads : int
        Threads that cluster blocks.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    """

    bandwidth: float = 0.6
    batch_size: int = 8
    threads: int = 2
    device: str = "auto"

    def __post_init__(self) -> None:
        if not 0 < self.bandwidth < math.inf:
            raise OptionError(f"bandwidth {self.bandwidth} must be above 0 and finite")
        if self.batch_size < 1 or self.threads < 1:
            raise OptionError(
                f"batch size {self.batch_size} and threads {self.threads} must be at least 1"
            )


@dataclass(frozen=True)
class BlockPredictions:
    """What the network and the clustering say about some blocks.

    Attributes
    ----------
    probability : float32 (k, N, C)
        Softmax of the logits.
    semantic : int32 (k, N)
        Class of the largest logit.
    cluster : int32 (k, N)
        Cluster of each point, 0, 1, … within its block.
    """

    probability: F4
    semantic: I4
    cluster: I4


class Predictor:
    """Runs a model over blocks and keeps count of the seconds of each stage.

    Attributes
    ----------
    seconds : dict of str to float
        ``network`` and ``clustering``, wall time summed over all calls.
    """

    def __init__(self, model: nn.Module, options: InferOptions) -> None:
        self.device = choose_device(options.device)
        self.model, self.options = model.to(self.device).eval(), options
        self.seconds = {"network": 0.0, "clustering": 0.0}

    def run(
        self, source: BlockSource, count: int, *, where: str
    ) -> Iterator[tuple[slice, BlockPredictions]]:
        """Yield the predictions of blocks 0 .. count - 1, some at a time, in order.

        Parameters
        ----------
        source : callable
            Called ahead of need, in a thread.
        count : int
            Number of blocks.
        where : str
            Name of the scene, for messages.

        Raises
        ------
        JointcloudError
            The network gives NaN or infinite numbers.
        """
        size = self.options.batch_size
        steps = -(-count // size)

        def load(step: int) -> tuple[F4, Geometry]:
            return source(step * size, min(count, (step + 1) * size))

        with ThreadPoolExecutor(self.options.threads) as pool:
            for step, (features, geometry) in enumerate(prefetch(load, steps, 2)):
                start = time.perf_counter()
                probability, semantic, embedding = self._forward(features, geometry, where)
                middle = time.perf_counter()
                cluster = np.stack(list(pool.map(self._cluster, embedding)))
                self.seconds["network"] += middle - start
                self.seconds["clustering"] += time.perf_counter() - middle
                first = step * size
                yield (
                    slice(first, first + len(semantic)),
                    BlockPredictions(probability, semantic, cluster),
                )

    def _forward(self, features: F4, geometry: Geometry, where: str) -> tuple[F4, I4, F4]:
        with torch.inference_mode():
            outputs = self.model(
                torch.from_numpy(features).to(self.device), geometry.to(self.device)
            )
            probability = torch.softmax(outputs.logits.float(), dim=-1)
            semantic = outputs.logits.argmax(dim=-1)
            embedding = outputs.embedding.float()
        if not bool(torch.isfinite(probability).all() and torch.isfinite(embedding).all()):
            raise JointcloudError(
                f"{where}: the network gives numbers that are not finite; check the scene's "
                "coordinates and use an earlier checkpoint"
            )
        return (
            probability.cpu().numpy(),
            semantic.cpu().numpy().astype(np.int32),
            embedding.cpu().numpy(),
        )

    def _cluster(self, embedding: F4) -> I4:
        return mean_shift(embedding, self.options.bandwidth).labels


def share(points: int, done: slice, blocks: int) -> int:
    """Return how many of a scene's points some of its blocks stand for; all blocks for all."""
    return points * int(done.stop) // blocks - points * int(done.start) // blocks


def choose_device(name: str) -> torch.device:
    """Return a torch device; ``auto`` takes the GPU where there is one.

    Raises
    ------
    OptionError
        The name is unknown or the device is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise OptionError(f"device {name!r}: wanted auto, cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise OptionError(f"device {name!r}: wanted auto, cpu, cuda or cuda:N")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise OptionError(
            f"device {name!r}: this machine has {torch.cuda.device_count()} GPUs that torch can "
            "use; use --device cpu"
        )
    return device
