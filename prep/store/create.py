"""Beginning a store, or going on with one."""

from __future__ import annotations

from pathlib import Path

from prep.errors import StoreError
from prep.store.header import StoreHeader
from prep.store.objects import Objects, open_objects
from prep.store.record import decode_group, encode_group
from prep.store.schema import (
    FOLDS_KEY,
    FORMAT,
    LOCK_KEY,
    OWN_PREFIXES,
    PARTS_KEY,
    ROOT_KEY,
    SCENES_KEY,
    part_prefix,
)

_EMPTY_GROUP = encode_group({})


def create_store(
    path: str | Path,
    header: StoreHeader,
    *,
    rebuild: bool = False,
    objects: Objects | None = None,
) -> None:
    """Write the header of a store, or check that the store there can be continued.

    Parts that the plan no longer has are deleted; folds, groups and counts may change freely,
    since no part depends on them.

    Parameters
    ----------
    path : path
        Folder of the store; it may be missing or empty.
    header : StoreHeader
    rebuild : bool
        Throw away a store of another recipe instead of refusing.
    objects : Objects, optional
        Where the objects live, in place of ``path``.

    Raises
    ------
    StoreError
        ``path`` holds something else than a store, or a store of another key.
    """
    objects = objects or open_objects(path)
    check_target(objects)
    old = None
    data = objects.get(ROOT_KEY)
    if data is not None and not rebuild:
        old = StoreHeader.from_dict(decode_group(data, objects.where), objects.where)
        if old.key != header.key:
            changes = "; ".join(old.differences(header))
            raise StoreError(
                f"{objects.where}: refused: recipe changed (key {old.key[:8]} -> "
                f"{header.key[:8]}: {changes}); build into another folder or pass --rebuild"
            )
    if rebuild:
        wipe_store(objects)
    new = encode_group(header.to_dict())
    if data != new or rebuild:
        unfinish(objects)
        delete_all(objects, "folds/")
        _delete_surplus_parts(objects, header.n_parts)
        objects.put(ROOT_KEY, new)
    for key in (PARTS_KEY, FOLDS_KEY):
        if objects.get(key) != _EMPTY_GROUP:
            objects.put(key, _EMPTY_GROUP)


def read_header(objects: Objects) -> StoreHeader:
    """Return the header of a store.

    Raises
    ------
    StoreError
        Not a store, of another schema version, or damaged.
    """
    data = objects.get(ROOT_KEY)
    if data is None:
        raise StoreError(f"{objects.where}: no store there; build it first or check the path")
    return StoreHeader.from_dict(decode_group(data, objects.where), objects.where)


def check_target(objects: Objects) -> None:
    """Refuse a place that holds anything but a store; StoreError."""
    data = objects.get(ROOT_KEY)
    if data is None:
        strangers = [key for key in objects.list() if key != LOCK_KEY]
        if strangers:
            raise StoreError(
                f"{objects.where}: holds other files ({strangers[0]}), not a jointcloud store; "
                "give another folder"
            )
    elif not _is_store(objects, data):
        raise StoreError(f"{objects.where}: a Zarr group of another program; give another folder")


def _is_store(objects: Objects, root: bytes) -> bool:
    """Tell whether a root group is a store's, by what is beside it where it is damaged."""
    try:
        return decode_group(root, objects.where).get("format") == FORMAT
    except StoreError:
        return objects.get(PARTS_KEY) == _EMPTY_GROUP


def unfinish(objects: Objects) -> None:
    """Take away the record that makes a store readable, before anything of it changes."""
    objects.delete(SCENES_KEY)


def wipe_store(objects: Objects) -> None:
    """Delete all objects of a store and nothing else; the header last."""
    unfinish(objects)
    for prefix in OWN_PREFIXES:
        if prefix != LOCK_KEY.partition("/")[0] + "/":
            delete_all(objects, prefix)
    objects.delete(ROOT_KEY)


def delete_all(objects: Objects, prefix: str) -> None:
    """Delete all objects below a prefix."""
    for key in objects.list(prefix):
        objects.delete(key)


def _delete_surplus_parts(objects: Objects, n_parts: int) -> None:
    kept = {part_prefix(index) for index in range(n_parts)}
    for key in objects.list("parts/"):
        if key != PARTS_KEY and key[: len("parts/00000/")] not in kept:
            objects.delete(key)
