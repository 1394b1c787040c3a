"""Labels for a cloud file: read, predict, write, and a summary of what was found."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prep.errors import OptionError
from prep.progress import Progress

if TYPE_CHECKING:
    from models.infer import InferOptions


def label_cloud(
    run: Path,
    cloud: Path,
    out: Path,
    *,
    checkpoint: str = "last",
    options: InferOptions | None = None,
    columns: Mapping[str, object] | None = None,
    paint: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Predict every point of a cloud and write it as PLY, in the order of the input.

    Parameters
    ----------
    run : Path
        Folder that train wrote.
    cloud : Path
        PLY, NPY, NPZ or text file; labels are not needed.
    out : Path
        PLY file to write.
    checkpoint : str
    options : InferOptions, optional
    columns : mapping, optional
        Role (``x``, ``red``) → name of the column of a text or array file.
    paint : bool
        Give the points the colours of their classes.
    progress : Progress, optional

    Returns
    -------
    dict
        Points, points by class, instances, mean confidence and seconds, as plain JSON values.

    Raises
    ------
    OptionError
        The run cannot be read, or ``out`` cannot be what is asked for.
    SourceError
        The cloud cannot be read.
    """
    from models.predict import predict_scene
    from models.run import Run
    from prep.readers.cloud import read_cloud
    from prep.writers.ply import write_labelled_ply

    began = time.perf_counter()
    _check_paths(cloud, out)
    config = Run(run).read_config()
    classes = config.labels.levels[config.level].classes
    scene = read_cloud(cloud, columns=columns)
    found = predict_scene(run, scene, checkpoint=checkpoint, options=options, progress=progress)
    colors = np.array([c.color for c in classes], np.uint8) if paint else None
    write_labelled_ply(
        out,
        scene=scene,
        semantic=found.semantic,
        instance=found.instance,
        confidence=found.confidence,
        source=cloud,
        label_colors=colors,
    )
    counts = np.bincount(found.semantic[found.semantic >= 0], minlength=len(classes))
    return {
        "out": str(out),
        "run": str(run),
        "checkpoint": checkpoint,
        "points": scene.n_read,
        "labelled": int((found.semantic >= 0).sum()),
        "instances": len(np.unique(found.instance[found.instance >= 0])),
        "confidence": float(found.confidence.mean()) if scene.n_points else None,
        "classes": {c.name: int(counts[c.id]) for c in classes},
        "seconds": {**found.seconds, "all": time.perf_counter() - began},
    }


def _check_paths(cloud: Path, out: Path) -> None:
    """Refuse before the long work what cannot be read, or be written after it."""
    if not cloud.is_file():
        state = "a folder" if cloud.is_dir() else "nothing"
        raise OptionError(f"{cloud}: found {state}, wanted a cloud file; check the path")
    if out.suffix.lower() != ".ply":
        raise OptionError(f"--out {out}: found {out.suffix or 'no suffix'}, wanted .ply")
    if not out.parent.is_dir():
        raise OptionError(f"--out {out}: found no folder {out.parent}, wanted one; make it first")
    if out.exists() and out.samefile(cloud):
        raise OptionError(f"--out {out}: found the input itself, wanted another file")
