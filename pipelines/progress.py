"""Progress for people: a bar with an estimate on a terminal, plain lines when piped.

Both write to stderr only; stdout belongs to results.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

from prep.progress import Progress, Silent

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

EVERY_S = 10.0
LEAST_S = 1.0
TENTHS = 10
WINDOW_S = 60.0
NO_TIME_S = 0.2


def choose_progress(*, quiet: bool = False, stream: TextIO | None = None) -> Progress:
    """Return silence, a bar (``stream`` is a terminal) or plain lines; default stderr."""
    if quiet:
        return Silent()
    stream = stream or sys.stderr
    return Bar(stream) if stream.isatty() else Lines(stream)


class Lines:
    """Tells a plain line at every tenth of a task, but once to ten times in ten seconds.

    Parameters
    ----------
    stream : text stream
    clock : callable
        Seconds, monotonic.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._task, self._unit, self._total, self._done = "", "", 0, 0
        self._began = self._told = 0.0
        self._told_tenth, self._note = 0, ""
        self._pace = _Pace(0.0, 0)
        self._open = False

    def start(self, task: str, total: int, unit: str) -> None:
        """Begin ``task``."""
        self._task, self._total, self._unit, self._done = task, total, unit, 0
        self._began = self._told = self._clock()
        self._told_tenth, self._note = 0, ""
        self._pace = _Pace(self._began, total)
        self._open = True
        self.message(f"{task}: {amount(total, unit)}")

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count ``steps``; tell a line where a tenth or ten seconds have passed."""
        self._done += steps
        now = self._clock()
        self._pace.note(now, self._done)
        tenth = self._done * TENTHS // self._total if self._total else TENTHS
        self._note = note
        quiet = now - self._told
        if quiet < EVERY_S and (tenth == self._told_tenth or quiet < LEAST_S):
            return
        self._told, self._told_tenth = now, tenth
        spent = now - self._began
        line = f"{self._task}: {fraction(self._done, self._total, self._unit)}, {span(spent)} gone"
        left = self._pace.left(now)
        if left and left > 0:
            line += f", about {span(left)} left"
        self._note = ""
        self.message(f"{line}, {note}" if note else line)

    def finish(self) -> None:
        """End the task and tell its time."""
        if self._open:
            end = "done in" if self._done >= self._total else "stopped after"
            line = f"{self._task}: {end} {span(self._clock() - self._began)}"
            self.message(f"{line}, {self._note}" if self._note else line)
        self._open = False

    def message(self, text: str) -> None:
        """Write one line."""
        print(text, file=self._stream, flush=True)


class Bar:
    """A bar with rate, time gone and an estimate of the time left, drawn by rich.

    Parameters
    ----------
    stream : text stream
        A terminal.
    clock : callable
        Seconds, monotonic.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.console import Console

        self._clock = clock
        self._console = Console(file=stream, stderr=True)
        self._bars: Bars | None = None
        self._id: TaskID | None = None
        self._unit, self._total, self._done = "", 0, 0
        self._pace = _Pace(0.0, 0)

    def start(self, task: str, total: int, unit: str) -> None:
        """Begin ``task`` and draw its bar."""
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bars

        self.finish()
        self._bars = Bars(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[count]}"),
            TextColumn("{task.fields[rate]}", style="dim"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            TextColumn("{task.fields[note]}", style="dim"),
            console=self._console,
        )
        self._unit, self._total, self._done = unit, total, 0
        self._pace = _Pace(self._clock(), total)
        self._bars.start()
        first: dict[str, Any] = {
            "count": fraction(0, total, unit),
            "rate": "",
            "left": "",
            "note": "",
        }
        self._id = self._bars.add_task(task, total=total or None, **first)

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Move the bar by ``steps``."""
        if self._bars is None or self._id is None:
            return
        self._done += steps
        now = self._clock()
        self._pace.note(now, self._done)
        rate, left = self._pace.rate(now), self._pace.left(now)
        self._bars.update(
            self._id,
            advance=steps,
            count=fraction(self._done, self._total, self._unit),
            rate=f"{amount(rate, self._unit)}/s" if rate else "",
            left=f"about {span(left)} left" if left and left > 0 else "",
            note=note,
        )

    def finish(self) -> None:
        """End the task; its bar stays on the screen."""
        if self._bars is not None:
            self._bars.stop()
        self._bars = self._id = None

    def message(self, text: str) -> None:
        """Write one line above the bar."""
        self._console.print(text, markup=False, highlight=False)


def span(seconds: float) -> str:
    """Return a time in its two largest units: ``0.4 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def size(n_bytes: float) -> str:
    """Return bytes in decimal units: ``512 B``, ``3.4 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} TB"


def amount(count: float, unit: str) -> str:
    """Return a count with its unit in the plural; the unit ``B`` is scaled."""
    if unit == "B":
        return size(count)
    number = f"{count:,.1f}" if isinstance(count, float) and count < 100 else f"{count:,.0f}"
    return f"{number} {_many(count, unit)}"


def fraction(done: int, total: int, unit: str) -> str:
    """Return ``done/total units``; the unit ``B`` is scaled."""
    if unit == "B":
        return f"{size(done)} of {size(total)}"
    return f"{done:,}/{total:,} {_many(total, unit)}"


def _many(count: float, unit: str) -> str:
    if count == 1 or unit.endswith("s"):
        return unit
    return f"{unit}es" if unit.endswith(("tch", "x")) else f"{unit}s"


class _Pace:
    """Estimates the time left from the last minute of work.

    Steps that took no time, such as what an earlier run did already, do not count.
    """

    def __init__(self, now: float, total: int) -> None:
        self._total, self._done = total, 0
        self._marks: deque[tuple[float, int]] = deque([(now, 0)])

    def note(self, now: float, done: int) -> None:
        """Tell that ``done`` steps are done."""
        self._done = done
        began, given = self._marks[0]
        if len(self._marks) == 1 and now - began < NO_TIME_S and given == 0:
            self._marks[0] = (began, done)
        elif now - self._marks[-1][0] >= WINDOW_S / 60:
            self._marks.append((now, done))
        while len(self._marks) > 1 and now - self._marks[1][0] >= WINDOW_S:
            self._marks.popleft()

    def rate(self, now: float) -> float:
        """Return steps a second, 0 where unknown."""
        since, done = self._marks[0]
        return (self._done - done) / (now - since) if now > since else 0.0

    def left(self, now: float) -> float | None:
        """Return the seconds left, None where unknown."""
        rate = self.rate(now)
        return (self._total - self._done) / rate if rate > 0 else None
