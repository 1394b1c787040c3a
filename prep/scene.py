"""A scene (one room, scan or shape) in memory, and the defects met while reading it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

OnDefect = Literal["repair", "fail", "skip"]


@dataclass(frozen=True)
class Defect:
    """One thing that was wrong in a raw file and what was done about it.

    ``rule`` is the short name of the repair rule, ``line`` is 1-based (0: the whole file),
    ``dropped`` is the number of input points that the repair left out.
    """

    scene: str
    file: str
    line: int
    rule: str
    found: str
    repair: str
    dropped: int = 0


@dataclass(frozen=True)
class SceneSource:
    """Where one scene comes from: paths and sizes, never arrays (this is what a plan holds).

    ``files`` are POSIX paths relative to ``root``, sorted; ``options`` are the reader's own
    (plain JSON values).
    """

    name: str
    group: str
    root: str
    files: tuple[str, ...]
    n_bytes: int
    options: dict[str, object] = field(default_factory=dict)

    def path(self, file: str) -> Path:
        """Return the absolute path of one of ``files``."""
        return Path(self.root) / file


@dataclass(frozen=True)
class Scene:
    """All points of one scene, in the order of its source.

    Attributes
    ----------
    name, group : str
        Unique name in the data set (``Area_5/office_1``) and its group (``Area_5``).
    xyz : float64 (n, 3)
        Metres, in the source's world frame.
    color : uint8 (n, 3) or None
    normal : float32 (n, 3) or None
    semantic : int16 (n, L)
        Class id of each level, −1 unlabelled.
    instance : int32 (n, L)
        Instance id of each level, unique in the scene, −1 none.
    source : int64 (n,)
        Row of the point among all rows of the source (files in sorted order), before drops.
    n_read : int
        Rows met in the source: ``n_read == n + sum(d.dropped for d in defects)``.
    defects : tuple of Defect
    """

    name: str
    group: str
    xyz: NDArray[np.float64]
    color: NDArray[np.uint8] | None
    normal: NDArray[np.float32] | None
    semantic: NDArray[np.int16]
    instance: NDArray[np.int32]
    source: NDArray[np.int64]
    n_read: int
    defects: tuple[Defect, ...] = ()

    @property
    def n_points(self) -> int:
        """Number of points kept."""
        return int(self.xyz.shape[0])
