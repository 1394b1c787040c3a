"""Running tasks here and on a cluster of two real processes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import pytest

from pipelines.execute import Failure, Outcome, run_tasks
from prep.errors import JointcloudError, SourceError
from prep.progress import Silent


class Recorder(Silent):
    def __init__(self) -> None:
        self.steps: list[int] = []
        self.total = 0
        self.ended = 0

    def start(self, task: str, total: int, unit: str) -> None:
        self.total = total

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.steps.append(steps)

    def finish(self) -> None:
        self.ended += 1


@dataclass(frozen=True)
class Job:
    number: int
    fault: str = ""


def work(job: Job) -> tuple[int, int]:
    if job.fault == "user":
        raise SourceError(scene=f"s{job.number}", found="NaN", wanted="a number", remedy="mend it")
    if job.fault == "many":
        raise JointcloudError("first\nsecond")
    if job.fault == "bug":
        raise ZeroDivisionError("a bug")
    if job.fault == "killed":
        os._exit(9)
    return job.number**2, os.getpid()


def run(jobs: list[Job], workers: int, progress: Any = None) -> Outcome[tuple[int, int]]:
    return run_tasks(
        work,
        jobs,
        labels=[f"part {job.number}" for job in jobs],
        sizes=[10 + job.number for job in jobs],
        workers=workers,
        progress=progress or Silent(),
        title="work",
    )


@pytest.mark.parametrize("workers", [0, 1])
def test_one_worker_works_in_this_process(workers: int) -> None:
    outcome = run([Job(k) for k in range(4)], workers)
    assert outcome.reports == [(k * k, os.getpid()) for k in range(4)]
    assert outcome.failures == []


def test_a_failure_leaves_the_others_alone_and_all_are_told() -> None:
    recorder = Recorder()
    jobs = [Job(0), Job(1, "user"), Job(2), Job(3, "many"), Job(4)]
    outcome = run(jobs, 1, recorder)
    assert [report[0] for report in outcome.reports] == [0, 4, 16]
    assert outcome.failures == [
        Failure("part 1", ("s1: found NaN, wanted a number; mend it",)),
        Failure("part 3", ("first", "second")),
    ]
    assert recorder.total == sum(recorder.steps) == 60
    assert recorder.ended == 1


def test_a_bug_passes_with_its_traceback_and_ends_the_progress() -> None:
    recorder = Recorder()
    with pytest.raises(ZeroDivisionError, match="a bug"):
        run([Job(0), Job(1, "bug")], 1, recorder)
    assert recorder.ended == 1


def test_no_task_is_no_cluster() -> None:
    assert run([], 2) == Outcome([], [])


def test_two_processes_give_what_one_gives() -> None:
    jobs = [Job(k, "user" if k == 3 else "many" if k == 5 else "") for k in range(12)]
    here, there = run(jobs, 1), run(jobs, 2)
    assert [r[0] for r in there.reports] == [r[0] for r in here.reports]
    assert there.failures == here.failures
    pids = {r[1] for r in there.reports}
    assert len(pids) == 2
    assert os.getpid() not in pids


def test_a_bug_in_a_worker_passes() -> None:
    with pytest.raises(ZeroDivisionError, match="a bug"):
        run([Job(0), Job(1, "bug"), Job(2)], 2)


def test_a_killed_worker_is_a_failure_with_a_remedy() -> None:
    outcome = run([Job(0), Job(1, "killed"), Job(2)], 2)
    assert [failure.label for failure in outcome.failures] == ["part 1"]
    assert "fewer --workers" in outcome.failures[0].lines[0]
    assert [report[0] for report in outcome.reports] == [0, 4]


def test_workers_that_do_not_start_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import distributed

    def fail(**options: object) -> None:
        raise RuntimeError("Cluster failed to start: no port")

    monkeypatch.setattr(distributed, "LocalCluster", fail)
    with pytest.raises(JointcloudError, match=r"--workers 2: .*no port.*; run the same command"):
        run([Job(1), Job(2)], workers=2)
