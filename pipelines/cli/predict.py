"""``jointcloud predict``: labels for a cloud that has none."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.cli.options import (
    bandwidth_option,
    checkpoint_option,
    device_option,
    example,
    make_progress,
    parse_settings,
    progress_options,
    run_argument,
)
from pipelines.cli.output import echo_json, echo_pairs, echo_table


@click.command(
    short_help="Label every point of a cloud.",
    help="Label every point of a cloud with a run: class, instance and confidence, in the "
    "cloud's own order.\n\n"
    "The cloud is PLY, NPY, NPZ or text with x y z in metres; it needs no labels.\n\n"
    + example(
        "jointcloud predict runs/asis-area5 room.ply --out labelled.ply",
        "jointcloud predict RUN scan.csv --column x=east --column y=north --out out.ply",
    ),
)
@run_argument
@click.argument("cloud", type=click.Path(path_type=Path), metavar="CLOUD")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="OUT.ply",
    help="Labelled cloud to write.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="ROLE=NAME",
    help="Column of x, y, z, red, … where its name is unusual; may be repeated.",
)
@click.option("--paint", is_flag=True, help="Give the points the colours of their classes.")
@checkpoint_option
@bandwidth_option
@device_option
@progress_options
def predict(
    run: Path,
    cloud: Path,
    out: Path,
    columns: tuple[str, ...],
    paint: bool,
    checkpoint: str,
    bandwidth: float,
    device: str,
    quiet: bool,
    as_json: bool,
) -> None:
    """Predict, write, and print what was found."""
    roles = parse_settings(columns, "--column")
    from models.infer import InferOptions
    from pipelines.label import label_cloud
    from pipelines.progress import span

    result = label_cloud(
        run,
        cloud,
        out,
        checkpoint=checkpoint,
        options=InferOptions(bandwidth=bandwidth, device=device),
        columns=roles or None,
        paint=paint,
        progress=make_progress(quiet=quiet),
    )
    if as_json:
        echo_json(result)
        return
    echo_pairs(
        [
            ("out", result["out"]),
            ("points", result["points"]),
            ("labelled", result["labelled"]),
            ("instances", result["instances"]),
            ("confidence", result["confidence"]),
            ("time", span(result["seconds"]["all"])),
        ]
    )
    click.echo()
    echo_table(("class", "points"), list(result["classes"].items()))
