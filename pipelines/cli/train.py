"""``jointcloud train``: a system on one fold of a store."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.cli.options import (
    cache_option,
    device_option,
    example,
    make_progress,
    parse_settings,
    progress_options,
    seed_option,
)
from pipelines.cli.output import echo_json, echo_pairs
from prep.errors import OptionError


@click.command(
    short_help="Train a system on one fold, or continue a run.",
    help="Train a joint system on one fold of a store, or continue a run that was stopped.\n\n"
    + example(
        "jointcloud train asis --store s3dis.zarr --fold area5 --out runs/asis-area5",
        "jointcloud train vanilla --backbone pointnet --store s3dis.zarr --fold area5 --out run",
    ),
)
@click.argument("system")
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    required=True,
    metavar="STORE.zarr",
    help="Store to train on.",
)
@click.option(
    "--fold",
    required=True,
    metavar="NAME",
    help="Who trains and who tests (jointcloud status lists the folds); all is everyone on both.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="RUN",
    help="Folder of the run.",
)
@click.option("--epochs", type=click.IntRange(1), help="Epochs; the system's own by default.")
@click.option(
    "--batch", type=click.IntRange(1), help="Blocks in a step; the system's own by default."
)
@click.option("--lr", type=click.FloatRange(0, min_open=True), help="First learning rate.")
@click.option(
    "--decay-samples",
    type=click.IntRange(1),
    metavar="N",
    help="Blocks after which the learning rate is halved.",
)
@click.option("--backbone", metavar="NAME", help="Backbone in place of the system's own.")
@click.option(
    "--level", type=click.IntRange(0), default=0, show_default=True, help="Level of labels."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Option of the system (neighbours=30); may be repeated.",
)
@click.option(
    "--wfs/--no-wfs",
    "water_filling",
    default=False,
    show_default=True,
    help="Add the blocks of Water Filling Sampling to every epoch.",
)
@click.option(
    "--checkpoint-every",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    metavar="N",
    help="Epochs between the checkpoints that are kept.",
)
@cache_option
@seed_option
@device_option
@progress_options
def train(
    system: str,
    store: Path,
    fold: str,
    out: Path,
    epochs: int | None,
    batch: int | None,
    lr: float | None,
    decay_samples: int | None,
    backbone: str | None,
    level: int,
    settings: tuple[str, ...],
    water_filling: bool,
    checkpoint_every: int,
    cache: Path | None,
    seed: int,
    device: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train and print what was reached."""
    model = parse_settings(settings, "--set")
    from models.plan import TrainOptions
    from models.train import train as run_training
    from pipelines.progress import span

    if store.resolve() in (out.resolve(), *out.resolve().parents):
        raise OptionError(
            f"--out {out}: found a folder inside the store {store}, wanted one outside, since "
            "stores are not changed by a training; give another --out"
        )
    options = TrainOptions(
        system=system,
        store=store,
        fold=fold,
        out=out,
        backbone=backbone,
        level=level,
        epochs=epochs,
        batch_size=batch,
        lr=lr,
        decay_samples=decay_samples,
        seed=seed,
        water_filling=water_filling,
        checkpoint_every=checkpoint_every,
        device=device,
        model=model,
        cache=cache,
    )
    report = run_training(options, make_progress(quiet=quiet))
    if as_json:
        echo_json(report)
        return
    echo_pairs(
        [
            ("run", report.run),
            ("system", report.system),
            ("epochs", f"{report.epochs} ({report.trained_epochs} now)"),
            ("blocks seen", report.samples),
            ("loss", f"{report.loss:.4f}"),
            ("accuracy", f"{100 * report.accuracy:.1f} % of the training points"),
            ("time", span(report.seconds)),
        ]
    )
