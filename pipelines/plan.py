"""The plan of a build: which scenes, in which parts, and whether any are missing.

Everything here is decided from names and sizes before a point is read, so a build that cannot
succeed stops at once, and the same raw folder always gives the same parts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pipelines.catalog_check import listed, nearest
from pipelines.catalog_parse import DatasetEntry
from prep.errors import OptionError
from prep.recipe import Recipe

if TYPE_CHECKING:
    from prep.scene import SceneSource

#: Bytes of one point in a raw file: a text row "x y z r g b", a binary record.
TEXT_ROW_BYTES = 30
BINARY_ROW_BYTES = 16
TEXT_SUFFIXES = frozenset({".txt", ".csv", ".xyz", ".pts", ".asc"})

#: Memory of a part while it is built, bytes: per raw byte, per point, and for the program.
MEMORY_PER_BYTE = 2
MEMORY_PER_POINT = 260
MEMORY_BASE = 300_000_000

#: Readers that make their scenes up and need no folder.
FILELESS = frozenset({"synthetic"})

LAYOUTS = {
    "s3dis": "GROUP/SCENE/Annotations/CLASS_n.txt (Area_1/office_1/Annotations/chair_1.txt)",
    "cloud": "PLY, NPY, NPZ or text files with named columns, in folders that are the groups",
}


@dataclass(frozen=True)
class PlannedPart:
    """Whole scenes that one task reads, computes and stores.

    ``points`` and ``memory_bytes`` are estimates from ``n_bytes``, the size of the raw files.
    """

    index: int
    scenes: tuple[SceneSource, ...]
    points: int
    n_bytes: int

    @property
    def memory_bytes(self) -> int:
        """Memory that building the part takes, estimated from above."""
        return MEMORY_BASE + MEMORY_PER_BYTE * self.n_bytes + MEMORY_PER_POINT * self.points


@dataclass(frozen=True)
class BuildPlan:
    """What a build will do.

    Attributes
    ----------
    entry : DatasetEntry
    recipe : Recipe
    parts : tuple of PlannedPart
        Every selected scene once, ordered by name.
    found, expected : dict of str to int
        Scenes by group on disk, and by the catalogue; ``expected`` is empty where it does not say
        or scenes were selected by pattern.
    missing_allowed : tuple of str
        Groups that lack scenes with the user's consent.
    """

    entry: DatasetEntry
    recipe: Recipe
    parts: tuple[PlannedPart, ...]
    found: dict[str, int]
    expected: dict[str, int]
    missing_allowed: tuple[str, ...]

    @property
    def scenes(self) -> tuple[SceneSource, ...]:
        """All scenes, part by part."""
        return tuple(scene for part in self.parts for scene in part.scenes)

    @property
    def n_bytes(self) -> int:
        """Size of the raw files."""
        return sum(part.n_bytes for part in self.parts)

    @property
    def points(self) -> int:
        """Estimated number of points."""
        return sum(part.points for part in self.parts)

    @property
    def memory_bytes(self) -> int:
        """Estimated memory of the largest part."""
        return max((part.memory_bytes for part in self.parts), default=0)


def find_scenes(entry: DatasetEntry, root: Path | None) -> list[SceneSource]:
    """List the scenes below ``root``, which only a reader that makes them up can do without.

    Raises
    ------
    OptionError
        The folder is not there, or holds no scene: the line says what was looked for and what
        was found.
    """
    from prep.readers import READERS

    reader = READERS[entry.reader]
    if entry.reader in FILELESS:
        root = Path()
    if root is None:
        layout = LAYOUTS.get(entry.reader, "its files")
        raise OptionError(f"--root: found nothing, wanted the folder that holds {layout}")
    if not root.is_dir():
        state = "a file" if root.exists() else "nothing"
        raise OptionError(f"{root}: found {state}, wanted the folder of the raw data; check --root")
    sources = reader.list_scenes(root, labels=entry.labels, options=entry.reader_options)
    if not sources:
        inside = sorted(path.name + "/" * path.is_dir() for path in root.iterdir())
        shown = listed(inside[:5]) + (f" and {len(inside) - 5} more" if len(inside) > 5 else "")
        layout = LAYOUTS.get(entry.reader, f"what the reader {entry.reader} reads")
        raise OptionError(f"{root}: found {shown}, wanted {layout}; check --root and the data set")
    return sources


def plan_build(
    entry: DatasetEntry,
    sources: Sequence[SceneSource],
    recipe: Recipe,
    *,
    patterns: Sequence[str] = (),
    allow_missing: Sequence[str] = (),
) -> BuildPlan:
    """Select scenes, check that none is missing, and pack them into parts.

    Parameters
    ----------
    entry : DatasetEntry
    sources : sequence of SceneSource
        All scenes found, in any order.
    recipe : Recipe
    patterns : sequence of str
        Shell patterns over scene names (``Area_5/*``); none selects all. A selection is not
        compared with the expected counts.
    allow_missing : sequence of str
        Groups that may have fewer scenes than expected.

    Raises
    ------
    OptionError
        With one line for each pattern without a scene or group with a wrong number of scenes.
    """
    sources = sorted(sources, key=lambda source: source.name)
    twice = [name for name, n in Counter(source.name for source in sources).items() if n > 1]
    faults = [f"{name}: found two scenes of this name, wanted one; rename one" for name in twice]
    if patterns:
        names = [source.name for source in sources]
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in names):
                near = nearest(pattern, names) or names[0]
                faults.append(
                    f"--scenes {pattern}: found no such scene among {len(names)}, wanted a name or "
                    f"a pattern like {near}"
                )
        sources = [s for s in sources if any(fnmatchcase(s.name, p) for p in patterns)]
    counts = Counter(source.group for source in sources)
    found = {group: counts[group] for group in sorted(counts)}
    short, wrong = ([], []) if patterns else _compare(entry, found, set(allow_missing))
    for group in allow_missing:
        if entry.groups and group not in entry.groups:
            wrong.append(f"--allow-missing {group}: wanted one of {listed(entry.groups)}")
    if faults or wrong:
        raise OptionError("\n".join(faults + wrong))
    expected = {} if patterns else {g: n for g, n in entry.groups.items() if n is not None}
    parts = _pack(sources, recipe.part_points)
    return BuildPlan(entry, recipe, parts, found, expected, tuple(short))


def estimate_points(source: SceneSource) -> int:
    """Return the number of points of a scene, guessed from the size of its files."""
    suffixes = {PurePosixPath(file).suffix.lower() for file in source.files}
    row = BINARY_ROW_BYTES if suffixes and not suffixes & TEXT_SUFFIXES else TEXT_ROW_BYTES
    return source.n_bytes // row


def _compare(
    entry: DatasetEntry, found: dict[str, int], allowed: set[str]
) -> tuple[list[str], list[str]]:
    """Return the groups that are short with consent, and a line for each that is wrong."""
    short, wrong = [], []
    for group, wanted in entry.groups.items():
        there = found.get(group, 0)
        found_text = f"{group}: found {_scenes(there)}, wanted"
        if there >= (wanted or 1) and there == (wanted or there):
            continue
        if wanted is not None and there > wanted:
            wrong.append(
                f"{found_text} {wanted}; take the others away or give the right number in a "
                "catalogue of your own (--catalog)"
            )
        elif group in allowed:
            short.append(group)
        else:
            wrong.append(
                f"{found_text} {wanted or 'at least 1'}; add the missing ones, accept the loss "
                f"with --allow-missing {group} or select with --scenes"
            )
    for group in found:
        if entry.groups and group not in entry.groups:
            wrong.append(
                f"{group}: found {_scenes(found[group])} of a group that {entry.name} does not "
                f"have, wanted {listed(entry.groups)}; move the folder away or select with --scenes"
            )
    return short, wrong


def _scenes(count: int) -> str:
    return f"{count} scene" if count == 1 else f"{count} scenes"


def _pack(sources: Sequence[SceneSource], part_points: int) -> tuple[PlannedPart, ...]:
    """Fill parts with consecutive scenes up to ``part_points``; a larger scene has its own."""
    groups: list[list[SceneSource]] = []
    filled = 0
    for source in sources:
        points = estimate_points(source)
        if not groups or filled + points > part_points:
            groups.append([])
            filled = 0
        groups[-1].append(source)
        filled += points
    return tuple(
        PlannedPart(
            index,
            tuple(scenes),
            sum(estimate_points(scene) for scene in scenes),
            sum(scene.n_bytes for scene in scenes),
        )
        for index, scenes in enumerate(groups)
    )
