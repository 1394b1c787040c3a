"""The viewer hands the right geometry to the real open3d, which opens no window here.

open3d brings its own threads and libraries along: it runs in a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import lacks

ROOT = Path(__file__).parents[2]

SHOW = """
import json, sys
import numpy as np
try:
    import open3d
except (ImportError, OSError) as error:
    print(error)
    sys.exit(3)

class Window:
    def create_window(self, window_name):
        seen["title"] = window_name
        return sys.argv[1] == "opens"
    def add_geometry(self, cloud):
        seen["points"] = np.asarray(cloud.points).tolist()
        seen["colors"] = np.asarray(cloud.colors).tolist()
    def run(self):
        seen["run"] = True
    def destroy_window(self):
        seen["closed"] = True

seen = {}
open3d.visualization.Visualizer = Window
from prep.errors import JointcloudError
from prep.viewer import show_cloud
xyz = np.array([[1.5, -2.0, 0.25], [1e6 + 0.125, 3.0, 4.0]])
rgb = np.array([[255, 0, 51], [0, 102, 204]], np.uint8)
try:
    show_cloud(xyz, rgb, "office")
except JointcloudError as error:
    seen["error"] = str(error)
print(json.dumps(seen))
"""


def show(window: str, display: str) -> dict[str, object]:
    environment = {k: v for k, v in os.environ.items() if k != "WAYLAND_DISPLAY"}
    result = subprocess.run(
        [sys.executable, "-c", SHOW, window],
        cwd=ROOT,
        env={**environment, "DISPLAY": display, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if result.returncode == 3:
        lacks(
            f"open3d that can be imported ({result.stdout.strip()})",
            "pip install 'jointcloud[view]' and apt-get install libusb-1.0-0 libgl1 libx11-6",
        )
    assert result.returncode == 0, result.stderr
    seen: dict[str, object] = json.loads(result.stdout.splitlines()[-1])
    return seen


def test_points_and_colours_reach_the_window() -> None:
    seen = show("opens", ":7")
    assert seen["points"] == [[1.5, -2.0, 0.25], [1e6 + 0.125, 3.0, 4.0]]
    assert seen["colors"] == [pytest.approx([1, 0, 0.2]), pytest.approx([0, 0.4, 0.8])]
    assert (seen["title"], seen["run"], seen["closed"]) == ("office", True, True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="displays are named on Linux")
@pytest.mark.parametrize(("window", "display"), [("opens", ""), ("fails", ":7")])
def test_without_a_display_there_is_an_error_and_no_waiting(window: str, display: str) -> None:
    seen = show(window, display)
    assert "found no display" in str(seen["error"])
    assert "--picture OUT.png" in str(seen["error"])
    assert "run" not in seen
