"""What is read from a store: the table of scenes, the arrays of a part, a fold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.errors import OptionError
from prep.store.commit import Commit

Array = NDArray[Any]


@dataclass(frozen=True)
class Scenes:
    """The table of scenes.

    Attributes
    ----------
    names, groups : tuple of str
    part : int32 (s,)
    first, rows : int64 (s,)
        Scene ``i`` has rows ``first[i] : first[i] + rows[i]`` of part ``part[i]``.
    blocks : int32 (s,)
        Number of its blocks.
    origin, extent : float64 (s, 3)
        World position of ``coord`` 0, and greatest coordinates relative to it, metres.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    part: NDArray[np.int32]
    first: NDArray[np.int64]
    rows: NDArray[np.int64]
    blocks: NDArray[np.int32]
    origin: NDArray[np.float64]
    extent: NDArray[np.float64]

    def index(self, name: str) -> int:
        """Return the number of a scene; OptionError where there is none of that name."""
        try:
            return self.names.index(name)
        except ValueError:
            known = ", ".join(self.names[:5]) + (" …" if len(self.names) > 5 else "")
            raise OptionError(f"no scene {name!r} in the store; it has {known}") from None


@dataclass(frozen=True)
class PartBlocks:
    """Blocks of a part: see ``blocks/…`` in :data:`prep.store.schema.PART_ARRAYS`."""

    scene: NDArray[np.int32]
    corner: NDArray[np.float64]
    sample: NDArray[np.uint32]
    counts: NDArray[np.int32]


class Part:
    """The arrays of a part that were asked for, whole, by the names of the store.

    ``part["instances/centre"]`` gives any of them; the common ones are attributes.
    """

    def __init__(self, index: int, commit: Commit, arrays: Mapping[str, Array]) -> None:
        self.index = index
        self.commit = commit
        self.arrays = MappingProxyType(dict(arrays))

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]

    @property
    def coord(self) -> NDArray[np.float32]:
        """Metres relative to the scene's origin, float32 (n, 3)."""
        return self["coord"]

    @property
    def color(self) -> NDArray[np.uint8] | None:
        """Red, green, blue, uint8 (n, 3); None where no scene of the store has colour."""
        return self.arrays.get("color")

    @property
    def normal(self) -> NDArray[np.float32] | None:
        """Unit vectors, float32 (n, 3); None where no scene of the store has normals."""
        return self.arrays.get("normal")

    @property
    def semantic(self) -> NDArray[np.int16]:
        """Class id by level, −1 unlabelled, int16 (n, L)."""
        return self["semantic"]

    @property
    def instance(self) -> NDArray[np.int32]:
        """Instance id by level, −1 none, int32 (n, L)."""
        return self["instance"]

    @property
    def source(self) -> NDArray[np.int64]:
        """Row of each point in its scene's source, int64 (n,)."""
        return self["source"]

    @property
    def blocks(self) -> PartBlocks:
        """The blocks of all scenes, scene by scene."""
        names = ("scene", "corner", "sample", "counts")
        return PartBlocks(*(self[f"blocks/{name}"] for name in names))


@dataclass(frozen=True)
class Fold:
    """Who trains and who tests, and what the training scenes say, at one level of labels.

    Attributes
    ----------
    name : str
    train, test : int32
        Scenes, by number.
    vb, op, sp : float64 (C,)
        Water Filling Sampling, see :class:`prep.wfs.WaterFilling`.
    resampled : int32 (k, 2)
        Blocks to add: scene, block of the scene.
    maps : float64 (R, C, C)
        Association maps at the radii of the recipe; rows sum to 1, or 0 for an absent class.
    instance_size, instance_points : float64 (C,)
        Mean size of an instance: entries in the samples of all blocks (what the published code
        compares with, before it truncates), and points. 0 for a class without an instance.
    class_weight : float64 (C,)
        See :class:`prep.folds.FoldArrays`.
    """

    name: str
    train: NDArray[np.int32]
    test: NDArray[np.int32]
    vb: NDArray[np.float64]
    op: NDArray[np.float64]
    sp: NDArray[np.float64]
    resampled: NDArray[np.int32]
    maps: NDArray[np.float64]
    instance_size: NDArray[np.float64]
    instance_points: NDArray[np.float64]
    class_weight: NDArray[np.float64]
