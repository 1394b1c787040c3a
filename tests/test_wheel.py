"""The wheel: what is in it, and that it works away from the repository.

Some seconds: it is built and installed for real, without build isolation and without an index.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.needs import lacks

ROOT = Path(__file__).parents[1]


def run(*command: str | Path, cwd: Path, path: Path | None = None) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    words = [sys.executable, *map(str, command)]
    result = subprocess.run(
        words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("hatchling") is None:
        lacks("hatchling", "pip install 'jointcloud[test]'")
    out = tmp_path_factory.mktemp("wheel")
    run("-m", "hatchling", "build", "-t", "wheel", "-d", out, cwd=ROOT)
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    pip = ("-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    run(*pip, "--no-index", "--no-deps", "--no-compile", "--target", target, wheel, cwd=target)
    return target


def test_it_holds_the_packages_the_catalogue_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    (info,) = [top for top in tops if top.endswith(".dist-info")]
    assert tops == {"prep", "models", "pipelines", info}
    assert f"{info}/licenses/LICENSE" in names
    code = {name for name in names if not name.startswith(info)}
    sources = {
        path.relative_to(ROOT).as_posix()
        for package in ("prep", "models", "pipelines")
        for path in (ROOT / package).rglob("*.py")
    }
    assert code == sources | {"pipelines/catalog.yaml"}


def test_the_command_works_in_any_folder(installed: Path, tmp_path: Path) -> None:
    command = installed / "bin" / "jointcloud"
    entry = json.loads(run(command, "catalog", "s3dis", "--json", cwd=tmp_path, path=installed))
    assert Path(entry["file"]) == installed / "pipelines" / "catalog.yaml"
    assert len(entry["levels"][0]["classes"]) == 13
    assert "s3dis" in run(command, "catalog", cwd=tmp_path, path=installed)
    assert list(tmp_path.iterdir()) == []
