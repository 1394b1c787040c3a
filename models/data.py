"""Training data: a store decoded once into memory maps, and the blocks of its scenes.

Random reads of compressed chunks are 30 to 100 times slower than a gather from a memory map,
so every part is decoded once into ``CACHE/<store digest>/points``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.cache import ArrayWriter, build_arrays, cache_root
from prep.errors import OptionError
from prep.features import block_features
from prep.progress import Progress, Silent
from prep.store import Store

#: What training needs of a part.
ARRAYS = (
    *("coord", "color", "semantic", "instance"),
    *("blocks/scene", "blocks/corner", "blocks/sample", "blocks/counts"),
)

F4 = NDArray[np.float32]
F8 = NDArray[np.float64]
I8 = NDArray[np.int64]


@dataclass(frozen=True)
class BlockData:
    """All points and blocks of a store at one level of labels, memory-mapped.

    Attributes
    ----------
    digest : str
        Digest of the store.
    folder : Path
        Cache folder of the store.
    names : tuple of str
        Scene names, in the order of the store's scene table.
    coord : float32 (n, 3)
        Metres from the scene's origin; scene ``s`` has rows ``first[s] : first[s] + rows[s]``.
    color : uint8 (n, 3) or None
    semantic : int16 (n,)
    instance : int32 (n,)
    first, rows : int64 (s,)
    block_m : float
        Side of a block, metres.
    room_max : float64 (s, 3)
        Extent of each scene, metres.
    sample : uint32 (b, n_points)
        Rows of each block's points within its scene.
    block_scene : int32 (b,)
        Scene of each block.
    block_first, block_count : int64 (s,)
        Blocks of scene ``s``, in serpentine order: ``block_first[s] + 0 … block_count[s] - 1``.
    labelled : int32 (b,)
        Labelled points in each block's sample.
    """

    digest: str
    folder: Path
    names: tuple[str, ...]
    coord: F4
    color: NDArray[np.uint8] | None
    semantic: NDArray[np.int16]
    instance: NDArray[np.int32]
    first: I8
    rows: I8
    block_m: float
    room_max: F8
    sample: NDArray[np.uint32]
    block_scene: NDArray[np.int32]
    block_first: I8
    block_count: I8
    labelled: NDArray[np.int32]

    @property
    def n_points(self) -> int:
        """Points of a block's sample."""
        return int(self.sample.shape[1])

    def scene_rows(self, scene: int) -> slice:
        """Return the rows of one scene in ``coord``, ``color``, ``semantic`` and ``instance``."""
        return slice(int(self.first[scene]), int(self.first[scene] + self.rows[scene]))

    def scene_blocks(self, scene: int) -> I8:
        """Return the indices of one scene's blocks, in serpentine order."""
        first = int(self.block_first[scene])
        return np.arange(first, first + int(self.block_count[scene]), dtype=np.int64)

    def blocks_of(self, scenes: NDArray[np.integer]) -> I8:
        """Return the indices of all blocks of ``scenes``, scene by scene."""
        parts = [self.scene_blocks(int(s)) for s in scenes]
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def features(self, blocks: I8, out: F4 | None = None) -> F4:
        """Assemble the features of some blocks, float32 (k, n_points, 9)."""
        scenes = self.block_scene[blocks]
        return block_features(
            self.coord,
            self.color,
            self.sample[blocks],
            self.room_max[scenes],
            out=out,
            first=self.first[scenes],
            block_m=self.block_m,
        )

    def labels(self, blocks: I8) -> tuple[I8, I8]:
        """Gather the semantic and instance labels of some blocks, int64 (k, n_points) each."""
        at = self.sample[blocks].astype(np.int64)
        at += self.first[self.block_scene[blocks]][:, None]
        return self.semantic[at].astype(np.int64), self.instance[at].astype(np.int64)


def open_data(
    store: Store,
    *,
    level: int = 0,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> BlockData:
    """Open the training data of a store, decoding it on the first use.

    Parameters
    ----------
    store : Store
        A finished store.
    level : int
        Level of labels.
    cache : Path, optional
        Folder for the decoded arrays of all stores, by default :func:`models.cache.cache_root`.
    progress : Progress, optional
        Told about the decoding, part by part.

    Raises
    ------
    OptionError
        The store has no such level.
    StoreError
        The cache cannot be written.
    """
    if not 0 <= level < len(store.labels.levels):
        known = len(store.labels.levels)
        raise OptionError(f"level {level}: store {store.path} has levels 0 to {known - 1}")
    folder = (cache or cache_root()) / store.digest
    arrays = build_arrays(
        folder / "points",
        store.digest,
        lambda writer: _decode(store, writer, progress or Silent()),
    )
    scenes = store.scenes
    n_scenes = len(scenes.names)
    block_first = np.zeros(n_scenes, np.int64)
    seen, first = np.unique(arrays["block_scene"], return_index=True)
    block_first[seen] = first
    return BlockData(
        digest=store.digest,
        folder=folder,
        names=tuple(scenes.names),
        coord=arrays["coord"],
        color=arrays.get("color"),
        semantic=arrays[f"semantic_{level}"],
        instance=arrays[f"instance_{level}"],
        first=np.array(arrays["point_first"]),
        rows=np.asarray(scenes.rows, np.int64),
        block_m=store.recipe.block_m,
        room_max=np.asarray(scenes.extent, np.float64),
        sample=arrays["sample"],
        block_scene=np.array(arrays["block_scene"]),
        block_first=block_first,
        block_count=np.asarray(scenes.blocks, np.int64),
        labelled=np.array(arrays["labelled"][:, level]),
    )


def _decode(store: Store, writer: ArrayWriter, progress: Progress) -> None:
    """Append every part's points and blocks; blocks carry the scene's index in the table."""
    scenes = store.scenes
    part_of, first_of = np.asarray(scenes.part), np.asarray(scenes.first, np.int64)
    point_first = np.zeros(len(part_of), np.int64)
    done = 0
    progress.start(f"decode {store.path.name} for training", store.n_parts, "part")
    for index in range(store.n_parts):
        part = store.part(index, ARRAYS)
        members = np.flatnonzero(part_of == index)
        members = members[np.argsort(first_of[members], kind="stable")]
        point_first[members] = done + first_of[members]
        writer.append("coord", part.coord)
        if part.color is not None:
            writer.append("color", part.color)
        for level in range(part.semantic.shape[1]):
            writer.append(f"semantic_{level}", part.semantic[:, level])
            writer.append(f"instance_{level}", part.instance[:, level])
        writer.append("sample", part.blocks.sample)
        writer.append("block_scene", members[part.blocks.scene].astype(np.int32))
        writer.append("labelled", part.blocks.counts.sum(axis=2, dtype=np.int32))
        done += len(part.coord)
        progress.advance()
    writer.append("point_first", point_first)
    progress.finish()
