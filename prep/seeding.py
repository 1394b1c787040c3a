"""Seeds: every random draw is a function of the recipe's seed and a name."""

from __future__ import annotations

import hashlib


def scene_seed(seed: int, name: str) -> int:
    """Return the seed of a scene (or of a fold): a stage may run twice and draws the same.

    Parameters
    ----------
    seed : int
        ``Recipe.seed``.
    name : str
        Unique name of the scene, or of whatever else draws.

    Returns
    -------
    int
        The first 8 bytes, little endian, of blake2b of ``f"{seed}:{name}"``, in [0, 2^64).
    """
    digest = hashlib.blake2b(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "little")
