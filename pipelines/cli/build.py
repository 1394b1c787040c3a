"""``jointcloud build``: raw data into a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.cli.options import (
    catalog_option,
    example,
    make_progress,
    parse_settings,
    progress_options,
    workers_option,
)
from pipelines.cli.output import echo_json, echo_pairs, echo_table

if TYPE_CHECKING:
    from pipelines.build import BuildSummary
    from prep.scene import OnDefect

DEFECTS_SHOWN = 20


@click.command(
    short_help="Build a training store from raw data, or go on with one.",
    help="Build a training store from the raw data of a catalogue entry, or go on with one that "
    "was interrupted.\n\n"
    "The exit code is 1 when any scene failed, skipped ones included.\n\n"
    + example(
        "jointcloud build s3dis --root RAW --out s3dis.zarr --workers 4",
        "jointcloud build s3dis --root RAW --out area5.zarr --scenes 'Area_5/*'",
        "jointcloud build forest --root PLOTS --out plots.zarr --recipe block_m=5",
    ),
)
@click.argument("dataset")
@click.option(
    "--root",
    type=click.Path(path_type=Path),
    metavar="RAW",
    help="Folder of the raw data; only synthetic scenes need none.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="STORE.zarr",
    help="Folder of the store.",
)
@workers_option
@click.option(
    "--on-defect",
    type=click.Choice(["repair", "fail", "skip"]),
    default="repair",
    show_default=True,
    help="Repair a known defect by rule and log it, fail, or leave the scene out.",
)
@click.option(
    "--scenes",
    multiple=True,
    metavar="GLOB",
    help="Only scenes whose name matches (Area_5/*); may be repeated.",
)
@click.option(
    "--allow-missing",
    multiple=True,
    metavar="GROUP",
    help="Accept that a group has fewer scenes than expected; may be repeated.",
)
@click.option(
    "--recipe",
    "recipe_pairs",
    multiple=True,
    metavar="KEY=VALUE",
    help="Parameter of the build (block_m=1.0, 'msa_radii_m=[0.2, 0.5]'); may be repeated.",
)
@click.option("--rebuild", is_flag=True, help="Throw away a store of another recipe.")
@catalog_option
@progress_options
def build(
    dataset: str,
    root: Path | None,
    out: Path,
    workers: int,
    on_defect: OnDefect,
    scenes: tuple[str, ...],
    allow_missing: tuple[str, ...],
    recipe_pairs: tuple[str, ...],
    rebuild: bool,
    catalog_file: Path | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Build a store and print what was done."""
    from pipelines.build import build_store, merge_recipe
    from pipelines.catalog import find_entry, load_catalog

    entry = find_entry(load_catalog(catalog_file), dataset)
    summary = build_store(
        entry,
        root,
        out,
        recipe=merge_recipe(entry, parse_settings(recipe_pairs, "--recipe")),
        workers=workers,
        on_defect=on_defect,
        scenes=scenes,
        allow_missing=allow_missing,
        rebuild=rebuild,
        progress=make_progress(quiet=quiet),
    )
    if as_json:
        echo_json(summary.to_dict())
    else:
        _show(summary)
    for failure in summary.failures:
        for line in failure.lines:
            click.echo(f"error: {line}", err=True)
    for name, reason in summary.skipped:
        click.echo(f"skipped: {name}: {reason}", err=True)
    if summary.failures:
        click.echo(
            f"error: {len(summary.failures)} of {summary.parts} parts failed, the others are "
            "stored; mend what is named above and run the same command again",
            err=True,
        )
    if not summary.ok:
        raise click.exceptions.Exit(1)


def _show(summary: BuildSummary) -> None:
    from pipelines.progress import size, span

    took = span(summary.wall_seconds)
    if summary.built == summary.parts and summary.wall_seconds:
        took += f", {summary.points_stored / summary.wall_seconds:,.0f} points a second"
    echo_pairs(
        [
            ("store", summary.store),
            ("state", "finished" if summary.finished else "not finished"),
            ("scenes", summary.scenes),
            ("points in", summary.points_read),
            ("points stored", summary.points_stored),
            ("points dropped", summary.points_dropped),
            ("blocks", summary.blocks),
            ("defects", len(summary.defects)),
            ("parts", f"{summary.built} built, {summary.kept} kept, of {summary.parts}"),
            ("size", f"{size(summary.n_bytes)}, {summary.bytes_per_point:.1f} bytes a point"),
            ("time", took),
        ]
    )
    if summary.missing_allowed:
        echo_pairs([("not all of", ", ".join(summary.missing_allowed))])
    click.echo()
    echo_table(("stage", "seconds"), [(k, round(v, 2)) for k, v in summary.seconds.items()])
    if summary.defects:
        click.echo()
        shown = summary.defects[:DEFECTS_SHOWN]
        echo_table(
            ("scene", "file", "line", "rule", "found", "repair", "dropped"),
            [(d.scene, d.file, d.line, d.rule, d.found, d.repair, d.dropped) for d in shown],
        )
        if len(summary.defects) > len(shown):
            click.echo(f"and {len(summary.defects) - len(shown):,} more (all with --json)")
