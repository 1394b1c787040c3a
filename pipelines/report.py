"""The report of a run: one HTML file with scores, curves, pictures and the data behind them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from models.run import Run, RunConfig
from models.systems import configure
from pipelines import report_html as html
from pipelines.report_charts import draw_confusion, draw_curves
from pipelines.report_data import data_section
from pipelines.report_scenes import scene_section
from prep.errors import OptionError
from prep.recipe import Recipe

PROTOCOLS = {
    "full": "every original point gets one prediction and counts once",
    "paper": "what the published code does: sampled block points, overlapping, drawn with "
    "replacement, merged on a grid of 201³ cells",
}
SCORES = {
    "mIoU": "semantic, mean over classes",
    "oAcc": "semantic, points right",
    "mAcc": "semantic, mean over classes",
    "mCov": "instances covered",
    "mWCov": "the same, by size",
    "mPrec": "instance precision",
    "mRec": "instance recall",
}
CLASS_SCORES = ("IoU", "Acc", "Cov", "WCov", "Prec", "Rec")


NEEDED = frozenset(
    (
        *("mean", "per_class", "class_names", "confusion", "instances"),
        *("baseline", "undefined", "zero_division"),
    )
)


def write_report(run: Path, out: Path | None = None, store: Path | None = None) -> Path:
    """Write the report of a run.

    Parameters
    ----------
    run : Path
        Folder that train wrote, evaluated under any number of protocols or none.
    out : Path, optional
        File to write; ``RUN/report.html`` by default.
    store : Path, optional
        Where the store is now; by default where it was at training time. The section on the
        data is left out, and says so, where there is none any more.

    Returns
    -------
    Path
        ``out``, a file that needs no other.

    Raises
    ------
    OptionError
        ``run`` holds no run, or one of its files is damaged, or ``out`` is a folder.
    StoreError
        ``store`` was given and is not a finished store.
    """
    folder = Run(run)
    config = folder.read_config()
    target = folder.folder / "report.html" if out is None else out
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        raise OptionError(f"--out {target}: found a folder, wanted a file; name the file in it")
    results = {name: _read_result(folder, name) for name in PROTOCOLS}
    found = {name: result for name, result in results.items() if result is not None}
    history = folder.read_history()
    title = f"{config.system} on {config.dataset}, fold {config.fold}"
    body = [
        f"<h1>{html.escape(title)}</h1>",
        '<p class="lead">Joint semantic and instance segmentation of point clouds, '
        f"{config.model.backbone} backbone, trained for {len(history)} of {config.epochs} epochs, "
        f"seed {config.seed}.</p>",
        html.facts(_facts(config, history)),
    ]
    for name, result in found.items():
        body += _headline(name, result, config)
    if not found:
        body.append(
            "<h2>Scores</h2><p>This run is not evaluated yet: "
            f"<code>jointcloud evaluate {html.escape(shlex.quote(str(run)))} "
            "--protocol full</code> does it.</p>"
        )
    body += scene_section(folder, config, found)
    for name, result in found.items():
        body += _class_section(name, result)
    body += _training(history)
    body += data_section(config, store)
    body += _seconds(history, found)
    body += ["<h2>How to reproduce</h2>", html.commands(_reproduce(config, run, list(found)))]
    target.write_text(html.page(title, body), encoding="utf-8")
    return target


def _read_result(run: Run, protocol: str) -> dict[str, Any] | None:
    path = run.evaluation(protocol)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise OptionError(f"{path}: cannot be read ({error}); evaluate the run again") from error
    missing = NEEDED - set(data)
    if missing:
        raise OptionError(f"{path}: found no {', '.join(sorted(missing))}; evaluate the run again")
    return dict(data)


def _facts(config: RunConfig, history: list[dict[str, Any]]) -> list[tuple[str, str]]:
    samples = history[-1].get("samples", 0) if history else 0
    return [
        ("system", config.system),
        ("backbone", config.model.backbone),
        ("data set", config.dataset),
        ("fold", config.fold),
        ("seed", str(config.seed)),
        ("epochs", f"{len(history)} of {config.epochs}"),
        ("blocks in a step", str(config.batch_size)),
        ("blocks seen", f"{samples:,}"),
        ("training scenes", f"{config.scenes:,}"),
        ("training blocks", f"{config.blocks:,}"),
        ("points in a block", f"{config.recipe.n_points:,}"),
        ("water filling", "on" if config.water_filling else "off"),
        ("device", config.device),
        ("store digest", config.store_digest[:12]),
    ]


def _headline(protocol: str, result: Mapping[str, Any], config: RunConfig) -> list[str]:
    mean, base = result["mean"], result["baseline"]
    cards = []
    for name, about in SCORES.items():
        gain = ""
        if base.get(name) is not None and mean.get(name) is not None:
            points = 100 * (mean[name] - base[name])
            kind = "gain" if points >= 0 else "loss"
            gain = f'<span class="{kind}">{points:+.1f} over baseline</span>'
        cards.append(
            f"<div><span>{name}</span><b>{html.percent(mean.get(name))}</b>{gain}"
            f"<span>{about}</span></div>"
        )
    scenes = result.get("scenes", 0)
    n_scenes = scenes if isinstance(scenes, int) else len(scenes)
    return [
        f"<h2>Scores, protocol {html.escape(protocol)}</h2>",
        f"<p>{html.escape(PROTOCOLS[protocol].capitalize())}. Fold {html.escape(config.fold)}, "
        f"seed {config.seed}, {n_scenes} test scenes, {result.get('points', 0):,} points; all "
        "numbers in per cent. The baseline always answers "
        f"“{html.escape(str(base.get('class', '?')))}”, the commonest class of the training "
        f"scenes: mIoU {html.percent(base.get('mIoU'))}, "
        f"oAcc {html.percent(base.get('oAcc'))}.</p>",
        f'<div class="scores">{"".join(cards)}</div>',
    ]


def _class_section(protocol: str, result: Mapping[str, Any]) -> list[str]:
    names = result["class_names"]
    per_class = result["per_class"]
    counts = np.array(result["confusion"], dtype=np.int64)[:, : len(names)]
    columns = [c for c in CLASS_SCORES if c in per_class]
    instances = result["instances"]
    rows = [
        [
            name,
            *(html.percent(per_class[c][k]) for c in columns),
            f"{instances['true'][k]:,}",
            f"{instances['predicted'][k]:,}",
            f"{int(counts[k].sum()):,}",
        ]
        for k, name in enumerate(names)
    ]
    means = [html.percent(result["mean"].get(f"m{c}")) for c in columns]
    sums = [f"{sum(instances[side]):,}" for side in ("true", "predicted")]
    rows.append(["mean, sum", *means, *sums, f"{int(counts.sum()):,}"])
    head = ["class", *columns, "instances", "predicted", "points"]
    return [
        f"<h2>By class, protocol {html.escape(protocol)}</h2>",
        '<div class="pair table"><div>',
        html.table(head, rows, last_is_mean=True),
        "</div>",
        html.picture(draw_confusion(counts, names), "Confusion matrix; rows are true classes."),
        "</div>",
        f'<p class="soft">In per cent; {_undefined(result)}</p>',
    ]


def _undefined(result: Mapping[str, Any]) -> str:
    cases = html.join_undefined(result["undefined"]) or "none"
    policy = {
        "zero": "count as 0",
        "nan": "are NaN, and so are their means",
        "skip": "are left out of the means",
    }[result["zero_division"]]
    return f"scores of nothing by nothing {html.escape(policy)}: {html.escape(cases)}."


def _training(history: list[dict[str, Any]]) -> list[str]:
    if not history:
        return ["<h2>Training</h2>", "<p>No epoch is finished yet.</p>"]
    last = history[-1]
    loss = last.get("loss", {}).get("total")
    text = f"After epoch {last['epoch']}: " + (f"loss {loss:.3f}, " if loss is not None else "")
    accuracy = f"{html.percent(last.get('accuracy'))} % of the training points right."
    return [
        "<h2>Training</h2>",
        html.picture(draw_curves(history), text + accuracy),
    ]


def _seconds(history: list[dict[str, Any]], results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    pairs = []
    if history:
        total = sum(row.get("seconds", 0.0) for row in history)
        pairs.append(("training", f"{total:,.1f}"))
    for protocol, result in results.items():
        for stage, value in result.get("seconds", {}).items():
            pairs.append((f"{protocol}: {stage}", f"{value:,.1f}"))
    return ["<h2>Seconds of training and evaluation</h2>", html.facts(pairs)] if pairs else []


def _reproduce(config: RunConfig, run: Path, protocols: list[str]) -> list[str]:
    """Return the commands; settings at their defaults are left out."""

    def join(*words: object) -> str:
        return shlex.join([str(word) for word in words])

    usual = Recipe().to_dict()
    recipe = {k: v for k, v in config.recipe.to_dict().items() if v != usual[k]}
    model = config.model
    plain = configure(
        model.system, backbone=model.backbone, n_classes=model.n_classes, n_points=model.n_points
    )
    options = {k: v for k, v in model.options.items() if v != plain.options.get(k)}
    build = ["jointcloud", "build", config.dataset, "--root", "RAW", "--out", config.store]
    train = [
        *("jointcloud", "train", config.system, "--store", config.store),
        *("--fold", config.fold, "--epochs", config.epochs, "--batch", config.batch_size),
        *("--lr", config.schedule.lr, "--decay-samples", config.schedule.decay_samples),
        *("--seed", config.seed, "--level", config.level, "--backbone", model.backbone),
        *(["--wfs"] if config.water_filling else []),
        *_settings("--set", options),
        *("--out", run),
    ]
    return [
        join(*build, *_settings("--recipe", recipe)),
        join(*train),
        *(join("jointcloud", "evaluate", run, "--protocol", p) for p in protocols or ["full"]),
        join("jointcloud", "report", run),
    ]


def _settings(flag: str, values: Mapping[str, Any]) -> list[str]:
    words = []
    for key, value in values.items():
        words += [flag, f"{key}={value if isinstance(value, str) else json.dumps(value)}"]
    return words
