"""Running the command line inside a test."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from pipelines.cli import main


@dataclass(frozen=True)
class Tiny:
    """Raw rooms, the catalogue that describes them, and their number of points."""

    raw: Path
    catalog: Path
    points: int

    def build(self, out: Path, *more: str, raw: Path | None = None) -> list[str]:
        """Return the command that builds the rooms."""
        paths = {"--catalog": self.catalog, "--root": raw or self.raw, "--out": out}
        return ["build", "tiny", *(str(v) for pair in paths.items() for v in pair), *more]


def invoke(*arguments: str | Path) -> Result:
    """Run a command; exceptions that are not exits pass."""
    return CliRunner().invoke(main, [str(a) for a in arguments], catch_exceptions=False)


def invoke_json(*arguments: str | Path) -> Any:
    """Run a command that succeeds with ``--json`` and return what it prints, which is only JSON."""
    result = invoke(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def errors(result: Result) -> list[str]:
    """Return the error lines of a command that failed with code 1."""
    assert result.exit_code == 1, result.output
    return [line for line in result.stderr.splitlines() if line.startswith("error: ")]


def tree(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
