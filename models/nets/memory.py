"""Buffers that are used again, for the activations of a training step on the CPU.

A step allocates and frees gigabytes, and a fresh page costs more than the arithmetic on it: the
kernel clears it at the first touch. :func:`empty` hands out tensors on memory that earlier tensors
have given back; a tensor gives its memory back when the last reference to it goes, so it
behaves like any other.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SMALLEST = 1 << 18
"""Bytes; malloc serves smaller requests without new pages."""


class Pool:
    """Free buffers by size.

    When a size is missing while more bytes lie free than are in use, the free buffers are of
    shapes that are no longer wanted and are dropped: the pool never holds more than twice what a
    step needs.
    """

    def __init__(self) -> None:
        self._free: dict[int, list[NDArray[np.uint8]]] = {}
        # a tensor can die while its own thread is inside the pool, by garbage collection
        self._lock = threading.RLock()
        self.free_bytes = 0
        self.used_bytes = 0

    def empty(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Tensor:
        """Return an uninitialised CPU tensor."""
        size = int(np.prod(shape)) * dtype.itemsize
        if size < SMALLEST:
            return torch.from_numpy(np.empty(shape, dtype))
        room = _size_class(size)
        with self._lock:
            base = self._take(room)
            self.used_bytes += room
        view = base[:size].view(dtype).reshape(shape)
        weakref.finalize(view, self._give_back, base).atexit = False
        return torch.from_numpy(view)

    def _take(self, room: int) -> NDArray[np.uint8]:
        waiting = self._free.get(room)
        if waiting:
            self.free_bytes -= room
            return waiting.pop()
        if self.free_bytes > self.used_bytes:
            self._free.clear()
            self.free_bytes = 0
        return np.empty(room, np.uint8)

    def _give_back(self, base: NDArray[np.uint8]) -> None:
        with self._lock:
            self._free.setdefault(len(base), []).append(base)
            self.free_bytes += len(base)
            self.used_bytes -= len(base)


def _size_class(size: int) -> int:
    """Round up to one of eight sizes in each octave."""
    step = 1 << max(size.bit_length() - 4, 0)
    return -(-size // step) * step


POOL = Pool()


def empty(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
    """Return an uninitialised CPU tensor on memory that may have been used before.

    Parameters
    ----------
    shape : tuple of int
    dtype : torch.dtype
        float32, float64, int32 or int16.
    """
    return POOL.empty(tuple(shape), NUMPY_DTYPES[dtype])


NUMPY_DTYPES: dict[torch.dtype, np.dtype[Any]] = {
    torch.float32: np.dtype(np.float32),
    torch.float64: np.dtype(np.float64),
    torch.int32: np.dtype(np.int32),
    torch.int16: np.dtype(np.int16),
}
