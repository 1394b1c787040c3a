"""The report as a browser shows it: chromium, without a window and without a network.

A second or two for each start of the browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from pipelines.report import write_report
from tests.needs import lacks
from tests.pipelines.fake_run import add_evaluation, write_run

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--host-resolver-rules=MAP * ~NOTFOUND",  # the browser itself likes to call home
    *("--hide-scrollbars", "--enable-logging=stderr", "--virtual-time-budget=5000"),
)

#: Leaves in the page's title what only a browser knows: how wide things came out.
MEASURE = """<script>addEventListener("load", () => {
  const images = [...document.images];
  document.title = JSON.stringify({
    page: document.documentElement.scrollWidth,
    window: document.documentElement.clientWidth,
    images: images.length,
    fetched: performance.getEntriesByType("resource").map(e => e.name).filter(
      name => !name.startsWith("data:")
    ),
    broken: images.filter(i => !i.naturalWidth || i.width < 40).length,
    outside: [...document.querySelectorAll("main *")].filter(
      e => !e.closest(".wide") && e.getBoundingClientRect().right > innerWidth + 1
    ).map(e => e.tagName + "." + e.className),
  });
});</script>"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    run = write_run(folder / "run")
    for protocol in ("paper", "full"):
        add_evaluation(run, protocol, scenes=("Area_5/office_1", "Area_5/hall <1>"), points=2000)
    return write_report(run.folder)


def browse(page: Path, work: Path, *more: str) -> subprocess.CompletedProcess[str]:
    chromium = shutil.which("chromium")
    if chromium is None:
        lacks("chromium", "apt-get install chromium")
    command = [chromium, *FLAGS, f"--user-data-dir={work / 'profile'}", *more, page.as_uri()]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return result


def test_the_page_is_drawn_without_complaints(report: Path, tmp_path: Path) -> None:
    shot = tmp_path / "page.png"
    result = browse(report, tmp_path, f"--screenshot={shot}", "--window-size=1280,2400")
    assert "CONSOLE" not in result.stderr
    image = imread(shot)[:, :, :3]
    assert image.shape == (2400, 1280, 3)
    lines = image.reshape(2400, -1)
    drawn = np.flatnonzero(np.ptp(lines, axis=1) > 0.2)  # lines with ink on them
    assert drawn.min() < 120
    assert drawn.max() > 1800
    colored = np.ptp(image, axis=2) > 0.15
    assert 0.02 < colored.mean() < 0.8  # the rooms are in colour, the page is not


@pytest.mark.parametrize("width", [1280, 700])
def test_nothing_is_fetched_and_nothing_sticks_out(
    report: Path, tmp_path: Path, width: int
) -> None:
    page = tmp_path / "measured.html"
    text = report.read_text(encoding="utf-8")
    page.write_text(text.replace("</head>", MEASURE + "</head>"), encoding="utf-8")
    dom = browse(page, tmp_path, "--dump-dom", f"--window-size={width},1200").stdout
    title = re.search(r"<title>(.*?)</title>", dom)
    assert title is not None
    seen = json.loads(title[1])
    assert seen["window"] == width
    assert seen["outside"] == []
    assert seen["page"] <= width
    assert seen["broken"] == 0
    assert seen["fetched"] == []
    assert seen["images"] >= 2 * 6 + 3  # six views of each scene, two matrices, the curves


def test_on_paper_the_pictures_stay_side_by_side(report: Path, tmp_path: Path) -> None:
    pdf = tmp_path / "page.pdf"
    browse(report, tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={pdf}")
    pages = re.findall(rb"/Type /Page\b", pdf.read_bytes())
    assert 3 <= len(pages) <= 11  # 8; one picture below the other makes 19
