"""Opening a finished store and reading its parts and folds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from prep.errors import OptionError, StoreError
from prep.labels import Labels
from prep.recipe import Recipe
from prep.store.commit import Commit, commit_bytes
from prep.store.create import read_header
from prep.store.fetch import read_array
from prep.store.finish import FinishRecord, read_finish_record
from prep.store.header import StoreHeader
from prep.store.objects import Objects, open_objects
from prep.store.record import hash_bytes
from prep.store.schema import (
    FIXED_AXES,
    FOLD_ARRAYS,
    OPTIONAL_ARRAYS,
    PART_ARRAYS,
    SCENE_ARRAYS,
    fold_prefix,
    part_prefix,
)
from prep.store.views import Fold, Part, Scenes

Array = NDArray[Any]


class Store:
    """A finished store, open for reading.

    Attributes
    ----------
    path : Path
    header : StoreHeader
    scenes : Scenes
    digest : str
        Hash of all parts' commit records: equal digests mean equal arrays.
    """

    def __init__(self, path: Path, objects: Objects, header: StoreHeader, end: FinishRecord):
        self.path = path
        self.header = header
        self.digest = end.digest
        self._objects = objects
        self._end = end
        tables = {
            spec.name: self._read_array("scenes/", spec.name, end.objects["scenes"])
            for spec in SCENE_ARRAYS
        }
        self.scenes = Scenes(end.names, end.groups, **tables)

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self.header.dataset

    @property
    def labels(self) -> Labels:
        """Class names and colours by level."""
        return self.header.labels

    @property
    def recipe(self) -> Recipe:
        """The parameters that the store was built with."""
        return self.header.recipe

    @property
    def n_parts(self) -> int:
        """Number of parts."""
        return self.header.n_parts

    @property
    def folds(self) -> tuple[str, ...]:
        """Names of the folds."""
        return self._end.folds

    def part(self, index: int, arrays: Iterable[str] | None = None) -> Part:
        """Read a part, checking the hash of everything that is read.

        Parameters
        ----------
        index : int
        arrays : iterable of str, optional
            Names from :data:`prep.store.schema.PART_ARRAYS`; all by default. Colour and normals
            are 0 in a part without, where another part has them.

        Raises
        ------
        StoreError
            There is no such part, or it is damaged.
        """
        if not 0 <= index < self.n_parts:
            raise StoreError(f"{self.path}: no part {index}, it has {self.n_parts}")
        commit = self._commit(index)
        known = tuple(spec.name for spec in PART_ARRAYS)
        read = {}
        for name in known if arrays is None else tuple(arrays):
            if name not in known:
                raise StoreError(f"{self.path}: no array {name!r}; a part has {', '.join(known)}")
            if name in commit.objects:
                read[name] = self._read_array(part_prefix(index), name, commit.objects)
            elif name in OPTIONAL_ARRAYS and name in self._end.optional:
                read[name] = _zeros(name, commit.points)
        return Part(index, commit, read)

    def fold(self, name: str, level: int = 0) -> Fold:
        """Read a fold.

        Raises
        ------
        OptionError
            The store has no such fold or level.
        StoreError
            The fold is damaged.
        """
        if name not in self.folds:
            why = self._end.left_out.get(name)
            known = ", ".join(self.folds)
            raise OptionError(
                f"{self.path}: no fold {name!r}{f' ({why})' if why else ''}; it has {known}"
            )
        if not 0 <= level < len(self.labels.levels):
            raise OptionError(f"{self.path}: no level {level}, it has {len(self.labels.levels)}")
        hashes = self._end.objects[f"folds/{name}"]
        read = {
            spec.name: self._read_array(fold_prefix(name), spec.name, hashes)
            for spec in FOLD_ARRAYS
        }
        n = len(self.labels.levels[level].classes)
        resampled = read.pop("resampled")
        train, test, maps = read.pop("train"), read.pop("test"), read.pop("maps")
        return Fold(
            name=name,
            train=train,
            test=test,
            resampled=resampled[resampled[:, 0] == level, 1:],
            maps=maps[level, :, :n, :n],
            **{key: array[level, :n] for key, array in read.items()},
        )

    def _commit(self, index: int) -> Commit:
        data = commit_bytes(self._objects, index)
        if data is None or hash_bytes(data) != self._end.commits[index]:
            raise StoreError(
                f"{self.path}: part {index} changed after the build; run the build again"
            )
        return Commit.decode(data, f"{self.path}: part {index}: commit")

    def _read_array(
        self, prefix: str, name: str, hashes: Mapping[str, Mapping[str, list[Any]]]
    ) -> Array:
        return read_array(self._objects, prefix, name, hashes.get(name, {}))


def open_store(path: str | Path, *, objects: Objects | None = None) -> Store:
    """Open a finished store.

    Raises
    ------
    StoreError
        Not a store, of another schema version, unfinished, or damaged.
    """
    objects = objects or open_objects(path)
    header = read_header(objects)
    end = read_finish_record(objects)
    if end is None or len(end.commits) != header.n_parts:
        keys = objects.list("parts/")
        done = sum(key.endswith("/commit/zarr.json") for key in keys)
        raise StoreError(
            f"{objects.where}: unfinished ({done} of {header.n_parts} parts); "
            "run the build again to continue"
        )
    return Store(Path(path), objects, header, end)


def _zeros(name: str, rows: int) -> Array:
    spec = next(spec for spec in PART_ARRAYS if spec.name == name)
    return cast(Array, np.zeros((rows, FIXED_AXES[spec.axes[1]]), spec.dtype))
