"""The report of a run: one file, all sections, nothing from outside, nothing unescaped."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from pipelines import report_scenes
from pipelines.render import View
from pipelines.report import write_report
from prep.errors import OptionError, StoreError
from prep.labels import ClassInfo, Labels, Level
from prep.store import open_store
from tests.pipelines.fake_run import LABELS, add_evaluation, write_run
from tests.tiny_store import build_tiny_store


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_scenes, "VIEW", View(width=90, height=70))


VOID = {"meta", "img", "br", "link", "input", "hr"}


class _Page(HTMLParser):
    """Checks that tags are balanced and collects what a browser would load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [v or "" for k, v in attrs if k in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def test_both_protocols_with_pictures(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    for protocol in ("paper", "full"):
        add_evaluation(run, protocol, scenes=("Area_5/office_1", "Area_5/office_2"))
    path = write_report(run.folder)
    assert path == tmp_path / "run" / "report.html"
    text = path.read_text(encoding="utf-8")
    page = _Page(text)
    full = json.loads(run.evaluation("full").read_text())
    mean, base = 100 * full["mean"]["mIoU"], 100 * full["baseline"]["mIoU"]
    assert mean > base + 10
    for wanted in (
        "asis on building, fold area5",
        "Scores, protocol full",
        "Scores, protocol paper",
        f"{mean:.1f}",
        f"{mean - base:+.1f} over baseline",
        "“wall”",
        "Area_5/office_1",
        "instances, predicted",
        "By class, protocol full",
        "After epoch 3: loss 1.000",
        "paper: clustering",
        "jointcloud train asis --store gone.zarr --fold area5 --epochs 3",
        "--lr 0.001 --decay-samples 300000",
        "--out gone.zarr --recipe n_points=1024",
        "The store is no longer at gone.zarr",
    ):
        assert wanted in page.text, wanted
    assert all(s.startswith("data:image/png;base64,") for s in page.sources)
    assert len(page.sources) == 2 * 6 + 2 + 1
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert not re.search(r"url\(|@import|https?://", text)


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    add_evaluation(run, "full", scenes=("A/b",), points=1500)
    first = write_report(run.folder, tmp_path / "new" / "one.html").read_bytes()
    assert write_report(run.folder, tmp_path / "two.html").read_bytes() == first


def test_many_scenes_show_the_best_the_middle_and_the_worst(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    names = tuple(f"A/room_{k}" for k in range(5))
    add_evaluation(run, "full", scenes=names, points=1200)
    for k, name in enumerate(names):  # room_0 is right everywhere, room_4 nowhere
        path = run.prediction("full", name)
        with np.load(path) as file:
            arrays = dict(file)
        wrong = np.arange(1200) < 300 * k
        arrays["semantic"] = np.where(wrong, 12 - arrays["semantic_true"], arrays["semantic_true"])
        np.savez(path, **arrays)
    text = _Page(write_report(run.folder).read_text(encoding="utf-8")).text
    assert [name for name in names if name in text] == ["A/room_0", "A/room_2", "A/room_4"]
    assert "The best, the middle and the worst of 5 test scenes, protocol full" in text


def test_unevaluated_and_untrained_runs_have_a_report(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", epochs=1)
    text = _Page(write_report(run.folder).read_text(encoding="utf-8")).text
    assert "This run is not evaluated yet" in text
    run.history_path.unlink()
    text = _Page(write_report(run.folder).read_text(encoding="utf-8")).text
    assert "No epoch is finished yet" in text


def test_undefined_scores_are_dashes(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    add_evaluation(run, "paper", scenes=("A/b",), points=1200, zero_division="nan")
    undefined = json.loads(run.evaluation("paper").read_text())["undefined"]
    assert "Cov of sofa" in undefined  # this office has none
    text = write_report(run.folder).read_text(encoding="utf-8")
    assert re.search(r"<td>sofa</td>(<td>[^<]*</td>)*<td>–</td>", text)
    assert re.search(r"Cov of [^;]*\bsofa\b", text)
    assert "are NaN, and so are their means" in text


def test_names_are_escaped(tmp_path: Path) -> None:
    evil = "<script>alert('x')</script>&"
    classes = LABELS.levels[0].classes
    labels = Labels(
        (Level("object", (*classes[:2], replace(classes[2], name=evil), *classes[3:])),)
    )
    run = write_run(tmp_path / "run", labels=labels, dataset=evil, store=evil)
    add_evaluation(run, "full", scenes=("A/<img src=x>",), points=1200)
    page = _Page(write_report(run.folder).read_text(encoding="utf-8"))
    assert "script" not in page.tags
    assert evil in page.text
    assert "A/<img src=x>" in page.text
    assert all(s.startswith("data:") for s in page.sources)


def test_the_store_is_described(tmp_path: Path) -> None:
    store = build_tiny_store(tmp_path)
    opened = open_store(store)
    log = store.with_name(store.name + ".log.jsonl")
    log.write_text('{"seconds": {"read": 1.25}}\n{"seconds": {"read": 2.0, "cut": 3.0}}\n{"sec')
    run = write_run(
        tmp_path / "run",
        labels=opened.labels,
        dataset="tiny",
        fold="b",
        store=str(store),
        digest=opened.digest,
    )
    page = _Page(write_report(run.folder).read_text(encoding="utf-8"))
    assert f"{int(opened.scenes.rows.sum()):,}" in page.text
    assert "Training side of fold b" in page.text
    assert "within 0.2 m" in page.text
    assert "read3.2" in page.text
    assert len(page.sources) == 1 + 1 + 2
    assert "not the store" not in page.text


def test_another_store_is_told(tmp_path: Path) -> None:
    store = build_tiny_store(tmp_path)
    labels = Labels((Level("class", (ClassInfo(0, "floor", (1, 2, 3)),)),))
    run = write_run(tmp_path / "run", labels=labels, dataset="tiny", fold="none")
    text = write_report(run.folder, store=store).read_text(encoding="utf-8")
    assert "This is not the store that the run was trained on" in text


def test_faults_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"found no config\.json") as error:
        write_report(tmp_path / "nowhere")
    assert "\n" not in str(error.value)
    run = write_run(tmp_path / "run")
    with pytest.raises(StoreError):
        write_report(run.folder, store=tmp_path / "no.zarr")
    add_evaluation(run, "full", scenes=("A/b",), points=1200)
    run.prediction("full", "A/b").write_bytes(b"PK no")
    with pytest.raises(OptionError, match=r"b\.npz: cannot be read .* evaluate the run again"):
        write_report(run.folder)
    run.evaluation("full").write_text("{")
    with pytest.raises(OptionError, match=r"full\.json: cannot be read"):
        write_report(run.folder)
    run.evaluation("full").write_text("{}")
    with pytest.raises(OptionError, match="found no baseline, class_names, confusion"):
        write_report(run.folder)
    assert not (run.folder / "report.html").exists()
