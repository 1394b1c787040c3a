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
from pipelines.cli.output import echo_json, echo_pairs


@click.command(
    short_help="Make rooms up, build, train, score and report: see it work.",
    help="Write a small synthetic building, build its store, train, evaluate and write a report "
    "with pictures. What an earlier demonstration in the folder did is kept.\n\n"
    + example("jointcloud demo", "jointcloud demo --out /tmp/demo --quick"),
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
    from pipelines.progress import amount, size, span

    progress = make_progress(quiet=quiet)
    result = run_demo(out, seed=seed, workers=workers, progress=progress, quick=quick)
    if as_json:
        echo_json(result)
        return
    built, trained = result["build"], result["train"]
    echo_pairs(
        [
            ("building", f"{built['scenes']} rooms in {result['building']}"),
            (
                "points",
                f"{built['points_read']:,} read = {built['points_stored']:,} stored + "
                f"{built['points_dropped']:,} dropped",
            ),
            ("store", f"{built['store']}, {size(built['n_bytes'])}"),
            (
                "training",
                f"{trained['system']}, {amount(trained['epochs'], 'epoch')}, "
                f"{trained['samples']:,} blocks, loss {trained['loss']:.2f}",
            ),
            ("time", span(result["wall_seconds"])),
        ]
    )
    click.echo()
    for scores in result["evaluation"].values():
        click.echo(describe_learning(scores))
    click.echo()
    click.echo(f"report  {result['report']}")
