"""Progress on a terminal, in a pipe, and in words."""

from __future__ import annotations

import io

import pytest

from pipelines.progress import Bar, Lines, amount, choose_progress, fraction, size, span
from prep.progress import Progress, Silent


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_come_at_every_tenth_with_time_gone_and_left() -> None:
    stream, clock = io.StringIO(), Clock()
    lines = Lines(stream, clock)
    lines.start("train", 40, "batch")
    for _ in range(40):
        clock.now += 0.5
        lines.advance(note="loss 1.2")
    lines.finish()
    told = stream.getvalue().splitlines()
    assert told[0] == "train: 40 batches"
    assert told[1] == "train: 4/40 batches, 2.0 s gone, about 18 s left, loss 1.2"
    assert told[10] == "train: 40/40 batches, 20 s gone, loss 1.2"
    assert told[11] == "train: done in 20 s"
    assert len(told) == 12


def test_lines_come_at_least_every_ten_seconds() -> None:
    stream, clock = io.StringIO(), Clock()
    lines = Lines(stream, clock)
    lines.start("build", 1000, "room")
    for _ in range(6):
        clock.now += 4
        lines.advance()
    told = stream.getvalue().splitlines()
    assert told[1:] == ["build: 3/1,000 rooms, 12 s gone, about 1 h 6 min left",
                        "build: 6/1,000 rooms, 24 s gone, about 1 h 6 min left"]  # fmt: skip


def test_quick_tasks_tell_begin_and_end_only() -> None:
    stream, clock = io.StringIO(), Clock()
    lines = Lines(stream, clock)
    lines.start("decode", 5, "part")
    for k in range(5):
        clock.now += 0.1
        lines.advance(note=f"part {k}")
    lines.finish()
    assert stream.getvalue().splitlines() == ["decode: 5 parts", "decode: done in 0.5 s, part 4"]


def test_steps_done_by_an_earlier_run_do_not_shorten_the_estimate() -> None:
    stream, clock = io.StringIO(), Clock()
    lines = Lines(stream, clock)
    lines.start("train", 100, "step")
    lines.advance(80)
    clock.now += 10
    lines.advance(5)
    assert stream.getvalue().splitlines()[-1] == ("train: 85/100 steps, 10 s gone, about 30 s left")


def test_the_estimate_follows_a_change_of_pace() -> None:
    stream, clock = io.StringIO(), Clock()
    lines = Lines(stream, clock)
    lines.start("build", 1000, "part")
    for _ in range(500):
        clock.now += 0.1
        lines.advance()
    for _ in range(100):
        clock.now += 10
        lines.advance()
    assert "about 1 h 6 min left" in stream.getvalue().splitlines()[-1]


def test_a_task_that_stops_early_is_not_called_done() -> None:
    stream, clock = io.StringIO(), Clock()
    lines = Lines(stream, clock)
    lines.start("build", 3, "room")
    lines.finish()
    lines.finish()
    assert stream.getvalue().splitlines()[1:] == ["build: stopped after 0.0 s"]


def test_a_task_of_nothing_is_no_division_by_zero() -> None:
    stream = io.StringIO()
    for progress in (Lines(stream), Bar(Terminal()), Silent()):
        progress.start("build", 0, "B")
        progress.advance(0)
        progress.finish()
    assert "done" in stream.getvalue()


def test_the_bar_shows_count_rate_and_note() -> None:
    stream, clock = Terminal(), Clock()
    bar = Bar(stream, clock)
    bar.start("train", 4, "batch")
    clock.now = 4.0
    bar.advance(2, "loss 0.5")
    bar.message("epoch [1] done")
    bar.finish()
    bar.advance(1)
    text = stream.getvalue()
    assert "2/4 batches" in text
    assert "epoch [1] done" in text
    assert "0.5 batches/s" in text
    assert "about 4.0 s left" in text
    assert "loss 0.5" in text


def test_the_choice_follows_the_stream() -> None:
    kinds: list[tuple[Progress, type]] = [
        (choose_progress(quiet=True, stream=Terminal()), Silent),
        (choose_progress(stream=Terminal()), Bar),
        (choose_progress(stream=io.StringIO()), Lines),
    ]
    for progress, kind in kinds:
        assert type(progress) is kind


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 0 s"),
     (3599.6, "1 h 0 min"), (200, "3 min 20 s"), (7500, "2 h 5 min")],
)  # fmt: skip
def test_spans_read_well(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (3.4e6, "3.4 MB"), (5e13, "50.0 TB")],
)
def test_sizes_read_well(n_bytes: float, text: str) -> None:
    assert size(n_bytes) == text


def test_counts_carry_their_unit() -> None:
    assert amount(1234, "room") == "1,234 rooms"
    assert amount(2.5, "room") == "2.5 rooms"
    assert amount(1, "room") == "1 room"
    assert fraction(1500, 3000, "B") == "1.5 kB of 3.0 kB"


def test_units_have_their_plural() -> None:
    said = [amount(2, unit) for unit in ("epoch", "batch", "box", "rooms", "block")]
    assert said == ["2 epochs", "2 batches", "2 boxes", "2 rooms", "2 blocks"]
    assert amount(1, "epoch") == "1 epoch"
