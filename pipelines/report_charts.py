"""Charts of the report as PNG bytes; transparent, in tones that read on light and on dark."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

TEXT = "#7b8594"
GRID = "#7b859440"
LINES = ("#3b82f6", "#f97316", "#10b981", "#a855f7", "#e11d48", "#eab308")


def draw_curves(history: Sequence[Mapping[str, Any]]) -> bytes:
    """Draw losses, accuracy and learning rate over the epochs of ``history.jsonl``."""
    epochs = [row["epoch"] for row in history]
    losses = sorted({name for row in history for name in row.get("loss", {})})
    losses.sort(key=lambda name: name != "total")
    figure, axes = _figure(11.0, 3.1, 3)
    for k, name in enumerate(losses):
        values = [row.get("loss", {}).get(name, np.nan) for row in history]
        width = 2.2 if name == "total" else 1.3
        axes[0].plot(epochs, values, color=LINES[k % len(LINES)], lw=width, label=name, marker=".")
    axes[0].set_title("loss")
    if losses:
        axes[0].legend(frameon=False, labelcolor=TEXT, fontsize=8)
    accuracy = [100 * row.get("accuracy", np.nan) for row in history]
    axes[1].plot(epochs, accuracy, color=LINES[2], lw=2, marker=".")
    axes[1].set_title("accuracy on the training points, %")
    axes[2].step(epochs, [row.get("lr", np.nan) for row in history], color=LINES[3], where="mid")
    axes[2].set_title("learning rate")
    axes[2].set_ylim(bottom=0)
    for axis in axes:
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    return _png(figure)


def draw_confusion(counts: NDArray[np.int64], names: Sequence[str]) -> bytes:
    """Draw a confusion matrix (rows true, columns predicted) in per cent of each row."""
    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(100.0 * counts, total, out=np.zeros(counts.shape), where=total > 0)
    return _matrix(share, names, "true", "predicted", "%.0f", "points of the class, %", 0.5)


def draw_association(share: NDArray[np.float64], names: Sequence[str]) -> bytes:
    """Draw an association map: share of each class among the neighbours of a class, per cent."""
    return _matrix(100 * share, names, "class", "neighbour", "%.0f", "neighbours, %", 0.5)


def draw_water_filling(
    op: NDArray[np.float64], sp: NDArray[np.float64], names: Sequence[str]
) -> bytes:
    """Draw the probability of each class before and after Water Filling Sampling."""
    figure, axes = _figure(6.0, 3.8, 1)
    at = np.arange(len(names))
    axes[0].bar(at - 0.2, 100 * op, 0.38, color=LINES[0], label="before")
    axes[0].bar(at + 0.2, 100 * sp, 0.38, color=LINES[1], label="after")
    axes[0].set_xticks(at, names, rotation=45, ha="right")
    axes[0].set_ylabel("share of the class's blocks, %")
    axes[0].legend(frameon=False, labelcolor=TEXT, fontsize=8)
    return _png(figure)


def draw_counts(
    points: Sequence[int], instances: Sequence[int], names: Sequence[str], colors: Sequence[str]
) -> bytes:
    """Draw points and instances of each class, on logarithmic axes, in the class's colours."""
    figure, axes = _figure(11.0, 3.3, 2)
    at = np.arange(len(names))
    for axis, values, title in (
        (axes[0], points, "points"),
        (axes[1], instances, "instances"),
    ):
        axis.bar(at, np.maximum(values, 0), 0.75, color=list(colors), edgecolor=GRID, lw=0.5)
        if max(values, default=0) > 0:
            axis.set_yscale("log")
            axis.set_ylim(bottom=0.5)
        axis.set_xticks(at, names, rotation=45, ha="right")
        axis.set_title(title)
    return _png(figure)


def _matrix(
    percent: NDArray[np.float64],
    names: Sequence[str],
    rows: str,
    columns: str,
    form: str,
    title: str,
    least: float,
) -> bytes:
    n = len(names)
    figure, axes = _figure(1.4 + 0.36 * n, 1.2 + 0.32 * n, 1)
    axis = axes[0]
    axis.grid(False)
    shown = np.ma.masked_less(percent, least)
    axis.imshow(shown, cmap="Blues", vmin=-12, vmax=100, aspect="auto")
    for i in range(n):
        for j in range(n):
            if percent[i, j] >= least:
                ink = "white" if percent[i, j] > 55 else "#1f2937"
                size = 7.5 if n <= 20 else 5
                axis.text(
                    j, i, form % percent[i, j], ha="center", va="center", color=ink, size=size
                )
    axis.set_xticks(range(n), names, rotation=45, ha="right")
    axis.set_yticks(range(n), names)
    axis.set_xlabel(columns)
    axis.set_ylabel(rows)
    axis.set_title(title)
    return _png(figure)


def _figure(width: float, height: float, columns: int) -> tuple[Figure, list[Axes]]:
    """Return a figure of ``columns`` charts; sizes in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = [figure.add_subplot(1, columns, k + 1) for k in range(columns)]
    for axis in axes:
        axis.set_facecolor("none")
        axis.tick_params(colors=TEXT, labelsize=8, length=2)
        axis.grid(True, axis="y", color=GRID, lw=0.6)
        axis.set_axisbelow(True)
        axis.title.set_color(TEXT)
        axis.title.set_fontsize(9)
        axis.xaxis.label.set_color(TEXT)
        axis.yaxis.label.set_color(TEXT)
        axis.xaxis.label.set_fontsize(8)
        axis.yaxis.label.set_fontsize(8)
        for side, spine in axis.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(GRID)
    return figure, axes


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=150, transparent=True, metadata={"Software": None})
    return out.getvalue()
