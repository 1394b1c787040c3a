"""Folders and files of a raw data set, in an order that no file system decides."""

from __future__ import annotations

from pathlib import Path

from prep.errors import SourceError

_DROPPINGS = ("__MACOSX", "@eaDir", "Thumbs.db", "desktop.ini")
"""What archivers and file servers leave behind."""


def is_hidden(name: str) -> bool:
    """Tell whether a name is to be passed over (``.DS_Store``)."""
    return name.startswith(".") or name in _DROPPINGS


def visible(folder: Path) -> list[Path]:
    """Return what is in a folder, sorted by name, without hidden files."""
    return sorted((e for e in folder.iterdir() if not is_hidden(e.name)), key=lambda e: e.name)


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
