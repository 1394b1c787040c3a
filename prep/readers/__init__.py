"""Raw files into scenes: one reader a layout, in a plain table.

::

    s3dis.py       ROOT/GROUP/ROOM/Annotations/CLASS_n.txt
    cloud.py       a user's own PLY, NPY, NPZ and text files
    synthetic.py   made-up rooms with known answers
    text.py        one pass from bytes to arrays; repair.py mends the rows that do not read
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from prep.labels import Labels
from prep.readers import cloud, s3dis, synthetic
from prep.scene import OnDefect, Scene, SceneSource


class ListScenes(Protocol):
    """Finds the scenes under a folder without reading their points."""

    def __call__(
        self, root: Path, *, labels: Labels, options: dict[str, object]
    ) -> list[SceneSource]:
        """Return the scenes, sorted by name."""


class ReadScene(Protocol):
    """Reads one scene."""

    def __call__(self, source: SceneSource, *, labels: Labels, on_defect: OnDefect) -> Scene:
        """Return all its points; raises SourceError."""


@dataclass(frozen=True)
class Reader:
    """How one layout of raw data is read; its options are described in its module."""

    name: str
    list_scenes: ListScenes
    read_scene: ReadScene


READERS: dict[str, Reader] = {
    "s3dis": Reader("s3dis", s3dis.list_scenes, s3dis.read_scene),
    "cloud": Reader("cloud", cloud.list_scenes, cloud.read_scene),
    "synthetic": Reader("synthetic", synthetic.list_scenes, synthetic.read_scene),
}
