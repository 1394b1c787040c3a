"""Alignment angles of the non-aligned S3DIS release."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prep.errors import SourceError


def read_angles(group: Path, root: Path) -> dict[str, float]:
    """Read ``GROUP_alignmentAngle.txt``.

    Lines are ``ROOM DEGREES``, parted by blanks or tabs; blank lines and those that begin with
    ``#`` are passed over.

    Returns
    -------
    dict
        Room name → angle in degrees.

    Raises
    ------
    SourceError
        The file is missing, or a line is of another form or names a room twice.
    """
    path = group / f"{group.name}_alignmentAngle.txt"
    file = path.relative_to(root).as_posix()
    if not path.is_file():
        raise SourceError(
            file=file,
            found="no file",
            wanted="the alignment angles of the non-aligned release",
            remedy="leave the reader option align off for the aligned release",
        )
    angles: dict[str, float] = {}
    for number, line in enumerate(path.read_text("utf-8-sig", "replace").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, degrees = ("", *line.rsplit(maxsplit=1))[-2:]
        try:
            angle = float(degrees)
        except ValueError:
            angle = math.nan
        name = name.strip()
        if not name or not math.isfinite(angle) or name in angles:
            raise SourceError(
                file=file,
                line=number,
                found=repr(line.strip()[:70]),
                wanted="ROOM DEGREES, each room once",
                remedy="mend the line",
            )
        angles[name] = angle
    return angles


def rotate_z(xyz: NDArray[np.float64], angle_deg: float) -> NDArray[np.float64]:
    """Turn points clockwise, seen from above, about the centre of their bounding box.

    Parameters
    ----------
    xyz : float64 (n, 3)
        Metres; n >= 1.
    angle_deg : float
        Multiples of 90 turn without rounding of the sine and cosine.

    Returns
    -------
    float64 (n, 3)
    """
    quarter, rest = divmod(angle_deg, 90.0)
    if rest == 0.0:
        cos, sin = ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0))[int(quarter) % 4]
    else:
        cos, sin = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    center = (xyz.min(axis=0) + xyz.max(axis=0)) / 2
    x, y = (xyz - center)[:, :2].T
    turned = xyz.copy()
    turned[:, 0] = center[0] + cos * x + sin * y
    turned[:, 1] = center[1] - sin * x + cos * y
    return turned
