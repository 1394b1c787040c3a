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
from pipelines.cli.output import echo_json, echo_pairs, echo_table, percent

HEAD = (
    *("files", "protocol", "system", "backbone", "dataset", "fold"),
    *("seed", "scenes", "points"),
)
MEANS = ("oAcc", "mAcc", "mIoU", "mCov", "mWCov", "mPrec", "mRec")
CLASS_SCORES = ("IoU", "Acc", "Cov", "WCov", "Prec", "Rec")


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
@click.option(
    "--zero-division",
    type=click.Choice(["zero", "nan", "skip"]),
    default="zero",
    show_default=True,
    help="What 0/0 gives: 0, NaN as in the published code, or left out of the mean.",
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
    zero_division: str,
    catalog_file: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Score and print."""
    if (run is None) == (asis is None):
        raise click.UsageError("give either RUN or --asis DIR")
    if run is None:
        if protocol is not None or store is not None or asis_out is not None:
            raise click.UsageError("--protocol, --store and --asis-out go with RUN, not --asis")
        result = _score_files(asis or Path(), classes, catalog_file, zero_division)
    else:
        if protocol is None:
            raise click.UsageError("RUN needs --protocol paper or --protocol full")
        from models.evaluate import evaluate_run
        from models.infer import InferOptions

        result = evaluate_run(
            run,
            protocol,
            store=store,
            checkpoint=checkpoint,
            options=InferOptions(bandwidth=bandwidth, device=device),
            any_digest=any_store,
            zero_division=zero_division,  # type: ignore[arg-type]  # one of the option's choices
            asis_out=asis_out,
            cache=cache,
            progress=make_progress(quiet=quiet),
        )
    if as_json:
        echo_json(result)
    else:
        _show(result)


def _score_files(
    folder: Path, classes: str, catalog_file: Path | None, zero_division: str
) -> dict[str, Any]:
    from models.asis_files import score_asis_folder
    from pipelines.catalog import find_entry, load_catalog

    entry = find_entry(load_catalog(catalog_file), classes)
    names = entry.labels.levels[0].names
    scores = score_asis_folder(folder, names, zero_division=zero_division)  # type: ignore[arg-type]  # one of the option's choices
    return {"files": str(folder), **scores.to_dict()}


def _show(result: dict[str, Any]) -> None:
    from pipelines.report_html import join_undefined

    echo_pairs([(name, result[name]) for name in HEAD if name in result])
    click.echo()
    mean, by_score = result["mean"], result["per_class"]
    true, found = result["instances"]["true"], result["instances"]["predicted"]
    rows: list[tuple[Any, ...]] = [
        (name, *(percent(by_score[score][k]) for score in CLASS_SCORES), true[k], found[k])
        for k, name in enumerate(result["class_names"])
    ]
    means = (percent(mean.get(f"m{score}")) for score in CLASS_SCORES)
    rows.append(("mean, sum", *means, sum(true), sum(found)))
    echo_table(("per cent", *CLASS_SCORES, "instances", "predicted"), rows)
    click.echo()
    echo_pairs([(name, f"{percent(mean[name]) or '-'} %") for name in MEANS])
    base = result["baseline"]
    scores = f"oAcc {percent(base['oAcc'])} %, mIoU {percent(base['mIoU'])} %"
    click.echo(f"always saying {base.get('class', 'the commonest class')}: {scores}")
    if result.get("undefined"):
        rule = result.get("zero_division", "")
        click.echo(f"0/0, taken as {rule}: {join_undefined(result['undefined'])}")
