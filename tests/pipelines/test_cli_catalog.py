"""``jointcloud catalog``."""

from __future__ import annotations

import json
from pathlib import Path

from tests.pipelines.commands import errors, invoke, invoke_json

BROKEN = Path(__file__).parents[1] / "catalogs"


def test_the_list_names_every_data_set() -> None:
    lines = invoke("catalog").stdout.splitlines()
    assert lines[0].split()[:2] == ["data", "set"]
    assert [line.split()[0] for line in lines[1:]] == ["s3dis", "building", "synthetic", "forest"]
    assert lines[1].split()[2:5] == ["13", "6", "272"]


def test_one_data_set_shows_classes_terms_and_recipe() -> None:
    text = invoke("catalog", "s3dis").stdout
    for part in ("Area_6 48", "stairs = clutter", "area5 tests Area_5", "bookcase", "n_points"):
        assert part in text
    assert "licence" in text
    assert "source" in text


def test_json_is_the_entry() -> None:
    entry = invoke_json("catalog", "s3dis")
    assert entry["groups"]["Area_5"] == 68
    assert entry["levels"][0]["classes"][12] == {"id": 12, "name": "clutter", "color": [50, 50, 50]}
    assert invoke_json("catalog")[0] == entry


def test_a_file_of_ones_own_adds_entries(tmp_path: Path) -> None:
    source = (Path(__file__).parents[2] / "catalog.yaml").read_text()
    mine = tmp_path / "mine.yaml"
    mine.write_text(source.replace("  forest:", "  my-plots:"))
    assert "my-plots" in invoke("catalog", "--catalog", mine).stdout
    assert invoke_json("catalog", "my-plots", "--catalog", mine)["file"] == str(mine)


def test_a_wrong_file_gives_a_line_for_each_fault() -> None:
    result = invoke("catalog", "--catalog", BROKEN / "several_faults.yaml")
    lines = errors(result)
    assert len(lines) == 7
    assert lines[0].endswith("several_faults.yaml:1: version: found 2, wanted 1")
    assert result.stdout == ""


def test_an_unknown_name_is_one_line() -> None:
    (line,) = errors(invoke("catalog", "S3DIS"))
    assert "wanted one of s3dis, building, synthetic, forest" in line


def test_the_json_of_a_failure_is_no_half_json() -> None:
    result = invoke("catalog", "none", "--json")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert json.loads(invoke("catalog", "forest", "--json").stdout)
