"""The commit record of a part: what it was made from, what came out, and every object's hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prep.errors import SourceError, StoreError
from prep.scene import Defect, SceneSource
from prep.store.fetch import object_fault
from prep.store.header import StoreHeader
from prep.store.objects import Objects
from prep.store.record import decode_record, digest_json, encode_record, hash_bytes
from prep.store.schema import array_of, commit_key, part_prefix

#: ``[path relative to the data set's root, bytes, blake2b-128]`` of a source file.
FileHash = list[Any]

_READ_BYTES = 8 << 20


@dataclass(frozen=True)
class Commit:
    """A part's commit record.

    Attributes
    ----------
    digest : str
        Hash of everything that decided the part's bytes: schema, data set, labels, recipe,
        reader, stage versions, names of scenes, and names, sizes and hashes of their files.
    key : str
        Key of the store's header.
    scenes : tuple of dict
        One per stored scene: name, group, rows, read, dropped, blocks, instances (by level),
        color, normal, origin, extent, files.
    skipped : tuple of dict
        Scenes left out under ``--on-defect skip``: name, group, reason, files.
    defects : tuple of Defect
        Repairs, scene by scene.
    on_defect : str
        What was done about defects; "" where there were none, since then it played no part.
    objects : dict
        Array (or group's metadata) → object key relative to the part → [bytes, hash].
    """

    digest: str
    key: str
    scenes: tuple[dict[str, Any], ...]
    skipped: tuple[dict[str, Any], ...]
    defects: tuple[Defect, ...]
    on_defect: str
    objects: dict[str, dict[str, list[Any]]]

    @property
    def points(self) -> int:
        """Points stored."""
        return sum(scene["rows"] for scene in self.scenes)

    @property
    def n_read(self) -> int:
        """Rows met in the sources of the stored scenes."""
        return sum(scene["read"] for scene in self.scenes)

    @property
    def n_bytes(self) -> int:
        """Bytes of all objects, without the record itself."""
        return sum(entry[0] for group in self.objects.values() for entry in group.values())

    def sizes(self) -> dict[str, int]:
        """Return object key relative to the part → bytes."""
        return {key: row[0] for group in self.objects.values() for key, row in group.items()}

    def encode(self) -> bytes:
        """Return the record's object."""
        record = asdict(self)
        record["defects"] = [asdict(defect) for defect in self.defects]
        return encode_record(record)

    @staticmethod
    def decode(data: bytes, where: str) -> Commit:
        """Parse a record's object; raises StoreError on anything but :meth:`encode`'s output."""
        record = decode_record(data, where)
        try:
            commit = Commit(
                digest=record["digest"],
                key=record["key"],
                scenes=tuple(record["scenes"]),
                skipped=tuple(record["skipped"]),
                defects=tuple(Defect(**defect) for defect in record["defects"]),
                on_defect=record["on_defect"],
                objects=record["objects"],
            )
        except (KeyError, TypeError) as error:
            raise StoreError(f"{where}: damaged, not a commit record ({error})") from error
        return commit


def commit_bytes(objects: Objects, index: int) -> bytes | None:
    """Return the object of a part's commit record, None where the part is not done."""
    return objects.get(commit_key(index))


def read_commit(objects: Objects, index: int) -> Commit | None:
    """Return a part's commit record, None where the part is not done.

    Raises
    ------
    StoreError
        The record is damaged.
    """
    data = commit_bytes(objects, index)
    return None if data is None else Commit.decode(data, f"part {index}: commit")


def list_hashes(encoded: Mapping[str, bytes], names: Iterable[str]) -> dict[str, Any]:
    """Return array → object → [bytes, hash] of encoded objects."""
    names = tuple(names)
    table: dict[str, dict[str, list[Any]]] = {}
    for key, data in encoded.items():
        table.setdefault(array_of(key, names), {})[key] = [len(data), hash_bytes(data)]
    return table


def hash_source(source: SceneSource) -> list[FileHash]:
    """Read and hash the files of a scene.

    Raises
    ------
    SourceError
        A file is missing or cannot be read.
    """
    return [_hash_file(source, file) for file in source.files]


def part_digest(
    header: StoreHeader, sources: Iterable[SceneSource], hashes: Iterable[list[FileHash]]
) -> str:
    """Return the hash of everything that decides the bytes of a part."""
    scenes = [
        {"name": s.name, "group": s.group, "options": s.options, "files": files}
        for s, files in zip(sources, hashes, strict=True)
    ]
    return digest_json({**header.inputs, "scenes": scenes})


def is_intact(objects: Objects, index: int, commit: Commit) -> bool:
    """Tell whether exactly the objects of the record are there, each with its size and hash."""
    prefix = part_prefix(index)
    found = {key.removeprefix(prefix): size for key, size in objects.list(prefix).items()}
    found.pop(commit_key(index).removeprefix(prefix), None)
    return found == commit.sizes() and not any(
        object_fault(objects.get(prefix + key), entry)
        for group in commit.objects.values()
        for key, entry in group.items()
    )


def _hash_file(source: SceneSource, file: str) -> FileHash:
    path = source.path(file)
    digest = hashlib.blake2b(digest_size=16)
    size = 0
    try:
        with Path(path).open("rb") as stream:
            while piece := stream.read(_READ_BYTES):
                digest.update(piece)
                size += len(piece)
    except OSError as error:
        raise SourceError(
            scene=source.name,
            file=file,
            found=f"nothing readable ({error.strerror})",
            wanted="the file that was listed",
            remedy="check the disk and the permissions, or list the scenes again",
        ) from error
    return [file, size, digest.hexdigest()]
