"""The catalogue: the program's own entries, overriding, and a folder of broken files."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from pipelines.catalog import (
    CatalogError,
    find_entry,
    load_catalog,
    own_catalog,
    read_catalog,
)
from pipelines.catalog_parse import parse_catalog
from prep.errors import OptionError
from prep.labels import Labels
from prep.recipe import Recipe

BROKEN = sorted((Path(__file__).parents[1] / "catalogs").glob("*.yaml"))
S3DIS = ["ceiling", "floor", "wall", "beam", "column", "window", "door"]
S3DIS += ["table", "chair", "sofa", "bookcase", "board", "clutter"]
GOOD = """
version: 1
datasets:
  plot:
    title: A plot
    reader: s3dis
    levels:
      - name: object
        classes: [{id: 0, name: tree, color: [0, 128, 0]}]
"""


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_each_broken_catalogue_gives_its_error(path: Path) -> None:
    text = path.read_text()
    wanted = [line.removeprefix("# gives ") for line in text.splitlines() if "# gives " in line]
    assert wanted
    with pytest.raises(CatalogError) as caught:
        parse_catalog(text, path.name, ("s3dis", "cloud"))
    assert str(caught.value).splitlines() == wanted
    assert len(caught.value.faults) == len(wanted)


def test_there_are_broken_catalogues() -> None:
    assert len(BROKEN) >= 20


def test_s3dis_has_the_classes_counts_and_folds_of_the_release() -> None:
    entry = find_entry(load_catalog(), "s3dis")
    assert list(entry.labels.levels[0].names) == S3DIS
    assert entry.labels.class_ids()["stairs"] == S3DIS.index("clutter")
    assert list(entry.groups.values()) == [44, 40, 23, 49, 68, 48]
    assert entry.folds["area5"] == ("Area_5",)
    assert sorted(entry.folds) == [f"area{k}" for k in range(1, 7)]
    assert len({c.color for c in entry.labels.levels[0].classes}) == 13
    assert entry.recipe == Recipe()
    assert entry.licence and entry.source


def test_building_shares_the_classes_of_s3dis() -> None:
    entries = load_catalog()
    assert entries["building"].labels.levels == entries["s3dis"].labels.levels
    assert set(entries["building"].groups.values()) == {None}


def test_entries_are_json_and_their_labels_come_back() -> None:
    for entry in load_catalog().values():
        data = json.loads(json.dumps(entry.to_dict()))
        assert Labels.from_dict(data) == entry.labels
        assert Recipe.from_dict(data["recipe"]) == entry.recipe


def test_a_file_adds_entries_and_replaces_those_of_the_same_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD + GOOD.split("datasets:\n")[1].replace("  plot:", "  s3dis:"))
    entries = load_catalog(path)
    assert entries["plot"].labels.levels[0].names == ("tree",)
    assert entries["s3dis"].title == "A plot"
    assert entries["s3dis"].groups == {}
    assert entries["building"].file == str(own_catalog())


def test_an_unknown_data_set_names_the_nearest() -> None:
    with pytest.raises(OptionError, match="did you mean s3dis") as caught:
        find_entry(load_catalog(), "s3di")
    assert "--catalog" in str(caught.value)


def test_in_a_wheel_the_catalogue_lies_inside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site-packages" / "pipelines"
    package.mkdir(parents=True)
    monkeypatch.setattr("pipelines.catalog.__file__", str(package / "catalog.py"))
    with pytest.raises(OptionError, match="install jointcloud again"):
        own_catalog()
    (package / "catalog.yaml").write_text(GOOD)
    assert list(load_catalog()) == ["plot"]


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"none\.yaml: No such file or directory"):
        read_catalog(tmp_path / "none.yaml")


def test_bytes_that_are_not_text_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"title: caf\xe9\n")
    with pytest.raises(CatalogError, match="byte 10 not UTF-8"):
        read_catalog(path)


def test_a_byte_order_mark_and_windows_line_ends_are_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "windows.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert list(read_catalog(path)) == ["plot"]


def test_an_alias_bomb_ends_quickly() -> None:
    lines = ["version: 1", "datasets: {}", "a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    began = time.monotonic()
    with pytest.raises(CatalogError) as caught:
        parse_catalog("\n".join(lines), "bomb.yaml", ("s3dis",))
    assert time.monotonic() - began < 20
    assert len(str(caught.value)) < 5_000


def test_a_catalogue_that_holds_itself_is_no_hang() -> None:
    with pytest.raises(CatalogError, match="extra"):
        parse_catalog(GOOD + "extra: &loop {again: *loop}\n", "loop.yaml", ("s3dis",))
