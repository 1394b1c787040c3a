"""``jointcloud demo``: everything once, on a building that the program makes up."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.cli.options import (
    example,
    make_progress,
    progress_options,
    seed_option,
    workers_option,
)
from pipelines.cli.output import echo_json


@click.command(
    short_help="Make rooms up, build, train, score and report: see it work.",
    help="Write a small synthetic building, build its store, train, evaluate and write a report "
    "with pictures.\n\n" + example("jointcloud demo", "jointcloud demo --out /tmp/demo --quick"),
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    metavar="FOLDER",
    help="Folder for rooms, store, run and report.",
)
@click.option("--quick", is_flag=True, help="Smaller rooms and fewer epochs, to see that it works.")
@seed_option
@workers_option
@progress_options
def demo(out: Path, quick: bool, seed: int, workers: int, quiet: bool, as_json: bool) -> None:
    """Run the demonstration and print what was learned."""
    from pipelines.demo import describe_learning, run_demo
    from pipelines.progress import span

    progress = make_progress(quiet=quiet)
    result = run_demo(out, seed=seed, workers=workers, progress=progress, quick=quick)
    if as_json:
        echo_json(result)
        return
    for scores in result["evaluation"].values():
        click.echo(describe_learning(scores))
    click.echo(f"{span(result['wall_seconds'])}; open {result['report']}")
