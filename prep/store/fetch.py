"""Arrays read from a store's objects, with the hash of everything that is read checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from prep.errors import StoreError
from prep.store.encode import decode_array
from prep.store.objects import Objects
from prep.store.record import hash_bytes

#: Object key relative to a group → [bytes, hash].
Hashes = Mapping[str, list[Any]]


def object_fault(data: bytes | None, entry: list[Any]) -> str:
    """Return what is wrong with an object by its entry ``[bytes, hash]``; "" if nothing."""
    size, wanted = entry
    if data is None:
        return "missing"
    if len(data) != size:
        return f"{len(data)} bytes long, wanted {size}"
    if hash_bytes(data) != wanted:
        return "damaged, its hash does not match"
    return ""


def read_array(objects: Objects, prefix: str, name: str, hashes: Hashes) -> NDArray[Any]:
    """Read one array whole.

    Parameters
    ----------
    objects : Objects
    prefix : str
        Prefix of the group.
    name : str
        Array in the group.
    hashes : dict
        Its objects, as a commit or finish record lists them.

    Raises
    ------
    StoreError
        An object is missing or not what was written; the line names part and array.
    """
    held = {}
    for key, entry in hashes.items():
        data = objects.get(prefix + key)
        fault = object_fault(data, entry)
        if data is None or fault:
            raise StoreError(
                f"{objects.where}: {prefix}{name}: object {key} is {fault}; "
                "run the build again to mend it"
            )
        held[key] = data
    return decode_array(held, name)
