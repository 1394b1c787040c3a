"""PLY files, ASCII and binary of either byte order, in whole."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from plyfile import PlyData, PlyParseError

from prep.errors import SourceError

VERTEX = "vertex"
_TRIANGLES = {"face": {"vertex_indices": 3, "vertex_index": 3}}


def read_ply(path: Path, *, scene: str = "", file: str = "") -> PlyData:
    """Read all elements of a PLY file.

    Raises
    ------
    SourceError
        The file cannot be read, is no PLY, is cut short, or has no element ``vertex``.
    """
    try:
        data = _read(path)
        if VERTEX not in data:
            raise PlyParseError("no element vertex")
    except (PlyParseError, OSError, ValueError, OverflowError, MemoryError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise SourceError(
            scene=scene,
            file=file or path.name,
            found=" ".join((reason or type(error).__name__).split())[:150],
            wanted="a complete PLY file with an element vertex",
            remedy="restore or export the file again",
        ) from error
    return data


def vertex_columns(data: PlyData) -> dict[str, NDArray[Any]]:
    """Return the scalar properties of the vertices by name; list properties are left out."""
    vertex = np.asarray(data[VERTEX].data)
    names = vertex.dtype.names or ()
    return {name: vertex[name] for name in names if vertex[name].dtype != object}


def _read(path: Path) -> PlyData:
    """Map with all faces as triangles, which is much faster, or else read lists of any length."""
    try:
        return PlyData.read(str(path), known_list_len=_TRIANGLES)
    except UnicodeDecodeError:
        return PlyData.read(io.BytesIO(_ascii_header(path.read_bytes())))
    except PlyParseError:
        return PlyData.read(str(path))


def _ascii_header(data: bytes) -> bytes:
    """Return a file with ``?`` for every byte of its header that is not ASCII.

    The format has no other bytes there, but comments of scanning programs do.
    """
    end = data.find(b"end_header")
    header = data[:end].decode("ascii", "replace").replace("\ufffd", "?")
    return header.encode() + data[end:] if end >= 0 else data
