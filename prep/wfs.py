"""Water Filling Sampling: which blocks to train on twice, so that rare classes are seen more.

Source: SASO, Sec. 3.2 and Algorithm 1. A block belongs to category c when more than ``threshold``
of its sampled points do (lines 4-10). OP is each category's share of these memberships (line
16). One unit of sampling probability is then poured where the sum of OP and SP is smallest
(lines 17-22), and SP[c] times the number of blocks are drawn from the blocks of c (lines 24-28).

Where the algorithm leaves a choice:

* OP is poured onto a copy, so that it can be reported.
* The literal loop counts its steps. Adding 0.0001 in floating point until 1 is reached takes
  10,001 steps; ``count_steps=False`` does just that.
* A category that no block belongs to gets no water: it could not be drawn.
* SP[c] * blocks is rounded to the nearest number, or by largest remainders, for a total of B.
* Where more blocks are wanted than a category has, each is taken as often as all can be, and the
  rest is drawn without replacement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from prep.kernels.sampling import choose

Rounding = Literal["nearest", "largest_remainder"]


@dataclass(frozen=True)
class WaterFilling:
    """What Water Filling Sampling decided for the blocks of a fold.

    Attributes
    ----------
    vb : float64 (C,)
        Blocks that belong to each category.
    op : float64 (C,)
        ``vb`` as shares, sum 1 (0 if no block belongs to any category).
    sp : float64 (C,)
        Sampling probability poured on each category, sum 1 (or 0 likewise).
    blocks : int64 (k,)
        Blocks to add to those there are, by category, repetitions included.
    """

    vb: NDArray[np.float64]
    op: NDArray[np.float64]
    sp: NDArray[np.float64]
    blocks: NDArray[np.int64]


def water_fill_loop(
    p: NDArray[np.float64], delta: float, *, count_steps: bool = True
) -> NDArray[np.float64]:
    """Pour one unit in steps of ``delta``, each where the level is lowest (the first of equals).

    Parameters
    ----------
    p : float64 (C,)
        Original probabilities, sum 1.
    delta : float
        Size of a step, in (0, 1].
    count_steps : bool
        Take ``round(1 / delta)`` steps; False: add up ``delta`` until the sum is no longer
        below 1, as Algorithm 1 is written.

    Returns
    -------
    float64 (C,)
        SP; differs from :func:`water_fill_closed` by less than ``delta``.
    """
    if not 0 < delta <= 1:
        raise ValueError(f"delta {delta} must lie in (0, 1]")
    level = np.array(p, np.float64)
    poured = np.zeros(level.size, np.int64)
    steps, step, total = round(1 / delta), 0, 0.0
    while step < steps if count_steps else total < 1:
        lowest = int(np.argmin(level))
        level[lowest] += delta
        poured[lowest] += 1
        step += 1
        total += delta
    return np.asarray(poured * delta, np.float64)


def water_fill_closed(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pour one unit at once: the limit of :func:`water_fill_loop` for small steps.

    Parameters
    ----------
    p : float64 (C,)
        Original probabilities, sum 1, C at least 1.

    Returns
    -------
    float64 (C,)
        ``max(0, w - p)`` where the level w makes the sum 1.
    """
    ascending = np.sort(np.asarray(p, np.float64))
    levels = (1 + np.cumsum(ascending)) / np.arange(1, ascending.size + 1)
    reached = np.append(levels[:-1] <= ascending[1:], True)
    level = levels[int(np.argmax(reached))]
    return np.asarray(np.maximum(0.0, level - p), np.float64)


def resample_blocks(
    counts: NDArray[np.integer],
    *,
    threshold: int,
    seed: int,
    delta: float = 1e-4,
    count_steps: bool = True,
    rounding: Rounding = "nearest",
) -> WaterFilling:
    """Decide which blocks to repeat.

    Parameters
    ----------
    counts : integer (B, C)
        Points of each class in the sample of each training block.
    threshold : int
        A block belongs to a category when it has *more* points of it.
    seed : int
        Of the draw, in [0, 2^64).
    delta : float
        Step of the loop; 0 uses the closed form.
    count_steps : bool
        See :func:`water_fill_loop`.
    rounding : {"nearest", "largest_remainder"}
        How SP[c] * B becomes a number of blocks. Nearest rounds each category (halves to even),
        so their total is about B; largest remainders (the first of equals) make the total the
        number nearest to sum(SP) * B.

    Returns
    -------
    WaterFilling
    """
    n_blocks, n_classes = counts.shape
    belongs = counts > threshold
    vb = belongs.sum(axis=0).astype(np.float64)
    op, sp = np.zeros(n_classes), np.zeros(n_classes)
    present = np.flatnonzero(vb)
    if present.size == 0:
        return WaterFilling(vb, op, sp, np.empty(0, np.int64))
    op[present] = vb[present] / vb.sum()
    if delta > 0:
        sp[present] = water_fill_loop(op[present], delta, count_steps=count_steps)
    else:
        sp[present] = water_fill_closed(op[present])
    drawn = []
    for c, wanted in enumerate(_whole_numbers(sp * n_blocks, rounding)):
        if wanted == 0:
            continue
        members = np.flatnonzero(belongs[:, c])
        copies, rest = divmod(int(wanted), members.size)
        chosen = choose(members.size, rest, seed=seed, stream=c)
        drawn.append(np.append(np.tile(members, copies), members[chosen]))
    blocks = np.concatenate(drawn) if drawn else np.empty(0)
    return WaterFilling(vb, op, sp, blocks.astype(np.int64))


def _whole_numbers(share: NDArray[np.float64], rounding: Rounding) -> NDArray[np.int64]:
    if rounding == "nearest":
        return np.rint(share).astype(np.int64)
    whole = np.floor(share).astype(np.int64)
    missing = round(float(share.sum())) - int(whole.sum())
    whole[np.argsort(whole - share, kind="stable")[:missing]] += 1
    return whole
