"""``jointcloud catalog``: which data sets there are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.cli.options import catalog_option, example, json_option
from pipelines.cli.output import echo_json, echo_pairs, echo_table

if TYPE_CHECKING:
    from pipelines.catalog import DatasetEntry


@click.command(
    short_help="List the data sets, or show one.",
    help="List the data sets of the catalogue, or show one with its classes, groups, folds, "
    "recipe and terms.\n\n"
    + example("jointcloud catalog", "jointcloud catalog s3dis", "jointcloud catalog s3dis --json"),
)
@click.argument("dataset", required=False)
@catalog_option
@json_option
def catalog(dataset: str | None, catalog_file: Path | None, as_json: bool) -> None:
    """Print the catalogue."""
    from pipelines.catalog import find_entry, load_catalog

    entries = load_catalog(catalog_file)
    if dataset is not None:
        chosen = find_entry(entries, dataset)
        if as_json:
            echo_json(chosen.to_dict())
        else:
            _show(chosen)
        return
    if as_json:
        echo_json([entry.to_dict() for entry in entries.values()])
        return
    rows = []
    for entry in entries.values():
        counts = list(entry.groups.values())
        known = bool(counts) and None not in counts
        rows.append(
            (
                entry.name,
                entry.reader,
                len(entry.labels.levels[0].classes),
                len(counts) or "any",
                sum(count or 0 for count in counts) if known else "any",
                entry.title,
            )
        )
    echo_table(("data set", "reader", "classes", "groups", "scenes", "title"), rows)


def _show(entry: DatasetEntry) -> None:
    scenes = [f"{name} {'any' if n is None else n}" for name, n in entry.groups.items()]
    folds = [f"{name} tests {', '.join(test)}" for name, test in entry.folds.items()]
    options = [f"{key}={value}" for key, value in entry.reader_options.items()]
    echo_pairs(
        [
            ("data set", entry.name),
            ("title", entry.title),
            ("reader", " ".join([entry.reader, *options])),
            ("scenes", ", ".join(scenes) or "any number in any groups"),
            ("folds", "; ".join([*folds, "all trains and tests on everything"])),
            ("aliases", ", ".join(f"{a} = {name}" for a, name in entry.labels.aliases) or None),
            ("licence", entry.licence or None),
            ("source", entry.source or None),
            ("file", entry.file),
        ]
    )
    click.echo()
    classes = [
        (level.name, c.id, c.name, " ".join(map(str, c.color)))
        for level in entry.labels.levels
        for c in level.classes
    ]
    echo_table(("level", "id", "class", "colour"), classes)
    click.echo()
    recipe = entry.recipe.to_dict().items()
    echo_table(("recipe", "value"), [(key, str(value)) for key, value in recipe])
