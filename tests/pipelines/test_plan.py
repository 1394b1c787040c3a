"""The plan: parts, missing scenes, selections."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.catalog import load_catalog
from pipelines.catalog_parse import DatasetEntry, parse_catalog
from pipelines.plan import (
    MEMORY_BASE,
    MEMORY_PER_BYTE,
    MEMORY_PER_POINT,
    TEXT_ROW_BYTES,
    estimate_points,
    find_scenes,
    plan_build,
)
from prep.errors import OptionError, SourceError
from prep.recipe import Recipe
from prep.scene import SceneSource
from tests.pipelines.raw import CATALOG, write_building

ENTRY = parse_catalog(CATALOG, "tiny.yaml", ("s3dis",))["tiny"]


def source(name: str, points: int = 100) -> SceneSource:
    group = name.split("/")[0]
    return SceneSource(name, group, "/raw", (f"{name}/wall_1.txt",), points * TEXT_ROW_BYTES)


def whole() -> list[SceneSource]:
    names = ["Area_2/b", "Area_1/b", "Area_3/a", "Area_2/a", "Area_1/a"]
    return [source(name) for name in names]


def names_by_part(
    sources: list[SceneSource], part_points: int, entry: DatasetEntry = ENTRY
) -> list[list[str]]:
    plan = plan_build(entry, sources, Recipe(part_points=part_points))
    return [[scene.name for scene in part.scenes] for part in plan.parts]


def test_scenes_are_packed_in_the_order_of_their_names() -> None:
    assert names_by_part(whole(), 200) == [
        ["Area_1/a", "Area_1/b"],
        ["Area_2/a", "Area_2/b"],
        ["Area_3/a"],
    ]


def test_the_order_of_listing_does_not_matter() -> None:
    assert names_by_part(whole(), 250) == names_by_part(whole()[::-1], 250)


def test_a_scene_larger_than_a_part_has_its_own() -> None:
    sources = whole()
    sources[3] = source("Area_2/a", 1000)
    assert names_by_part(sources, 300) == [
        ["Area_1/a", "Area_1/b"],
        ["Area_2/a"],
        ["Area_2/b", "Area_3/a"],
    ]


def test_every_scene_is_in_exactly_one_part() -> None:
    for part_points in (1, 99, 100, 101, 10**9):
        packed = [name for part in names_by_part(whole(), part_points) for name in part]
        assert packed == sorted(s.name for s in whole())


def test_sizes_add_up_and_memory_is_of_the_largest_part() -> None:
    sources = [source("Area_1/a", 3), source("Area_1/b", 5), source("Area_2/a", 7)]
    sources += [source("Area_2/b", 11), source("Area_3/a", 13)]
    plan = plan_build(ENTRY, sources, Recipe(part_points=8))
    assert [part.points for part in plan.parts] == [8, 7, 11, 13]
    assert [part.index for part in plan.parts] == [0, 1, 2, 3]
    assert plan.points == 39
    assert plan.n_bytes == 39 * TEXT_ROW_BYTES
    row = MEMORY_PER_BYTE * TEXT_ROW_BYTES + MEMORY_PER_POINT
    assert plan.memory_bytes == MEMORY_BASE + 13 * row


def test_binary_files_hold_more_points_a_byte() -> None:
    text = SceneSource("a", "all", "/raw", ("a.XYZ",), 4800)
    binary = SceneSource("a", "all", "/raw", ("a.ply",), 4800)
    assert estimate_points(text) == 160
    assert estimate_points(binary) == 300


def test_made_up_scenes_need_no_folder() -> None:
    entry = load_catalog()["synthetic"]
    sources = find_scenes(entry, None)
    assert plan_build(entry, sources, entry.recipe).expected == entry.groups
    assert [estimate_points(source) for source in sources] == [52_000] * 12
    with pytest.raises(OptionError, match="--root: found nothing, wanted the folder that holds"):
        find_scenes(ENTRY, None)


def test_a_missing_scene_is_an_error_with_the_remedy() -> None:
    with pytest.raises(OptionError) as caught:
        plan_build(ENTRY, [s for s in whole() if s.name != "Area_1/b"], Recipe())
    assert str(caught.value) == (
        "Area_1: found 1 scene, wanted 2; add the missing ones, accept the loss with "
        "--allow-missing Area_1 or select with --scenes"
    )


def test_a_group_of_any_number_must_have_one() -> None:
    with pytest.raises(OptionError, match="Area_3: found 0 scenes, wanted at least 1"):
        plan_build(ENTRY, [s for s in whole() if s.group != "Area_3"], Recipe())


def test_all_wrong_groups_are_told_at_once() -> None:
    sources = [source("Area_1/a"), source("Area_2/a"), source("Area_2/b"), source("Area_2/c")]
    sources.append(source("Area_9/a"))
    with pytest.raises(OptionError) as caught:
        plan_build(ENTRY, sources, Recipe())
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["Area_1", "Area_2", "Area_3", "Area_9"]
    assert "found 3 scenes, wanted 2" in lines[1]
    assert "a group that tiny does not have" in lines[3]


def test_a_missing_scene_is_allowed_by_name_of_its_group() -> None:
    sources = [s for s in whole() if s.name != "Area_1/b"]
    plan = plan_build(ENTRY, sources, Recipe(), allow_missing=["Area_1", "Area_2"])
    assert plan.missing_allowed == ("Area_1",)
    assert plan.found == {"Area_1": 1, "Area_2": 2, "Area_3": 1}
    assert plan.expected == {"Area_1": 2, "Area_2": 2}


def test_allowing_an_unknown_group_is_an_error() -> None:
    with pytest.raises(OptionError, match="--allow-missing Area_7: wanted one of Area_1, Area_2"):
        plan_build(ENTRY, whole(), Recipe(), allow_missing=["Area_7"])


def test_a_selection_is_not_compared_with_the_counts() -> None:
    plan = plan_build(ENTRY, whole(), Recipe(), patterns=["Area_1/*", "*/a"])
    assert [s.name for s in plan.scenes] == ["Area_1/a", "Area_1/b", "Area_2/a", "Area_3/a"]
    assert plan.expected == {}
    assert plan.found == {"Area_1": 2, "Area_2": 1, "Area_3": 1}


def test_a_pattern_without_a_scene_is_an_error() -> None:
    with pytest.raises(OptionError, match=r"--scenes Area_1/c: found no such scene among 5"):
        plan_build(ENTRY, whole(), Recipe(), patterns=["Area_1/*", "Area_1/c"])


def test_two_scenes_of_one_name_are_an_error() -> None:
    with pytest.raises(OptionError, match="Area_3/a: found two scenes of this name"):
        plan_build(ENTRY, [*whole(), source("Area_3/a")], Recipe())


def test_without_groups_everything_is_taken() -> None:
    entry = load_catalog()["forest"]
    plan = plan_build(entry, [source("Area_2/plot")], entry.recipe)
    assert plan.found == {"Area_2": 1}
    assert plan.expected == {}


def test_scenes_are_found_in_the_layout(tmp_path: Path) -> None:
    write_building(tmp_path, {"Area_1": 2, "Area_2": 1}, points=3)
    assert [s.name for s in find_scenes(ENTRY, tmp_path)] == [
        "Area_1/office_1",
        "Area_1/office_2",
        "Area_2/office_1",
    ]


def test_another_layout_says_what_was_found_and_wanted(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(SourceError) as caught:
        find_scenes(ENTRY, tmp_path)
    assert "found folder photos without rooms, wanted GROUP/ROOM/Annotations" in str(caught.value)


def test_an_empty_folder_says_what_was_wanted(tmp_path: Path) -> None:
    entry = replace(ENTRY, reader="cloud")
    (tmp_path / "readme.md").write_text("x")
    with pytest.raises((OptionError, SourceError), match="wanted"):
        find_scenes(entry, tmp_path)


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"raw: found nothing, wanted the folder of the raw data"):
        find_scenes(ENTRY, tmp_path / "raw")
