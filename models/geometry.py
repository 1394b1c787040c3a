"""Geometry of blocks: everything a backbone needs that depends on coordinates alone.

Farthest points, balls, nearest coarse points and their weights do not change while a network
trains, so they are computed once (:func:`compute_geometry`), kept as arrays of small integers in
the training cache (:meth:`Geometry.to_arrays`) and handed to the backbone as an argument.
Nothing here is random. The rules are those of :mod:`prep.kernels.neighbours`; on a GPU
:mod:`models.geometry_torch` follows the same rules.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models import geometry_torch
from prep.kernels.neighbours import ball_query, farthest_points, three_nearest

RULES_VERSION = 1


@dataclass(frozen=True)
class LevelSpec:
    """One coarser level: how its points are chosen and grouped.

    Attributes
    ----------
    n_points : int
        Farthest points chosen among the level below.
    radius_m : float
        Radius of the balls about them, metres.
    n_samples : int
        Points kept for each ball.
    """

    n_points: int
    radius_m: float
    n_samples: int


@dataclass(frozen=True)
class GeometrySpec:
    """What a backbone asks for, from the finest to the coarsest level."""

    levels: tuple[LevelSpec, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; the inverse of :meth:`from_dict`."""
        return {"rules": RULES_VERSION, "levels": [asdict(level) for level in self.levels]}

    @staticmethod
    def from_dict(data: dict[str, Any]) -> GeometrySpec:
        """Rebuild a specification; one of other rules is refused with ValueError."""
        if data["rules"] != RULES_VERSION:
            raise ValueError(f"geometry rules {data['rules']}, this version has {RULES_VERSION}")
        return GeometrySpec(tuple(LevelSpec(**level) for level in data["levels"]))

    @property
    def digest(self) -> str:
        """Hex key for caches: equal specifications and rules have equal digests."""
        text = json.dumps(self.to_dict(), sort_keys=True).encode()
        return hashlib.blake2b(text, digest_size=16).hexdigest()

    def layout(self, n_points: int) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
        """Return name → (shape without the batch axis, dtype) of :meth:`Geometry.to_arrays`."""
        out: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
        fine = n_points
        for i, level in enumerate(self.levels):
            coarse = level.n_points
            out[f"level{i}.centre"] = ((coarse,), _index_dtype(fine))
            out[f"level{i}.ball"] = ((coarse, level.n_samples), _index_dtype(fine))
            out[f"level{i}.near"] = ((fine, 3), _index_dtype(coarse))
            out[f"level{i}.weight"] = ((fine, 3), np.dtype(np.float32))
            fine = coarse
        return out


@dataclass(frozen=True)
class Level:
    """Geometry between a fine level of M points and the coarser one of m points, B blocks.

    Attributes
    ----------
    centre : int32 (B, m)
        The coarse points, as indices of fine points.
    ball : int32 (B, m, K)
        Fine points about each coarse point; the first hit fills unused slots.
    near : int32 (B, M, 3)
        The three coarse points nearest to each fine point.
    weight : float32 (B, M, 3)
        Their interpolation weights (inverse squared distance, sum 1).
    """

    centre: Tensor
    ball: Tensor
    near: Tensor
    weight: Tensor

    def map(self, function: Callable[[Tensor], Tensor]) -> Level:
        """Apply a function to every tensor."""
        return Level(*(function(getattr(self, f.name)) for f in fields(Level)))


@dataclass(frozen=True)
class Geometry:
    """Geometry of a batch of blocks, level by level; PointNet's has no level."""

    levels: tuple[Level, ...] = ()

    def to(self, device: torch.device | str) -> Geometry:
        """Move every tensor."""
        return Geometry(tuple(x.map(lambda t: t.to(device)) for x in self.levels))

    def __getitem__(self, blocks: slice | Tensor) -> Geometry:
        """Select blocks by a slice or an index tensor."""
        return Geometry(tuple(x.map(lambda t: t[blocks]) for x in self.levels))

    @staticmethod
    def stack(parts: Sequence[Geometry]) -> Geometry:
        """Join batches of the same specification along the batch axis."""
        rows = zip(*(p.levels for p in parts), strict=True)
        return Geometry(
            tuple(
                Level(*(torch.cat([getattr(x, f.name) for x in row]) for f in fields(Level)))
                for row in rows
            )
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return arrays for a cache, indices as uint16 where they fit.

        Names, shapes and dtypes are those of :meth:`GeometrySpec.layout`, batch axis in front.
        """
        out: dict[str, NDArray[Any]] = {}
        for i, level in enumerate(self.levels):
            fine = _index_dtype(level.near.shape[1])
            coarse = _index_dtype(level.centre.shape[1])
            out[f"level{i}.centre"] = level.centre.cpu().numpy().astype(fine)
            out[f"level{i}.ball"] = level.ball.cpu().numpy().astype(fine)
            out[f"level{i}.near"] = level.near.cpu().numpy().astype(coarse)
            out[f"level{i}.weight"] = level.weight.cpu().numpy()
        return out

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Geometry:
        """Rebuild a batch from what :meth:`to_arrays` gave (copies, so maps may be closed)."""
        count = len({name.partition(".")[0] for name in arrays})
        return Geometry(
            tuple(
                Level(
                    *(
                        torch.from_numpy(
                            np.array(
                                arrays[f"level{i}.{f.name}"],
                                dtype=np.float32 if f.name == "weight" else np.int32,
                            )
                        )
                        for f in fields(Level)
                    )
                )
                for i in range(count)
            )
        )


def compute_geometry(
    xyz: Tensor | NDArray[np.float32], spec: GeometrySpec, *, threads: int | None = None
) -> Geometry:
    """Compute the geometry of a batch of blocks.

    Parameters
    ----------
    xyz : float32 (B, N, 3)
        Block coordinates (channels 0..2 of the features), metres, finite. On the CPU the work
        is done by numba, a thread for each block; elsewhere by torch on that device.
    spec : GeometrySpec
    threads : int, optional
        Threads on the CPU; the default is torch's number.

    Returns
    -------
    Geometry
        On the device of ``xyz``.
    """
    if isinstance(xyz, Tensor):
        xyz = xyz.detach()
        if xyz.device.type != "cpu":
            return Geometry(tuple(Level(*x) for x in geometry_torch.levels(xyz, spec.levels)))
        xyz = xyz.numpy()
    blocks = np.ascontiguousarray(xyz, dtype=np.float32)
    workers = min(threads or torch.get_num_threads(), len(blocks))
    if workers <= 1:
        done = [_block_levels(block, spec) for block in blocks]
    else:
        with ThreadPoolExecutor(workers) as pool:
            done = list(pool.map(lambda block: _block_levels(block, spec), blocks))
    return Geometry(
        tuple(
            Level(*(torch.from_numpy(np.stack([b[i][j] for b in done])) for j in range(4)))
            for i in range(len(spec.levels))
        )
    )


def _block_levels(xyz: NDArray[np.float32], spec: GeometrySpec) -> list[tuple[NDArray[Any], ...]]:
    out = []
    for level in spec.levels:
        centre = farthest_points(xyz, level.n_points)
        coarse = xyz[centre]
        ball, _ = ball_query(xyz, coarse, level.radius_m, level.n_samples)
        out.append((centre, ball, *three_nearest(coarse, xyz)))
        xyz = coarse
    return out


def _index_dtype(n: int) -> np.dtype[Any]:
    """Return the smallest dtype of the cache that holds indices 0..n−1."""
    return np.dtype(np.uint16 if n <= 1 << 16 else np.int32)
