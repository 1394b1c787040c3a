"""Where a store's objects live: the one thing that touches the file system for them.

A store is a set of objects, bytes under keys such as ``parts/00000/coord/c/0/0``. All that the
rest of the package asks of their home is :class:`Objects`.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from prep.errors import StoreError

_PARTIAL = ".partial"
_counter = itertools.count()


class Objects(Protocol):
    """A flat map of keys to bytes. Keys are relative POSIX paths that cannot leave it."""

    @property
    def where(self) -> str:
        """Return the name of the place for messages."""

    def get(self, key: str) -> bytes | None:
        """Return an object, or None where there is none."""

    def put(self, key: str, data: bytes) -> None:
        """Write an object whole: a reader sees the old bytes or the new ones, never a mixture."""

    def create(self, key: str, data: bytes) -> bool:
        """Write an object unless there is one, in one step; return whether it was written."""

    def delete(self, key: str) -> None:
        """Delete an object; nothing happens where there is none."""

    def list(self, prefix: str = "") -> dict[str, int]:
        """Return the keys that begin with ``prefix`` (a text, not a folder), sorted, and sizes."""

    def exists(self, key: str) -> bool:
        """Tell whether there is an object."""

    def sweep(self) -> int:
        """Delete what killed writers left behind; return how many such leftovers there were."""


def open_objects(path: str | Path) -> Objects:
    """Return the home of the objects of the store at ``path``.

    Raises
    ------
    StoreError
        ``path`` is a URL of a kind that is not supported, or a file.
    """
    if "://" in str(path):
        raise StoreError(f"{path}: this version keeps stores in local folders only; give a path")
    root = Path(path)
    if root.exists() and not root.is_dir():
        raise StoreError(f"{path}: is a file, wanted a folder; give another path")
    return LocalObjects(root)


class LocalObjects:
    """Objects as files of a local folder, which appears with the first of them."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root).absolute()

    @property
    def where(self) -> str:
        """Return the folder."""
        return str(self.root)

    def get(self, key: str) -> bytes | None:
        """Return the content of a file, or None."""
        path = self._path(key)
        try:
            return path.read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise _trouble("read", path, error) from error

    def put(self, key: str, data: bytes) -> None:
        """Write under a temporary name in the same folder, then rename."""
        path = self._path(key)
        with self._written_aside(path, data) as temporary:
            temporary.replace(path)

    def create(self, key: str, data: bytes) -> bool:
        """Write under a temporary name, then give it its name unless that is taken."""
        path = self._path(key)
        with self._written_aside(path, data) as temporary:
            try:
                os.link(temporary, path)
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
                    raise
                return _create_directly(path, data)  # a file system without hard links
            return True

    def delete(self, key: str) -> None:
        """Delete a file, and the folders that this leaves empty."""
        path = self._path(key)
        try:
            path.unlink(missing_ok=True)
        except NotADirectoryError:
            return
        except OSError as error:
            raise _trouble("delete", path, error) from error
        for folder in path.parents:
            if folder == self.root:
                break
            with contextlib.suppress(FileNotFoundError):
                try:
                    folder.rmdir()
                except OSError:
                    break

    def list(self, prefix: str = "") -> dict[str, int]:
        """Walk the folder that ``prefix`` points into."""
        if prefix:
            _check_key(prefix.rstrip("/"))
        start = self.root / prefix.rpartition("/")[0]
        found = {
            path.relative_to(self.root).as_posix(): size
            for path, size in _walk(start)
            if not path.name.endswith(_PARTIAL)
        }
        return {key: found[key] for key in sorted(found) if key.startswith(prefix)}

    def exists(self, key: str) -> bool:
        """Tell whether there is a file."""
        return self._path(key).is_file()

    def sweep(self) -> int:
        """Delete the temporary files of writers that were killed."""
        leftovers = [path for path, _ in _walk(self.root) if path.name.endswith(_PARTIAL)]
        for path in leftovers:
            self.delete(path.relative_to(self.root).as_posix())
        return len(leftovers)

    @contextlib.contextmanager
    def _written_aside(self, path: Path, data: bytes) -> Iterator[Path]:
        name = f".{path.name}.{os.getpid()}-{next(_counter)}{_PARTIAL}"
        temporary = path.with_name(name)
        try:
            _write(temporary, data)
            yield temporary
        except OSError as error:
            raise _trouble("write", path, error) from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        """Return the file of a key, refusing keys and symbolic links that lead out of the root."""
        _check_key(key)
        path = self.root / key
        root = self.root.resolve()
        if not path.resolve().is_relative_to(root):
            raise StoreError(f"{self.root}: {key!r} leads out of the store; remove the link")
        return path


def _check_key(key: str) -> None:
    segments = key.split("/")
    if any(s in ("", ".", "..") for s in segments) or "\\" in key or "\0" in key:
        raise StoreError(f"{key!r} is not a key: wanted names joined by '/', without '..'")


def _walk(folder: Path) -> Iterator[tuple[Path, int]]:
    """Yield all files below a folder with their sizes, without following links to folders."""
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise _trouble("list", folder, error) from error
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
            continue
        with contextlib.suppress(FileNotFoundError):
            yield Path(entry.path), entry.stat(follow_symlinks=False).st_size


def _write(path: Path, data: bytes) -> None:
    """Write a file into a folder that another process may be deleting because it is empty."""
    for attempts_left in (2, 1, 0):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.write_bytes(data)
            return
        except FileNotFoundError:
            if not attempts_left:
                raise


def _create_directly(path: Path, data: bytes) -> bool:
    try:
        with path.open("xb") as stream:
            stream.write(data)
    except FileExistsError:
        return False
    return True


def _trouble(verb: str, path: Path, error: OSError) -> StoreError:
    return StoreError(f"{path}: cannot {verb} it ({error.strerror or error})")
