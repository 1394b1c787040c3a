"""``jointcloud report``: a run as one HTML file."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.cli.options import example, json_option, run_argument
from pipelines.cli.output import echo_json


@click.command(
    short_help="Write curves, scores and pictures as one HTML file.",
    help="Write curves, scores and pictures of a run as one HTML file.\n\n"
    + example("jointcloud report runs/asis-area5"),
)
@run_argument
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="REPORT.html",
    help="File to write; RUN/report.html by default.",
)
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    metavar="STORE.zarr",
    help="Where the store is now, if it moved since the training.",
)
@json_option
def report(run: Path, out: Path | None, store: Path | None, as_json: bool) -> None:
    """Write the report and print where it is."""
    from pipelines.report import write_report

    path = write_report(run, out, store)
    if as_json:
        echo_json({"report": path})
    else:
        click.echo(path)
