"""Suffixes of point cloud files."""

from __future__ import annotations

TEXT_SUFFIXES = (".txt", ".csv", ".xyz", ".pts")
SUFFIXES = (".ply", ".npy", ".npz", *TEXT_SUFFIXES)
"""What :mod:`prep.readers.cloud` reads."""

OTHER_FORMATS = (".las", ".laz", ".pcd", ".e57", ".off", ".obj", ".bin", ".h5", ".hdf5")
"""Clouds that it does not read."""
