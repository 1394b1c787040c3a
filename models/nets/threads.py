"""A few threads that share a numba kernel's range; kernels release the GIL."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from os import getpid
from typing import Any

import numpy as np
import torch

SMALLEST_PART = 1 << 15
"""Numbers; less work than this is done sooner than a thread is woken."""


def share(kernel: Callable[..., Any], n: int, *arguments: Any) -> None:
    """Call ``kernel(*arguments, low, high)`` on parts of range(n), one for each torch thread.

    Parameters
    ----------
    kernel : callable
        Writes only what belongs to its part.
    n : int
        Chunks, groups or blocks.
    *arguments
        The kernel's arguments before low and high.
    """
    largest = max(a.size for a in arguments if isinstance(a, np.ndarray))
    parts = min(torch.get_num_threads(), n, 1 + largest // SMALLEST_PART)
    if parts <= 1:
        kernel(*arguments, 0, n)
        return
    edges = [n * i // parts for i in range(parts + 1)]
    pool = _pool(parts - 1, getpid())
    waiting = [pool.submit(kernel, *arguments, low, high) for low, high in pairwise(edges[1:])]
    kernel(*arguments, edges[0], edges[1])
    for part in waiting:
        part.result()


@cache
def _pool(workers: int, process: int) -> ThreadPoolExecutor:
    """Return the pool of this process (threads do not survive a fork)."""
    return ThreadPoolExecutor(workers, thread_name_prefix=f"kernels-{process}")
