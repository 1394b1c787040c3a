"""``jointcloud evaluate``: scores of a run, or of files that other programs wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipelines.cli.options import (
    bandwidth_option,
    cache_option,
    catalog_option,
    checkpoint_option,
    device_option,
    example,
    make_progress,
    progress_options,
)
from pipelines.cli.output import echo_json, echo_pairs, echo_table

SCORES = ("oAcc", "mAcc", "mIoU", "mCov", "mWCov", "mPrec", "mRec")


@click.command(
    short_help="Score a run, or files that other programs wrote.",
    help="Score a run on the test scenes of its fold under a named protocol, or score a folder "
    "of ROOM_pred.txt and ROOM_gt.txt files as ASIS, JSNet and JSPNet write them.\n\n"
    "paper is exactly what the published code does; full gives every original point one "
    "prediction.\n\n"
    + example(
        "jointcloud evaluate runs/asis-area5 --protocol paper",
        "jointcloud evaluate --asis results/test --json",
    ),
)
@click.argument("run", type=click.Path(path_type=Path), metavar="[RUN]", required=False)
@click.option("--protocol", type=click.Choice(["paper", "full"]), help="How predictions count.")
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    metavar="STORE.zarr",
    help="Where the store is now, if it moved since the training.",
)
@click.option("--any-store", is_flag=True, help="Accept a store that the run was not trained on.")
@checkpoint_option
@bandwidth_option
@click.option(
    "--asis-out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write ROOM_pred.txt and ROOM_gt.txt there too.",
)
@cache_option
@device_option
@click.option(
    "--asis",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Score the files of this folder in place of a run.",
)
@click.option(
    "--classes",
    default="s3dis",
    show_default=True,
    metavar="NAME",
    help="Catalogue entry that names the classes of --asis.",
)
@catalog_option
@progress_options
def evaluate(
    run: Path | None,
    protocol: str | None,
    store: Path | None,
    any_store: bool,
    checkpoint: str,
    bandwidth: float,
    asis_out: Path | None,
    cache: Path | None,
    device: str,
    asis: Path | None,
    classes: str,
    catalog_file: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Score and print."""
    if (run is None) == (asis is None):
        raise click.UsageError("give either RUN or --asis DIR")
    if asis is not None:
        if protocol is not None or store is not None or asis_out is not None:
            raise click.UsageError("--protocol, --store and --asis-out go with RUN, not --asis")
        result = _score_files(asis, classes, catalog_file)
    else:
        if protocol is None:
            raise click.UsageError("RUN needs --protocol paper or --protocol full")
        from models.evaluate import evaluate_run
        from models.infer import InferOptions

        assert run is not None  # noqa: S101  # one of the two is given, checked above
        result = evaluate_run(
            run,
            protocol,
            store=store,
            checkpoint=checkpoint,
            options=InferOptions(bandwidth=bandwidth, device=device),
            any_digest=any_store,
            asis_out=asis_out,
            cache=cache,
            progress=make_progress(quiet=quiet),
        )
    if as_json:
        echo_json(result)
    else:
        _show(result)


def _score_files(folder: Path, classes: str, catalog_file: Path | None) -> dict[str, Any]:
    from models.asis_files import score_folder

    from pipelines.catalog import find_entry, load_catalog

    entry = find_entry(load_catalog(catalog_file), classes)
    return score_folder(folder, entry.labels.levels[0].names)


def _show(result: dict[str, Any]) -> None:
    head = ("protocol", "system", "backbone", "dataset", "fold", "seed", "scenes", "points")
    echo_pairs([(name, result[name]) for name in head if name in result])
    click.echo()
    echo_table(("score", "mean"), [(name, _percent(result["mean"][name])) for name in SCORES])
    if "baseline" in result:
        base = result["baseline"]
        click.echo(
            f"always {base['class']}: oAcc {_percent(base['oAcc'])}, mIoU {_percent(base['mIoU'])}"
        )


def _percent(value: float | None) -> str:
    return "-" if value is None or value != value else f"{100 * value:.2f}"
