"""SIGKILL at several moments of a build: the next build gives the bytes of an undisturbed one."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pipelines.commands import Tiny, invoke, invoke_json, tree

COMMAND = [sys.executable, "-c", "from pipelines.cli import main; main()"]
PATIENCE_S = 240


def committed(store: Path) -> int:
    return len(list(store.glob("parts/*/commit/zarr.json")))


def kill_when(command: list[str], store: Path, parts: int, delay_s: float) -> int:
    """Start a build, kill it once so many parts are committed; return how many there were then."""
    process = subprocess.Popen(
        [*COMMAND, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        begin = time.monotonic()
        while not (store / "zarr.json").exists() or committed(store) < parts:
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() - begin < PATIENCE_S
            time.sleep(0.001)
        time.sleep(delay_s)
    finally:
        process.kill()
        process.communicate()
    return committed(store)


def test_a_build_killed_again_and_again_ends_with_the_same_bytes(
    tiny: Tiny, tiny_store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "s.zarr"
    moments = random.Random(0)
    for parts in (0, 1, 2, 4, 5):
        kill_when(tiny.build(out), out, parts, moments.uniform(0, 0.03))
    done = committed(out)
    state = invoke_json("status", out)
    assert (state["done"], state["n_parts"]) == (done, 5)
    summary = invoke_json(*tiny.build(out))
    assert summary["kept"] >= done - 1  # the last one may lack objects only if it was being redone
    assert tree(out) == tree(tiny_store)
    assert invoke("verify", out).exit_code == 0


@pytest.mark.parametrize("parts", [1, 3])
def test_a_build_on_two_workers_killed_ends_with_the_same_bytes(
    tiny: Tiny, tiny_store: Path, tmp_path: Path, parts: int
) -> None:
    out = tmp_path / "s.zarr"
    kill_when(tiny.build(out, "--workers", "2"), out, parts, 0.0)
    summary = invoke_json(*tiny.build(out, "--workers", "2" if parts == 1 else "0"))
    assert summary["finished"]
    assert tree(out) == tree(tiny_store)
