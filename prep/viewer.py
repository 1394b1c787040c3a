"""An optional interactive window, for those who have open3d."""

from __future__ import annotations

import os
import sys

import numpy as np
from numpy.typing import NDArray

from prep.errors import JointcloudError

_NO_DISPLAY = (
    "the viewer: found no display to open a window on, wanted one for --view; "
    "work on a desktop or write a picture with --picture OUT.png"
)


def show_cloud(xyz: NDArray[np.floating], rgb: NDArray[np.uint8], title: str) -> None:
    """Open a window with a cloud and wait until it is closed.

    Parameters
    ----------
    xyz : float (n, 3)
        Metres.
    rgb : uint8 (n, 3)
    title : str

    Raises
    ------
    JointcloudError
        open3d or a library that it needs is missing, or there is no display.
    """
    try:
        import open3d
    except (ImportError, OSError) as error:
        raise JointcloudError(
            f"the viewer: cannot import open3d ({error}), wanted for --view; "
            "pip install 'jointcloud[view]' and, on Debian, apt-get install libusb-1.0-0; "
            "or write a picture with --picture OUT.png"
        ) from error
    if not _has_display():  # open3d would draw where nobody sees it, and wait for ever
        raise JointcloudError(_NO_DISPLAY)
    cloud = open3d.geometry.PointCloud()
    cloud.points = open3d.utility.Vector3dVector(np.asarray(xyz, dtype=np.float64))
    cloud.colors = open3d.utility.Vector3dVector(np.asarray(rgb, dtype=np.float64) / 255)
    window = open3d.visualization.Visualizer()
    if not window.create_window(window_name=title):
        raise JointcloudError(_NO_DISPLAY)
    try:
        window.add_geometry(cloud)
        window.run()
    finally:
        window.destroy_window()


def _has_display() -> bool:
    if not sys.platform.startswith("linux"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
