"""``jointcloud build``, ``status``, ``verify`` and ``inspect`` on tiny rooms."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.pipelines.commands import Tiny, errors, invoke, invoke_json, tree


def copy_raw(tiny: Tiny, folder: Path) -> Path:
    shutil.copytree(tiny.raw, folder / "raw")
    return folder / "raw"


def test_the_summary_balances(tiny: Tiny, tmp_path: Path) -> None:
    out = tmp_path / "s.zarr"
    summary = invoke_json(*tiny.build(out))
    assert summary["scenes"] == 5
    assert summary["points_read"] == tiny.points
    assert summary["points_read"] == summary["points_stored"] + summary["points_dropped"]
    assert summary["built"] == summary["parts"] == 5
    assert summary["kept"] == 0
    assert summary["finished"]
    assert summary["ok"]
    assert summary["n_bytes"] == sum(len(data) for data in tree(out).values())
    assert summary["bytes_per_point"] == pytest.approx(summary["n_bytes"] / tiny.points)
    assert {"read", "write", "finish"} <= summary["seconds"].keys()


def test_a_second_build_keeps_everything(tiny: Tiny, tiny_store: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.zarr"
    shutil.copytree(tiny_store, out)
    before = tree(out)
    summary = invoke_json(*tiny.build(out))
    assert (summary["built"], summary["kept"]) == (0, 5)
    assert summary["points_stored"] == tiny.points
    assert tree(out) == before


def test_results_are_on_stdout_and_progress_on_stderr(tiny: Tiny, tmp_path: Path) -> None:
    result = invoke(*tiny.build(tmp_path / "s.zarr"))
    assert f"points stored   {tiny.points:,}" in result.stdout
    assert "build tiny" in result.stderr
    assert "build tiny" not in result.stdout
    assert "\x1b" not in result.stdout + result.stderr
    assert invoke(*tiny.build(tmp_path / "s.zarr", "--quiet")).stderr == ""


def test_times_go_to_a_log_beside_the_store(tiny: Tiny, tmp_path: Path) -> None:
    out = tmp_path / "s.zarr"
    invoke(*tiny.build(out))
    invoke(*tiny.build(out))
    lines = [json.loads(line) for line in (tmp_path / "s.zarr.log.jsonl").read_text().splitlines()]
    assert [sum(p["status"] == "built" for p in line["parts"]) for line in lines] == [5, 0]
    assert all(line["finished"] for line in lines)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s.zarr", "s.zarr.log.jsonl"]


def test_two_workers_write_the_same_bytes(tiny: Tiny, tiny_store: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.zarr"
    summary = invoke_json(*tiny.build(out, "--workers", "2"))
    assert summary["workers"] == 2
    assert tree(out) == tree(tiny_store)


def test_a_missing_room_is_an_error_unless_allowed(tiny: Tiny, tmp_path: Path) -> None:
    raw, out = copy_raw(tiny, tmp_path), tmp_path / "s.zarr"
    shutil.rmtree(raw / "Area_1" / "office_2")
    (line,) = errors(invoke(*tiny.build(out, raw=raw)))
    assert "Area_1: found 1 scene, wanted 2" in line
    assert not out.exists()
    summary = invoke_json(*tiny.build(out, "--allow-missing", "Area_1", raw=raw))
    assert summary["scenes"] == 4
    assert summary["missing_allowed"] == ["Area_1"]
    assert invoke_json("status", out)["found"] == {"Area_1": 1, "Area_2": 2, "Area_3": 1}


def test_a_selection_by_pattern(tiny: Tiny, tmp_path: Path) -> None:
    command = tiny.build(tmp_path / "s.zarr", "--scenes", "Area_2/*", "--scenes", "*/office_1")
    assert invoke_json(*command)["scenes"] == 4
    (line,) = errors(invoke(*tiny.build(tmp_path / "t.zarr", "--scenes", "Area_8/*")))
    assert "--scenes Area_8/*: found no such scene among 5" in line


def test_a_bad_room_fails_alone_and_is_named(tiny: Tiny, tmp_path: Path) -> None:
    raw, out = copy_raw(tiny, tmp_path), tmp_path / "s.zarr"
    bad = raw / "Area_2" / "office_1" / "Annotations" / "chair_1.txt"
    good = bad.read_bytes()
    bad.write_bytes(good + b"no numbers here at all\n")
    result = invoke(*tiny.build(out, "--on-defect", "fail", "--json", raw=raw))
    lines = errors(result)
    assert "Area_2/office_1" in lines[0]
    assert "chair_1.txt:401" in lines[0]
    assert "1 of 5 parts failed" in lines[-1]
    summary = json.loads(result.stdout)
    assert summary["built"] == 4
    assert not summary["finished"]
    assert invoke_json("status", out)["finished"] is False
    bad.write_bytes(good)
    summary = invoke_json(*tiny.build(out, raw=raw))
    assert (summary["built"], summary["kept"]) == (1, 4)


def test_skipping_a_bad_room_finishes_and_still_ends_with_1(tiny: Tiny, tmp_path: Path) -> None:
    raw, out = copy_raw(tiny, tmp_path), tmp_path / "s.zarr"
    bad = raw / "Area_2" / "office_1" / "Annotations" / "chair_1.txt"
    bad.write_bytes(b"no numbers here at all\n" * 3)
    result = invoke(*tiny.build(out, "--on-defect", "skip", "--json", raw=raw))
    assert result.exit_code == 1
    summary = json.loads(result.stdout)
    assert summary["finished"]
    assert not summary["ok"]
    assert [name for name, _ in summary["skipped"]] == ["Area_2/office_1"]
    assert "skipped: Area_2/office_1: " in result.stderr
    assert invoke("verify", out).exit_code == 0


def test_an_unknown_class_stops_before_anything_is_written(tiny: Tiny, tmp_path: Path) -> None:
    raw, out = copy_raw(tiny, tmp_path), tmp_path / "s.zarr"
    folder = raw / "Area_2" / "office_1" / "Annotations"
    (folder / "chair_1.txt").rename(folder / "spaceship_1.txt")
    (line,) = errors(invoke(*tiny.build(out, raw=raw)))
    assert "found class 'spaceship', wanted one of ceiling" in line
    assert not out.exists()


def test_a_defect_is_repaired_counted_and_shown(tiny: Tiny, tmp_path: Path) -> None:
    raw = copy_raw(tiny, tmp_path)
    file = raw / "Area_1" / "office_1" / "Annotations" / "wall_1.txt"
    rows = file.read_bytes().splitlines()
    x, y, z, r, g, b = rows[6].split()
    rows[6] = b" ".join([x, y, z, r + b"\x00" + g, b])
    file.write_bytes(b"\n".join(rows) + b"\n")
    result = invoke(*tiny.build(tmp_path / "s.zarr", raw=raw))
    assert result.exit_code == 0
    assert "wall_1.txt" in result.stdout
    state = invoke_json("status", tmp_path / "s.zarr")
    assert [d["line"] for d in state["defects"]] == [7]
    assert state["points"] == tiny.points
    (line, _) = errors(invoke(*tiny.build(tmp_path / "t.zarr", "--on-defect", "fail", raw=raw)))
    assert "wall_1.txt:7" in line


def test_another_recipe_is_refused_unless_asked(
    tiny: Tiny, tiny_store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "s.zarr"
    shutil.copytree(tiny_store, out)
    (line,) = errors(invoke(*tiny.build(out, "--recipe", "n_points=128")))
    assert "n_points 256 -> 128" in line
    assert "--rebuild" in line
    assert tree(out) == tree(tiny_store)
    assert invoke_json(*tiny.build(out, "--recipe", "n_points=128", "--rebuild"))["built"] == 5


def test_wrong_recipes_are_one_line(tiny: Tiny, tmp_path: Path) -> None:
    out = tmp_path / "s.zarr"
    pairs = ("--recipe", "n_point=128", "--recipe", "draw=sometimes")
    (line,) = errors(invoke(*tiny.build(out, *pairs)))
    assert "unknown key 'n_point'" in line
    assert not out.exists()


def test_a_store_inside_the_raw_data_is_refused(tiny: Tiny) -> None:
    (line,) = errors(invoke(*tiny.build(tiny.raw / "s.zarr")))
    assert "wanted one outside" in line
    assert not (tiny.raw / "s.zarr").exists()


def test_something_else_in_the_way_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
    (line,) = errors(invoke(*tiny.build(tmp_path / "photos")))
    assert "a.jpg" in line
    assert [p.name for p in (tmp_path / "photos").iterdir()] == ["a.jpg"]


def test_a_missing_root_is_one_line(tiny: Tiny, tmp_path: Path) -> None:
    (line,) = errors(invoke(*tiny.build(tmp_path / "s.zarr", raw=tmp_path / "none")))
    assert "found nothing, wanted the folder of the raw data" in line


def test_made_up_rooms_need_no_root(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    source = (Path(__file__).parents[2] / "catalog.yaml").read_text()
    mine.write_text(source.replace("points_per_room: 40000", "points_per_room: 2000"))
    command = ("build", "synthetic", "--catalog", mine, "--out", tmp_path / "s.zarr")
    summary = invoke_json(*command, "--scenes", "Area_1/*", "--recipe", "n_points=64")
    assert summary["scenes"] == 2
    assert summary["points_stored"] > 2000


def test_status_of_a_finished_store(tiny: Tiny, tiny_store: Path) -> None:
    state = invoke_json("status", tiny_store)
    assert state["finished"]
    assert (state["done"], state["n_parts"]) == (5, 5)
    assert state["points"] == state["n_read"] == tiny.points
    assert state["expected"] == {"Area_1": 2, "Area_2": 2}
    assert set(state["folds"]) == {"area1", "area2", "all"}
    text = invoke("status", tiny_store).stdout
    assert f"{tiny.points:,} read = {tiny.points:,} stored + 0 dropped" in text


def test_status_and_verify_of_nothing_are_one_line(tmp_path: Path) -> None:
    for command in ("status", "verify"):
        (line,) = errors(invoke(command, tmp_path / "none.zarr"))
        assert "no store there" in line


def test_verify_of_a_sound_store(tiny: Tiny, tiny_store: Path) -> None:
    report = invoke_json("verify", tiny_store)
    assert report["ok"]
    assert report["n_read"] == report["points"] + report["dropped"] == tiny.points
    assert invoke("verify", tiny_store).stdout.startswith("sound: 5 parts, 5 scenes")


def test_verify_names_part_and_array_of_a_flipped_byte(tiny_store: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.zarr"
    shutil.copytree(tiny_store, out)
    chunks = (out / "parts/00003/coord/c").rglob("*")
    victim = next(path for path in chunks if path.is_file())
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    result = invoke("verify", out)
    assert result.exit_code == 1
    assert any(line.startswith("part 3: coord: ") for line in result.stdout.splitlines())
    assert "fault" in errors(result)[0]
    result = invoke("verify", out, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["ok"] is False
