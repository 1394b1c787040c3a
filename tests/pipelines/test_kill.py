"""SIGKILL at several moments of a build: the next build gives the bytes of an undisturbed one."""

from __future__ import annotations

import os
import random
import signal
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


def stop_when(
    command: list[str], store: Path, parts: int, *, delay_s: float = 0.0, how: int = signal.SIGKILL
) -> tuple[int, str]:
    """Start a build and stop it, with all its processes if by Ctrl-C, at so many parts.

    Returns its exit status and what it wrote to stderr.
    """
    process = subprocess.Popen(
        [*COMMAND, *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        begin = time.monotonic()
        while not (store / "zarr.json").exists() or committed(store) < parts:
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() - begin < PATIENCE_S
            time.sleep(0.001)
        time.sleep(delay_s)
        if how == signal.SIGINT:
            os.killpg(process.pid, how)
        else:
            process.send_signal(how)
        said = process.communicate(timeout=PATIENCE_S)[1]
    finally:
        process.kill()
        process.wait()
    return process.returncode, said


def test_a_build_killed_again_and_again_ends_with_the_same_bytes(
    tiny: Tiny, tiny_store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "s.zarr"
    moments = random.Random(0)
    for parts in (0, 1, 2, 4, 5):
        stop_when(tiny.build(out), out, parts, delay_s=moments.uniform(0, 0.03))
    done = committed(out)
    state = invoke_json("status", out)
    assert (state["done"], state["n_parts"]) == (done, 5)
    summary = invoke_json(*tiny.build(out))
    assert summary["kept"] == done
    assert tree(out) == tree(tiny_store)
    assert invoke("verify", out).exit_code == 0


@pytest.mark.parametrize("parts", [1, 3])
def test_a_build_on_two_workers_killed_ends_with_the_same_bytes(
    tiny: Tiny, tiny_store: Path, tmp_path: Path, parts: int
) -> None:
    out = tmp_path / "s.zarr"
    stop_when(tiny.build(out, "--workers", "2"), out, parts)
    summary = invoke_json(*tiny.build(out, "--workers", "2" if parts == 1 else "0"))
    assert summary["finished"]
    assert tree(out) == tree(tiny_store)


@pytest.mark.parametrize("workers", ["0", "2"])
def test_ctrl_c_ends_without_a_traceback_and_can_go_on(
    tiny: Tiny, tiny_store: Path, tmp_path: Path, workers: str
) -> None:
    out = tmp_path / "s.zarr"
    code, said = stop_when(tiny.build(out, "--workers", workers), out, 1, how=signal.SIGINT)
    if code:  # else it was done before the signal arrived
        assert code == 130
        assert "interrupted; run the same command again" in said
    assert "Traceback" not in said
    assert not invoke_json("status", out)["locked"]
    assert invoke_json(*tiny.build(out))["kept"] >= 1
    assert tree(out) == tree(tiny_store)
