"""What all commands have in common."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest

from pipelines.cli import COMMANDS, main
from pipelines.cli.options import parse_settings
from pipelines.cli.output import echo_table, to_plain
from prep.errors import OptionError, StoreError
from tests.pipelines.commands import errors, invoke

NAMES = [command.name for command in COMMANDS]


def test_the_commands_are_those_of_the_contract() -> None:
    assert NAMES == [
        "demo", "catalog", "build", "status", "inspect", "verify", "train", "evaluate", "predict",
        "report",
    ]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_every_help_is_a_sentence_with_an_example(command: click.Command) -> None:
    result = invoke(str(command.name), "--help")
    assert result.exit_code == 0
    assert "Example:\n" in result.stdout
    assert f"  jointcloud {command.name}" in result.stdout.split("Example:")[1]
    assert "--json" in result.stdout
    assert (command.help or "").split("\n")[0].rstrip().endswith(".")
    assert command.short_help


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_every_option_has_help(command: click.Command) -> None:
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{command.name} {parameter.opts}"


def test_the_group_lists_all_commands_whole() -> None:
    result = invoke("-h")
    for command in COMMANDS:
        assert f"  {command.name} " in result.stdout
    assert "..." not in result.stdout.split("Commands:")[1]


def test_the_version() -> None:
    result = invoke("--version")
    assert result.stdout.startswith("jointcloud, version ")


def test_an_unknown_command_or_option_is_a_usage_error() -> None:
    assert invoke("bild").exit_code == 2
    assert invoke("status", "x.zarr", "--jsn").exit_code == 2
    assert invoke("build", "s3dis").exit_code == 2


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys, pipelines.cli\n"
        "heavy = {'torch', 'dask', 'distributed', 'numba', 'zarr', 'numpy', 'rich', 'yaml'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_fault_of_the_input_is_a_line_a_fault_of_the_program_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(path: Path) -> None:
        raise StoreError("first\nsecond") if path.name == "user" else ZeroDivisionError("bug")

    monkeypatch.setattr("prep.store.store_status", fail)
    result = invoke("status", "user")
    assert errors(result) == ["error: first", "error: second"]
    assert result.stdout == ""
    with pytest.raises(ZeroDivisionError):
        invoke("status", "program")


def test_settings_are_numbers_words_and_lists() -> None:
    pairs = ("a=1", "b=0.5", "c=[0.2, 0.3]", "d=word", "e=1e-4", "f=2e6", "g=true", "h=a=b", "i=")
    assert parse_settings(pairs, "--set") == {
        "a": 1, "b": 0.5, "c": [0.2, 0.3], "d": "word", "e": 1e-4, "f": 2e6, "g": True, "h": "a=b",
        "i": None,
    }  # fmt: skip


def test_all_wrong_settings_are_told_at_once() -> None:
    with pytest.raises(OptionError) as caught:
        parse_settings(("a", "b=1", "b=2", "c=[1", "d=.inf", "e=[1.0, .nan]"), "--recipe")
    message = str(caught.value)
    for part in (
        "'a' is not key=value",
        "b is given twice",
        "'c=[1'",
        "'d=.inf'",
        "'e=[1.0, .nan]'",
    ):
        assert part in message
    assert message.startswith("--recipe: ")


def test_json_holds_only_what_json_knows() -> None:
    value = {
        "a": np.float32(0.5), "b": float("nan"), "c": (np.int64(3), Path("x")), 4: np.arange(2)
    }  # fmt: skip
    assert json.loads(json.dumps(to_plain(value))) == {
        "a": 0.5, "b": None, "c": [3, "x"], "4": [0, 1]
    }  # fmt: skip


def test_tables_align_numbers_to_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    echo_table(("name", "points"), [("a", 1), ("long name", 12345), ("b", None)])
    assert capsys.readouterr().out == (
        "name       points\na               1\nlong name  12,345\nb               -\n"
    )


def test_a_table_without_rows_is_its_head(capsys: pytest.CaptureFixture[str]) -> None:
    echo_table(("name", "points"), [])
    assert capsys.readouterr().out == "name  points\n"


def test_the_group_has_no_other_commands() -> None:
    assert sorted(main.commands) == sorted(str(name) for name in NAMES)


def test_demo_passes_its_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import pipelines.demo

    seen: dict[str, object] = {}

    def run(out: Path, **options: object) -> dict[str, object]:
        seen.update(options, out=out)
        return {"report": out / "r.html"}

    monkeypatch.setattr(pipelines.demo, "run_demo", run)
    command = ["demo", "--out", str(tmp_path), "--seed", "3", "--workers", "2", "--quick", "-q"]
    assert json.loads(invoke(*command, "--json").stdout) == {"report": str(tmp_path / "r.html")}
    assert seen.pop("progress") is not None
    assert seen == {"out": tmp_path, "seed": 3, "workers": 2, "quick": True}


@pytest.mark.parametrize(
    ("fault", "code", "line"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device"),
            1,
            "error: No space left on device; make",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "/a"),
            1,
            "error: /a: Permission denied;",
        ),
        (KeyboardInterrupt(), 130, "interrupted; run the same command again"),
    ],
)
def test_faults_of_the_machine_are_one_line(
    monkeypatch: pytest.MonkeyPatch, fault: BaseException, code: int, line: str
) -> None:
    import pipelines.demo

    def run(*args: object, **options: object) -> None:
        raise fault

    monkeypatch.setattr(pipelines.demo, "run_demo", run)
    result = invoke("demo", "-q")
    assert result.exit_code == code
    assert result.stderr.startswith(line)
    assert len(result.stderr.splitlines()) == 1
