"""A tiny building, its catalogue and its store, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipelines.commands import Tiny, invoke
from tests.pipelines.raw import CATALOG, write_building


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    folder = tmp_path_factory.mktemp("tiny")
    points = write_building(folder / "raw", {"Area_1": 2, "Area_2": 2, "Area_3": 1})
    (folder / "tiny.yaml").write_text(CATALOG)
    return Tiny(folder / "raw", folder / "tiny.yaml", points)


@pytest.fixture(scope="session")
def tiny_store(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("store") / "tiny.zarr"
    assert invoke(*tiny.build(out)).exit_code == 0
    return out
