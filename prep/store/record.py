"""Records: JSON with one spelling, hashes, and Zarr groups that carry a record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from prep.errors import StoreError


def canonical_json(value: Any) -> bytes:
    """Return the one JSON spelling of ``value``: sorted keys, ASCII, no blanks, no NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode()


def hash_bytes(data: bytes | memoryview) -> str:
    """Return the blake2b-128 of some bytes, 32 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def digest_json(value: Any) -> str:
    """Return the hash of the one spelling of ``value``."""
    return hash_bytes(canonical_json(value))


def digest_all(hashes: Iterable[str]) -> str:
    """Return the hash of a sequence of hashes."""
    return digest_json(list(hashes))


def encode_group(attributes: dict[str, Any]) -> bytes:
    """Return the ``zarr.json`` of a group: what Zarr would write, with one spelling."""
    group = {"attributes": attributes, "node_type": "group", "zarr_format": 3}
    return json.dumps(group, sort_keys=True, indent=1, ensure_ascii=True, allow_nan=False).encode()


def decode_group(data: bytes, where: str) -> dict[str, Any]:
    """Return the attributes of a group; the inverse of :func:`encode_group`.

    Raises
    ------
    StoreError
        Not JSON, or not the metadata of a Zarr v3 group.
    """
    try:
        group = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{where}: damaged, not readable as JSON ({error})") from error
    if not isinstance(group, dict) or group.get("node_type") != "group":
        raise StoreError(f"{where}: damaged, not the metadata of a Zarr group")
    attributes = group.get("attributes")
    if group.get("zarr_format") != 3 or not isinstance(attributes, dict):
        raise StoreError(f"{where}: damaged, not the metadata of a Zarr v3 group")
    return attributes


def encode_record(record: dict[str, Any]) -> bytes:
    """Return a group whose attributes are ``record`` and a checksum of it."""
    return encode_group({**record, "checksum": digest_json(record)})


def decode_record(data: bytes, where: str) -> dict[str, Any]:
    """Return a record written by :func:`encode_record`; raises StoreError when a byte changed."""
    record = decode_group(data, where)
    checksum = record.pop("checksum", None)
    try:
        intact = checksum == digest_json(record) and encode_record(record) == data
    except ValueError:
        intact = False
    if not intact:
        raise StoreError(f"{where}: damaged, its checksum does not match")
    return record
