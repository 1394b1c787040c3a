"""``jointcloud status``, ``verify`` and ``inspect``: looking at stores and at raw data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.cli.options import (
    catalog_option,
    example,
    json_option,
    make_progress,
    progress_options,
    store_argument,
)
from pipelines.cli.output import echo_json, echo_pairs, echo_table, percent
from prep.errors import JointcloudError, OptionError

if TYPE_CHECKING:
    from pipelines.survey import Cloud

ROWS_SHOWN = 30


@click.command(
    short_help="Tell how far a store is.",
    help="Tell how far a store is: parts done, points in and out, defects, folds.\n\n"
    + example("jointcloud status s3dis.zarr"),
)
@store_argument
@json_option
def status(store: Path, as_json: bool) -> None:
    """Print the state of a store."""
    from pipelines.progress import size
    from prep.store import store_status

    state = store_status(store)
    if as_json:
        echo_json(state.to_dict())
        return
    dropped = sum(defect.dropped for defect in state.defects)
    condition = "finished" if state.finished else "not finished; run the build again to go on"
    if state.locked:
        condition += "; a build runs, or was killed"
    echo_pairs(
        [
            ("data set", state.dataset),
            ("state", condition),
            ("digest", state.digest or None),
            ("parts", f"{state.done} of {state.n_parts} done"),
            ("scenes", state.scenes),
            ("points", f"{state.n_read:,} read = {state.points:,} stored + {dropped:,} dropped"),
            ("blocks", state.blocks),
            ("size", size(state.n_bytes)),
            ("defects", len(state.defects)),
            ("folds", ", ".join(state.folds) or None),
        ]
    )
    groups = sorted({*state.found, *state.expected})
    if groups:
        click.echo()
        rows = [(g, state.found.get(g, 0), state.expected.get(g)) for g in groups]
        echo_table(("group", "found", "expected"), rows)
    for name, reason in state.skipped:
        click.echo(f"skipped {name}: {reason}")
    if state.damaged:
        click.echo(f"damaged parts: {', '.join(map(str, state.damaged))}")


@click.command(
    short_help="Check every byte of a store.",
    help="Check every byte of a store: checksums, invariants, tables, and that points in are "
    "points stored plus points dropped.\n\n"
    "Prints one line for each fault, and then ends with exit code 1.\n\n"
    + example("jointcloud verify s3dis.zarr"),
)
@store_argument
@progress_options
def verify(store: Path, quiet: bool, as_json: bool) -> None:
    """Verify a store."""
    from pipelines.progress import amount
    from prep.store import verify_store

    report = verify_store(store, make_progress(quiet=quiet))
    if as_json:
        echo_json(report.to_dict())
    else:
        for fault in report.faults:
            click.echo(fault)
        if report.ok:
            click.echo(
                f"sound: {amount(report.parts, 'part')}, {amount(report.scenes, 'scene')}, "
                f"{amount(report.objects, 'object')}; "
                f"{report.n_read:,} points read = {report.points:,} stored + {report.dropped:,} "
                f"dropped"
            )
    if not report.ok:
        count = len(report.faults)
        click.echo(f"error: {store}: {count} fault{'s' * (count > 1)}; build it again", err=True)
        raise click.exceptions.Exit(1)


@click.command(
    short_help="Show what a store, a raw folder or a cloud holds.",
    help="Show what a store, a raw folder (with --dataset) or a single cloud file holds, as "
    "numbers, as a picture or in a window.\n\n"
    + example(
        "jointcloud inspect s3dis.zarr",
        "jointcloud inspect s3dis.zarr --scene Area_5/office_1 --picture office.png",
        "jointcloud inspect RAW --dataset s3dis",
        "jointcloud inspect room.ply --view",
    ),
)
@click.argument("path", type=click.Path(path_type=Path), metavar="PATH")
@click.option("--dataset", metavar="NAME", help="Catalogue entry that a raw folder belongs to.")
@catalog_option
@click.option("--scene", metavar="NAME", help="Scene to draw; the first one by default.")
@click.option(
    "--picture", type=click.Path(path_type=Path), metavar="OUT.png", help="Draw one scene."
)
@click.option("--view", is_flag=True, help="Open a window on one scene (needs open3d).")
@click.option(
    "--by",
    type=click.Choice(["class", "instance", "rgb"]),
    help="Colours of picture or window; a picture has all of them by default.",
)
@json_option
def inspect(
    path: Path,
    dataset: str | None,
    catalog_file: Path | None,
    scene: str | None,
    picture: Path | None,
    view: bool,
    by: str | None,
    as_json: bool,
) -> None:
    """Survey a path, and draw or show one scene of it."""
    if (scene or by) and not (picture or view):
        raise click.UsageError("--scene and --by go with --picture or --view")
    survey, cloud = _look(path, dataset, catalog_file, scene, wants_cloud=bool(picture or view))
    if cloud is not None:
        if picture is not None:
            _draw(cloud, by, picture)
            survey["picture"] = {"file": str(picture), "scene": cloud.name}
        if view:
            from pipelines.survey import paint
            from prep.viewer import show_cloud

            labelled = bool((cloud.semantic >= 0).any())
            show_cloud(cloud.xyz, paint(cloud, by or ("class" if labelled else "rgb")), cloud.name)
    if as_json:
        echo_json(survey)
    else:
        _PRINT[survey["kind"]](survey)
        if picture is not None:
            click.echo(f"picture  {picture}")


def _look(
    path: Path, dataset: str | None, catalog_file: Path | None, scene: str | None, wants_cloud: bool
) -> tuple[dict[str, Any], Cloud | None]:
    """Find out what ``path`` is, survey it and read the scene to show."""
    from pipelines import survey
    from pipelines.catalog import find_entry, load_catalog
    from prep.store import open_store

    if dataset is not None:
        entry = find_entry(load_catalog(catalog_file), dataset)
        cloud = survey.raw_scene(entry, path, scene) if wants_cloud else None
        return survey.survey_raw(entry, path), cloud
    if path.is_file():
        cloud = survey.file_cloud(path)
        return survey.survey_cloud(cloud, path), cloud
    if not path.exists():
        raise OptionError(f"{path}: found nothing, wanted a store, a raw folder or a cloud file")
    if not (path / "zarr.json").exists():
        raise OptionError(
            f"{path}: found a folder that is no store, wanted a store, or --dataset NAME with the "
            "entry that the raw folder belongs to (jointcloud catalog lists them)"
        )
    store = open_store(path)
    return survey.survey_store(store), survey.store_scene(store, scene) if wants_cloud else None


def _draw(cloud: Cloud, by: str | None, out: Path) -> None:
    from pipelines.survey import draw

    try:
        out.write_bytes(draw(cloud, by))
    except OSError as error:
        raise JointcloudError(
            f"{out}: cannot write it ({error.strerror}); give another --picture"
        ) from error


def _print_store(survey: dict[str, Any]) -> None:
    density = survey["points_per_m2"]
    echo_pairs(
        [
            ("data set", survey["dataset"]),
            ("digest", survey["digest"]),
            ("scenes", survey["scenes"]),
            ("points", survey["points"]),
            ("blocks", survey["blocks"]),
            ("floor", f"{survey['floor_m2']:,.1f} m²"),
            ("density", None if density is None else f"{density:,.0f} points a m² of floor"),
        ]
    )
    for level in survey["levels"]:
        click.echo()
        rows: list[tuple[Any, ...]] = [
            (c["id"], c["name"], c["points"], percent(c["share"]), c["instances"])
            for c in level["classes"]
        ]
        rows.append((-1, "unlabelled", level["unlabelled_points"], None, None))
        echo_table(("id", f"class of {level['name']}", "points", "per cent", "instances"), rows)
    click.echo()
    echo_table(
        ("fold", "train scenes", "test scenes", "train points", "test points", "blocks added"),
        [tuple(fold.values()) for fold in survey["folds"]],
    )
    click.echo()
    rows = [
        (s["name"], s["points"], s["blocks"], _extent(s["extent_m"]), s["points_per_m2"])
        for s in survey["by_scene"]
    ]
    _echo_first(("scene", "points", "blocks", "extent m", "points a m²"), rows)


def _print_raw(survey: dict[str, Any]) -> None:
    from pipelines.progress import size

    echo_pairs(
        [
            ("data set", survey["dataset"]),
            ("scenes", survey["scenes"]),
            ("size", size(survey["bytes"])),
            ("points", f"about {survey['points_estimated']:,}"),
        ]
    )
    click.echo()
    rows = [(g["name"], g["found"], g["expected"]) for g in survey["groups"]]
    echo_table(("group", "found", "expected"), rows)
    click.echo()
    scenes = [(s["name"], s["files"], size(s["bytes"])) for s in survey["by_scene"]]
    _echo_first(("scene", "files", "size"), scenes)


def _print_cloud(survey: dict[str, Any]) -> None:
    density = survey["points_per_m2"]
    echo_pairs(
        [
            ("file", survey["path"]),
            ("points", survey["points"]),
            ("extent", f"{_extent(survey['extent_m'])} m"),
            ("density", None if density is None else f"{density:,.0f} points a m²"),
            ("colour", survey["color"]),
            ("unlabelled", survey["unlabelled_points"]),
            ("instances", survey["instances"]),
        ]
    )
    if survey["classes"]:
        click.echo()
        echo_table(("class", "points"), list(survey["classes"].items()))


_PRINT = {"store": _print_store, "raw": _print_raw, "cloud": _print_cloud}


def _echo_first(header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    echo_table(header, rows[:ROWS_SHOWN])
    if len(rows) > ROWS_SHOWN:
        click.echo(f"and {len(rows) - ROWS_SHOWN:,} more (all with --json)")


def _extent(extent: list[float]) -> str:
    return " x ".join(f"{side:.2f}" for side in extent)
