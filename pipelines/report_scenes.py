"""Pictures of test scenes for the report: colour, truth, prediction and errors."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.run import Run, RunConfig
from pipelines import report_html as html
from pipelines.pictures import (
    RIGHT,
    UNSCORED,
    WRONG,
    Rgb,
    class_colors,
    encode_png,
    error_colors,
    instance_colors,
    match_instances,
    shaded,
    soften,
)
from pipelines.render import View, choose_view, open_box, paint, rasterise
from prep.errors import OptionError

MOST_SCENES = 3
MOST_POINTS = 600_000
VIEW = View(width=720, height=540)
ARRAYS = ("coord", "color", "semantic_true", "instance_true", "semantic", "instance")

Arrays = dict[str, NDArray[Any]]


def scene_section(
    run: Run, config: RunConfig, results: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Return the section of pictures, empty where no predictions are there.

    Of many scenes the best, the middle and the worst by points right are shown, of the first
    protocol that has predictions.
    """
    for protocol in results:
        folder = run.evaluation(protocol).with_suffix("")
        files = sorted(folder.rglob("*.npz"))
        if files:
            break
    else:
        return []
    accuracy = [_accuracy(_read(path, ("semantic_true", "semantic"))) for path in files]
    order = np.argsort(-np.array(accuracy), kind="stable")
    if len(files) > MOST_SCENES:
        order = order[[0, len(files) // 2, len(files) - 1]]
    chosen = "" if len(files) <= MOST_SCENES else "The best, the middle and the worst of "
    body = [
        "<h2>Test scenes</h2>",
        f"<p>{chosen}{len(files)} test scene{'s' if len(files) != 1 else ''}, protocol "
        f"{html.escape(protocol)}, seen from above without ceiling and near walls. Predicted "
        "instances have the colour of the true one that they share most points with.</p>",
    ]
    level = config.labels.levels[config.level]
    classes = [(c.name, soften(c.color)) for c in level.classes]
    for k in order:
        name = files[k].relative_to(folder).with_suffix("").as_posix()
        body += _one_scene(name, _read(files[k], ARRAYS), classes)
    body.append(html.legend([*classes, ("right", RIGHT), ("wrong", WRONG), ("unscored", UNSCORED)]))
    return body


def _one_scene(name: str, scene: Arrays, classes: list[tuple[str, Rgb]]) -> list[str]:
    right = _accuracy(scene)
    n_true = np.count_nonzero(np.unique(scene["instance_true"]) >= 0)
    n_found = np.count_nonzero(np.unique(scene["instance"]) >= 0)
    heading = (
        f"<h3>{html.escape(name)}</h3><p class='soft'>{100 * right:.1f} % of "
        f"{len(scene['coord']):,} points right; {n_true} true instances, {n_found} predicted.</p>"
    )
    step = -(-max(len(scene["coord"]), 1) // MOST_POINTS)
    scene = {key: values[::step] for key, values in scene.items()}
    if not len(scene["coord"]):
        return [heading]
    xyz, truth, found = scene["coord"], scene["semantic_true"], scene["semantic"]
    names = [c for c, _ in classes]
    ceiling = truth == names.index("ceiling") if "ceiling" in names else None
    view = choose_view(xyz, VIEW, ceiling=ceiling)
    keep = open_box(xyz, view, ceiling=ceiling)
    colors = [c for _, c in classes]
    instance = match_instances(scene["instance_true"], scene["instance"])
    photo = scene["color"]
    has_color = bool(np.any(photo != photo[:1]))
    if not has_color:
        photo = np.full_like(photo, 205)
    raster = rasterise(xyz[keep], view)
    images = [
        (photo, "colour" if has_color else "shape (there is no colour)"),
        (class_colors(truth, colors), "semantics, true"),
        (class_colors(found, colors), "semantics, predicted"),
        (error_colors(truth, found), "semantic errors (red)"),
        (instance_colors(scene["instance_true"]), "instances, true"),
        (instance_colors(instance), "instances, predicted"),
    ]
    figures = []
    for rgb, caption in images:
        mixed = rgb if rgb is photo or not has_color else shaded(rgb, photo, 0.2)
        png = encode_png(paint(raster, mixed[keep]), palette=256)
        figures.append(html.picture(png, caption))
    return [heading, f'<div class="views">{"".join(figures)}</div>']


def _accuracy(scene: Arrays) -> float:
    known = scene["semantic_true"] >= 0
    if not known.any():
        return 0.0
    return float(np.mean(scene["semantic"][known] == scene["semantic_true"][known]))


def _read(path: Path, names: tuple[str, ...]) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in names}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise OptionError(f"{path}: cannot be read ({error}); evaluate the run again") from error
