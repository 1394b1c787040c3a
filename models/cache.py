"""Folders of memory-mapped arrays: built once beside their final place, then renamed.

A folder holds one ``NAME.npy`` per array and ``manifest.json``, written last, with the key of
what it was computed from and the shape, type and size of every array. A folder whose manifest
is missing, of another key or at odds with its files is built again. Two processes that build
the same folder at once both succeed: the first rename wins, the other's work is thrown away.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from prep.errors import StoreError

MANIFEST = "manifest.json"
VERSION = 1

Arrays = dict[str, NDArray[Any]]


def cache_root() -> Path:
    """Return ``$JOINTCLOUD_CACHE``, or ``~/.cache/jointcloud`` where it is unset."""
    chosen = os.environ.get("JOINTCLOUD_CACHE", "")
    return Path(chosen) if chosen else Path.home() / ".cache" / "jointcloud"


class ArrayWriter:
    """Appends rows to the arrays of one folder, so that no array is ever whole in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, BinaryIO] = {}
        self._rows: dict[str, int] = {}
        self._kinds: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {}

    def append(self, name: str, rows: NDArray[Any]) -> None:
        """Append ``rows`` (k, …) to the array ``name``; type and row shape must stay the same."""
        rows = np.ascontiguousarray(rows)
        kind = (rows.dtype, rows.shape[1:])
        if name not in self._files:
            self._files[name] = (self.folder / f"{name}.npy").open("wb+")
            self._rows[name], self._kinds[name] = 0, kind
            self._write_header(name)
        elif self._kinds[name] != kind:
            raise ValueError(f"{name}: rows of {kind} after rows of {self._kinds[name]}")
        self._files[name].write(rows.data if rows.size else b"")
        self._rows[name] += len(rows)

    def _write_header(self, name: str) -> None:
        # numpy pads this header so that its length does not change as the first axis grows
        dtype, row = self._kinds[name]
        header = {
            "descr": npy.dtype_to_descr(dtype),
            "fortran_order": False,
            "shape": (self._rows[name], *row),
        }
        npy.write_array_header_1_0(self._files[name], header)

    def finish(self, key: str) -> None:
        """Complete all headers and write the manifest."""
        arrays = {}
        for name, file in self._files.items():
            file.seek(0)
            self._write_header(name)
            file.flush()
            os.fsync(file.fileno())
            dtype, row = self._kinds[name]
            arrays[name] = {
                "dtype": dtype.str,
                "shape": [self._rows[name], *row],
                "bytes": os.fstat(file.fileno()).st_size,
            }
        manifest = {"version": VERSION, "key": key, "arrays": arrays}
        (self.folder / MANIFEST).write_text(json.dumps(manifest, sort_keys=True))

    def __enter__(self) -> ArrayWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for file in self._files.values():
            file.close()


def open_arrays(folder: Path, key: str) -> Arrays | None:
    """Map the arrays of a folder into memory.

    Returns
    -------
    dict of str to array, or None
        Private (copy-on-write) maps of every array; None when the folder is not there, is of
        another key, or its files are not as the manifest says.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        if manifest["version"] != VERSION or manifest["key"] != key:
            return None
        return {name: _open_array(folder, name, row) for name, row in manifest["arrays"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _open_array(folder: Path, name: str, row: Mapping[str, Any]) -> NDArray[Any]:
    path = folder / f"{name}.npy"
    if path.stat().st_size != row["bytes"]:
        raise ValueError(f"{path}: size")
    # base class and copy-on-write: compiled code then sees the type of any ordinary array
    array = np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))
    if array.dtype.str != row["dtype"] or list(array.shape) != row["shape"]:
        raise ValueError(f"{path}: header")
    return array


def build_arrays(folder: Path, key: str, fill: Callable[[ArrayWriter], None]) -> Arrays:
    """Open ``folder``, or have ``fill`` write its arrays first.

    Parameters
    ----------
    folder : Path
        Final place. What stands there and does not fit ``key`` is removed.
    key : str
        Digest of everything that the arrays are computed from.
    fill : callable
        Appends all rows of all arrays to the writer that it is given.

    Raises
    ------
    StoreError
        The disk is full or the folder cannot be written.
    """
    ready = open_arrays(folder, key)
    if ready is not None:
        return ready
    work = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        with ArrayWriter(work) as writer:
            fill(writer)
            writer.finish(key)
        ready = _settle(work, folder, key)
    except OSError as error:
        raise StoreError(
            f"cache {folder}: {error.strerror or error}; free space there or set "
            "JOINTCLOUD_CACHE to another folder"
        ) from error
    finally:
        if work is not None:
            shutil.rmtree(work, ignore_errors=True)
    if ready is None:
        raise StoreError(f"cache {folder}: cannot be read back; remove it and run again")
    return ready


def _settle(work: Path, folder: Path, key: str) -> Arrays | None:
    for _ in range(10):
        try:
            work.rename(folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        ready = open_arrays(folder, key)
        if ready is not None:
            return ready
        _discard(folder)
    return None


def _discard(folder: Path) -> None:
    # moved aside first, so that a process that meets it never sees half of it
    with tempfile.TemporaryDirectory(
        prefix=f".{folder.name}.", dir=folder.parent, ignore_cleanup_errors=True
    ) as aside:
        try:
            folder.rename(Path(aside) / "old")
        except FileNotFoundError:
            return
