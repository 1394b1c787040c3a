"""The report's section on the data: what the store holds, repairs, sampling, neighbourhoods."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from models.run import RunConfig
from pipelines import report_html as html
from pipelines.pictures import soften
from pipelines.report_charts import draw_association, draw_counts, draw_water_filling
from pipelines.survey import survey_store
from prep.errors import JointcloudError
from prep.scene import Defect
from prep.store import Store, open_store

MOST_DEFECTS = 12


def data_section(config: RunConfig, store: Path | None) -> list[str]:
    """Return the section; a store that was not named and has gone is only mentioned.

    Raises
    ------
    StoreError
        ``store`` was given and is not a finished store.
    """
    if store is not None:
        return _describe(open_store(store), config)
    try:
        opened = open_store(config.store)
    except (JointcloudError, OSError):
        return [
            "<h2>Data</h2>",
            f"<p>The store is no longer at <code>{html.escape(config.store)}</code>, so its "
            "contents are not shown here.</p>",
        ]
    return _describe(opened, config)


def _describe(store: Store, config: RunConfig) -> list[str]:
    survey = survey_store(store)
    body = [
        "<h2>Data</h2>",
        f"<p>Store of {html.escape(store.dataset)}, digest "
        f"<code>{html.escape(store.digest[:12])}</code>.</p>",
    ]
    if store.digest != config.store_digest:
        body.append("<p><b>This is not the store that the run was trained on.</b></p>")
    body.append(html.facts(_facts(store, survey)))
    body += _defects(store)
    if config.level >= len(store.labels.levels):
        return body
    level = store.labels.levels[config.level]
    classes = survey["levels"][config.level]["classes"]
    colors = ["#{:02x}{:02x}{:02x}".format(*soften(c.color)) for c in level.classes]
    chart = draw_counts(
        [c["points"] for c in classes], [c["instances"] for c in classes], level.names, colors
    )
    body.append(html.picture(chart, "Points and instances of each class in all scenes."))
    if config.fold in store.folds:
        body += _fold(store, config, list(level.names))
    body += _build_seconds(store.path)
    return body


def _facts(store: Store, survey: dict[str, Any]) -> list[tuple[str, str]]:
    recipe = store.recipe
    scenes, blocks = survey["scenes"], survey["blocks"]
    density = survey["points_per_m2"]
    return [
        ("scenes", f"{scenes:,}"),
        ("points", f"{survey['points']:,}"),
        ("blocks", f"{blocks:,}"),
        ("floor", f"{survey['floor_m2']:,.0f} m²"),
        ("density", "–" if density is None else f"{density:,.0f} points/m²"),
        ("block, stride", f"{recipe.block_m:g} m, {recipe.stride_m:g} m"),
        ("draw", recipe.draw.replace("_", " ")),
        ("parts", str(store.n_parts)),
    ]


def _defects(store: Store) -> list[str]:
    defects: list[Defect] = []
    skipped: list[dict[str, Any]] = []
    for index in range(store.n_parts):
        commit = store.part(index, []).commit
        defects += commit.defects
        skipped += commit.skipped
    if not defects and not skipped:
        return ["<p>No defects were met in the sources.</p>"]
    rules = Counter(d.rule for d in defects)
    dropped = sum(d.dropped for d in defects)
    text = ", ".join(f"{n} × {rule}" for rule, n in sorted(rules.items()))
    rows = [
        [d.scene, f"{d.file}:{d.line}" if d.line else d.file, d.found, d.repair, str(d.dropped)]
        for d in defects[:MOST_DEFECTS]
    ]
    rows += [[s["name"], "whole scene", str(s["reason"]), "skipped", "–"] for s in skipped]
    more = len(defects) - MOST_DEFECTS
    return [
        f"<h3>Defects met: {len(defects)}</h3>",
        f"<p>{html.escape(text)}; {dropped:,} points dropped, {len(skipped)} scenes skipped.</p>",
        html.table(["scene", "file", "found", "repair", "dropped"], rows),
        f"<p class='soft'>and {more} more</p>" if more > 0 else "",
    ]


def _fold(store: Store, config: RunConfig, names: list[str]) -> list[str]:
    fold = store.fold(config.fold, config.level)
    figures = [
        html.picture(
            draw_water_filling(fold.op, fold.sp, names),
            f"Water Filling Sampling on the {len(fold.train)} training scenes: "
            f"{len(fold.resampled):,} blocks are drawn again.",
        )
    ]
    radii = store.recipe.msa_radii_m
    if radii and len(fold.maps):
        figures.append(
            html.picture(
                draw_association(fold.maps[0], names),
                f"Association map: which classes are found within {radii[0]:g} m of a class.",
            )
        )
    return [
        f"<h3>Training side of fold {html.escape(config.fold)}</h3>",
        f'<div class="pair">{"".join(figures)}</div>',
    ]


def _build_seconds(path: Path) -> list[str]:
    """Sum the times of all builds in the log beside the store."""
    log = path.with_name(path.name + ".log.jsonl")
    totals: Counter[str] = Counter()
    try:
        lines = log.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # a build that was killed while it wrote the line
        totals.update(entry.get("seconds", {}))
    if not totals:
        return []
    pairs = [(stage, f"{seconds:,.1f}") for stage, seconds in totals.items()]
    return ["<h3>Seconds of the build, all workers</h3>", html.facts(pairs)]
