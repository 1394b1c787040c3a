"""Batches of blocks: the order of every epoch, assembly ahead of need, cached geometry."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.cache import Arrays, ArrayWriter, build_arrays
from models.data import BlockData
from models.geometry import Geometry, GeometrySpec, compute_geometry
from prep.errors import OptionError
from prep.progress import Progress, Silent

T = TypeVar("T")


@dataclass(frozen=True)
class Batch:
    """Some blocks, ready for a model.

    Attributes
    ----------
    features : float32 (B, N, 9)
    semantic, instance : int64 (B, N)
        −1 is unlabelled and no instance.
    geometry : Geometry
        Without levels for models that need none.
    blocks : int64 array (B,)
        Indices into the store's blocks.
    scenes : tuple of str
        Name of each block's scene, for messages.
    """

    features: Tensor
    semantic: Tensor
    instance: Tensor
    geometry: Geometry
    blocks: NDArray[np.int64]
    scenes: tuple[str, ...]

    def to(self, device: torch.device) -> Batch:
        """Return the batch on another device."""
        if device.type == "cpu":
            return self
        return Batch(
            self.features.to(device, non_blocking=True),
            self.semantic.to(device, non_blocking=True),
            self.instance.to(device, non_blocking=True),
            self.geometry.to(device),
            self.blocks,
            self.scenes,
        )


class Batches:
    """The batches of every epoch over a list of blocks.

    The order is a function of (seed, epoch) alone. The last incomplete batch is dropped, as the
    published code does, unless there are fewer blocks than one batch.

    Parameters
    ----------
    data : BlockData
    blocks : int64 (k,)
        Indices of blocks; an index may stand more than once (Water Filling Sampling).
    batch_size : int
    seed : int
    geometry : dict of arrays, optional
        Cached geometry of all blocks of ``data``, from :func:`open_geometry`.
    depth : int
        Batches assembled ahead.
    """

    def __init__(
        self,
        data: BlockData,
        blocks: NDArray[np.int64],
        *,
        batch_size: int,
        seed: int,
        geometry: Arrays | None = None,
        depth: int = 3,
    ) -> None:
        if len(blocks) == 0:
            raise OptionError(
                "no labelled block to train on; check the fold's training scenes with inspect"
            )
        if batch_size < 1:
            raise OptionError(f"batch size {batch_size} must be at least 1")
        self.data, self.blocks, self.geometry = data, blocks, geometry
        self.batch_size, self.seed, self.depth = min(batch_size, len(blocks)), seed, depth

    def __len__(self) -> int:
        return len(self.blocks) // self.batch_size

    @property
    def samples(self) -> int:
        """Blocks seen in one epoch."""
        return len(self) * self.batch_size

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return the blocks of an epoch, int64 (samples,)."""
        shuffled = np.random.default_rng((self.seed, epoch)).permutation(self.blocks)
        return shuffled[: self.samples]

    def epoch(self, epoch: int, *, skip: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch, from batch number ``skip`` on."""
        order = self.order(epoch).reshape(len(self), self.batch_size)

        def make(step: int) -> Batch:
            return assemble(self.data, order[skip + step], self.geometry)

        yield from prefetch(make, len(self) - skip, self.depth)


def assemble(data: BlockData, blocks: NDArray[np.int64], geometry: Arrays | None) -> Batch:
    """Gather the features, labels and cached geometry of some blocks."""
    semantic, instance = data.labels(blocks)
    return Batch(
        features=torch.from_numpy(data.features(blocks)),
        semantic=torch.from_numpy(semantic),
        instance=torch.from_numpy(instance),
        geometry=take_geometry(geometry, blocks),
        blocks=blocks,
        scenes=tuple(data.names[s] for s in data.block_scene[blocks]),
    )


def prefetch(make: Callable[[int], T], count: int, depth: int) -> Iterator[T]:
    """Yield ``make(0) … make(count - 1)``, computed up to ``depth`` ahead by one thread.

    An error of ``make`` is raised where its value would have been yielded; a consumer that
    stops early stops the thread.
    """
    ready: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(maxsize=depth)
    stopped = threading.Event()

    def offer(item: tuple[T | None, BaseException | None]) -> None:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def work() -> None:
        for index in range(count):
            if stopped.is_set():
                return
            try:
                value = make(index)
            except BaseException as error:  # handed to the consumer, which raises it
                offer((None, error))
                return
            offer((value, None))

    thread = threading.Thread(target=work, name="jointcloud-prefetch", daemon=True)
    thread.start()
    try:
        for _ in range(count):
            value, error = ready.get()
            if error is not None:
                raise error
            yield value  # type: ignore[misc]  # a value comes with every None error
    finally:
        stopped.set()
        thread.join()


def open_geometry(
    data: BlockData, spec: GeometrySpec, *, progress: Progress | None = None
) -> Arrays | None:
    """Open the geometry of all blocks of a store, computing it on the first use.

    Geometry depends on the coordinates of a block alone, so it is computed once per store and
    specification and kept as memory maps.

    Returns
    -------
    dict of str to array (b, …), or None
        None when the model needs no geometry (PointNet).
    """
    if not spec.levels:
        return None
    folder = data.folder / f"geometry-{spec.digest}"

    def fill(writer: ArrayWriter) -> None:
        _compute_all(data, spec, writer, progress or Silent())

    return build_arrays(folder, f"{data.digest}:{spec.digest}", fill)


def _compute_all(
    data: BlockData, spec: GeometrySpec, writer: ArrayWriter, progress: Progress, chunk: int = 32
) -> None:
    total = len(data.block_scene)
    progress.start("geometry of blocks", total, "block")
    for first in range(0, total, chunk):
        blocks = np.arange(first, min(first + chunk, total))
        xyz = np.ascontiguousarray(data.features(blocks)[:, :, :3])
        for name, array in compute_geometry(xyz, spec).to_arrays().items():
            writer.append(name, array)
        progress.advance(len(blocks))
    progress.finish()


def take_geometry(geometry: Arrays | None, blocks: NDArray[np.int64]) -> Geometry:
    """Return the geometry of some blocks from the cached arrays."""
    if geometry is None:
        return Geometry()
    return Geometry.from_arrays({name: array[blocks] for name, array in geometry.items()})
