"""Running the tasks of a build, here or on a local cluster, with one and the same function.

A task is one part; tasks know nothing of each other and may run twice. A part whose input is
wrong fails alone: the others are built, and all failures are reported at the end.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from prep.errors import JointcloudError
from prep.progress import Progress

if TYPE_CHECKING:
    from distributed import Client

Task = TypeVar("Task")
Report = TypeVar("Report")
Results: TypeAlias = Generator[tuple[int, "Report | JointcloudError"], None, None]


@dataclass(frozen=True)
class Failure:
    """A part that was not built, and why (one line for each fault)."""

    label: str
    lines: tuple[str, ...]


@dataclass
class Outcome(Generic[Report]):
    """Reports of the tasks that succeeded, in the order of the tasks, and the failures."""

    reports: list[Report] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)


def run_tasks(
    function: Callable[[Task], Report],
    tasks: Sequence[Task],
    *,
    labels: Sequence[str],
    sizes: Sequence[int],
    workers: int,
    progress: Progress,
    title: str,
) -> Outcome[Report]:
    """Run ``function`` on every task.

    Parameters
    ----------
    function : callable
        Of one task; with workers it and the tasks must be picklable. Of its exceptions a
        JointcloudError makes a failure, any other ends the run.
    tasks, labels, sizes : sequences of one length
        What to do, how to call it in messages, and its share of the work in bytes.
    workers : int
        0 or 1 runs here, one task after the other; more starts so many processes.
    progress : Progress
    title : str
        Name of the work for the progress.
    """
    done: dict[int, Report] = {}
    failures: dict[int, Failure] = {}
    workers = min(workers, len(tasks))
    results = _on_cluster(function, tasks, workers) if workers > 1 else _here(function, tasks)
    progress.start(title, sum(sizes), "B")
    try:
        with contextlib.closing(results):
            for index, result in results:
                if isinstance(result, JointcloudError):
                    failures[index] = Failure(labels[index], tuple(str(result).splitlines()))
                else:
                    done[index] = result
                note = f"{len(done) + len(failures)}/{len(tasks)} parts, {labels[index]}"
                progress.advance(sizes[index], note)
    finally:
        progress.finish()
    return Outcome([done[k] for k in sorted(done)], [failures[k] for k in sorted(failures)])


def _here(function: Callable[[Task], Report], tasks: Sequence[Task]) -> Results[Report]:
    for index, task in enumerate(tasks):
        try:
            yield index, function(task)
        except JointcloudError as error:
            yield index, error


def _on_cluster(
    function: Callable[[Task], Report], tasks: Sequence[Task], workers: int
) -> Results[Report]:
    """Run on processes of this machine, spawned, each with one thread."""
    from distributed import KilledWorker, as_completed

    with _local_client(workers) as client:
        keys = [f"part-{index}" for index in range(len(tasks))]
        futures = client.map(function, tasks, key=keys, pure=False)
        order = {future.key: index for index, future in enumerate(futures)}
        try:
            for future in as_completed(futures, loop=client.loop):  # type: ignore[no-untyped-call]  # distributed
                error = future.exception()
                if isinstance(error, KilledWorker):
                    error = JointcloudError(
                        "the worker that built it was killed several times, most likely for lack "
                        "of memory; give fewer --workers or a smaller --recipe part_points"
                    )
                if error is not None and not isinstance(error, JointcloudError):
                    raise error.with_traceback(future.traceback())
                yield order[future.key], error if error is not None else future.result()
                future.release()
        finally:
            client.cancel(futures)  # type: ignore[no-untyped-call]  # distributed


@contextlib.contextmanager
def _local_client(workers: int) -> Iterator[Client]:
    import dask
    from distributed import Client, LocalCluster
    from distributed.system import MEMORY_LIMIT

    settings: dict[str, Any] = {
        "distributed.worker.multiprocessing-method": "spawn",
        "distributed.scheduler.worker-ttl": None,  # a long task is no dead worker
        "distributed.scheduler.worker-saturation": 1.0,  # a killed worker takes one task along
        "distributed.scheduler.allowed-failures": 2,
        "distributed.comm.timeouts.connect": "60s",
    }
    with dask.config.set(settings):
        try:
            with _deaf_to_interrupts():
                cluster = LocalCluster(  # type: ignore[no-untyped-call]  # distributed has no types
                    n_workers=workers,
                    threads_per_worker=1,
                    processes=True,
                    memory_limit=int(MEMORY_LIMIT) // workers,
                    dashboard_address=None,
                    silence_logs=logging.CRITICAL,
                    host="127.0.0.1",
                )
        except RuntimeError as error:
            raise JointcloudError(
                f"--workers {workers}: the worker processes did not start ({error}); run the same "
                "command again, or give fewer --workers or none"
            ) from error
        with (
            cluster,
            Client(cluster, set_as_default=False) as client,  # type: ignore[no-untyped-call]  # as above
        ):
            yield client


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Start processes that leave Ctrl-C, which a terminal sends to all, to this one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
