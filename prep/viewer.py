"""An optional interactive window, for those who have open3d."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prep.errors import JointcloudError


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
    cloud = open3d.geometry.PointCloud()
    cloud.points = open3d.utility.Vector3dVector(np.asarray(xyz, dtype=np.float64))
    cloud.colors = open3d.utility.Vector3dVector(np.asarray(rgb, dtype=np.float64) / 255)
    window = open3d.visualization.Visualizer()
    if not window.create_window(window_name=title):
        raise JointcloudError(
            "the viewer: found no display to open a window on, wanted one for --view; "
            "work on a desktop or write a picture with --picture OUT.png"
        )
    try:
        window.add_geometry(cloud)
        window.run()
    finally:
        window.destroy_window()
