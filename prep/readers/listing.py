"""Folders and files of a raw data set, in an order that no file system decides."""

from __future__ import annotations

import os
from pathlib import Path

from prep.errors import SourceError

_DROPPINGS = ("__MACOSX", "@eaDir", "Thumbs.db", "desktop.ini")
"""What archivers and file servers leave behind."""


def is_hidden(name: str) -> bool:
    """Tell whether a name is to be passed over (``.DS_Store``)."""
    return name.startswith(".") or name in _DROPPINGS


def visible(folder: Path) -> list[Path]:
    """Return what is in a folder, sorted by name, without hidden files.

    Raises
    ------
    SourceError
        The folder cannot be listed, or holds a link to nothing: what should be there is lost.
    """
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except OSError as error:
        raise SourceError(
            file=str(folder),
            found=error.strerror or type(error).__name__,
            wanted="a folder that can be listed",
            remedy="check the disk and the permissions",
        ) from error
    entries = [folder / name for name in names if not is_hidden(name)]
    for entry in entries:
        if entry.is_symlink() and not entry.exists():
            raise SourceError(
                file=str(entry),
                found=f"a link to nothing ({entry.readlink()})",
                wanted="a file or a folder",
                remedy="fetch what it should lead to, or remove it",
            )
    return entries


def folders(folder: Path) -> list[Path]:
    """Return the visible folders in a folder, sorted by name."""
    return [entry for entry in visible(folder) if entry.is_dir()]


def inside(path: Path, root: Path, scene: str) -> None:
    """Raise SourceError when a path leads out of the root, by ``..`` or by a link."""
    if not path.resolve().is_relative_to(root.resolve()):
        raise SourceError(
            scene=scene,
            file=str(path),
            found=f"a path to {path.resolve()}",
            wanted=f"a file under {root}",
            remedy="put the file itself there instead of a link",
        )
