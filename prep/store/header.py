"""The header of a store: what was asked to be built, parsed strictly."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from prep.errors import JointcloudError, StoreError
from prep.labels import Labels
from prep.recipe import Recipe
from prep.stages import stage_versions
from prep.store.record import digest_json
from prep.store.schema import FORMAT, READABLE_VERSIONS, ROOT_KEY, SCHEMA_VERSION

_FOLD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")


@dataclass(frozen=True)
class StoreHeader:
    """What a store is built from; it stands in the attributes of its root group.

    Attributes
    ----------
    dataset : str
        Name of the data set.
    labels : Labels
    recipe : Recipe
    reader : str
        Name in ``prep.readers.READERS``.
    options : dict
        The reader's options, plain JSON values.
    n_parts : int
        Parts that the plan cuts the scenes into.
    groups : tuple of str
        Groups of scenes that were asked for.
    expected, found : dict of str to int
        Scenes of each group by the catalogue (empty where it does not say) and on disk.
    missing_allowed : tuple of str
        Scenes whose absence was accepted by name.
    folds : dict of str to tuple of str
        Test groups of each fold; all other groups train. ``all`` (every scene on both sides) is
        always added.
    stages : dict of str to int
        Versions of the stages that made the arrays.
    """

    dataset: str
    labels: Labels
    recipe: Recipe
    reader: str
    n_parts: int
    options: dict[str, object] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    expected: dict[str, int] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)
    missing_allowed: tuple[str, ...] = ()
    folds: dict[str, tuple[str, ...]] = field(default_factory=dict)
    stages: dict[str, int] = field(default_factory=stage_versions)

    def __post_init__(self) -> None:
        # one spelling of equal numbers, so that the key survives the way through JSON
        object.__setattr__(self, "recipe", Recipe.from_dict(self.recipe.to_dict()))
        for name in self.folds:
            if not _FOLD_NAME.match(name) or name == ROOT_KEY:
                raise StoreError(
                    f"fold {name!r} is not a usable name; wanted letters, digits, '_', '-', '.'"
                )
        if self.n_parts < 0:
            raise StoreError(f"a store of {self.n_parts} parts; wanted 0 or more")

    @property
    def inputs(self) -> dict[str, Any]:
        """Everything that decides the bytes of a part, apart from its scenes."""
        return {
            "schema": SCHEMA_VERSION,
            "dataset": self.dataset,
            "labels": self.labels.to_dict(),
            "recipe": self.recipe.to_dict(),
            "reader": self.reader,
            "options": self.options,
            "stages": self.stages,
        }

    @property
    def key(self) -> str:
        """Digest of :attr:`inputs`: a store is continued only under the same key."""
        return digest_json(self.inputs)

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes of the root group; the inverse of :meth:`from_dict`."""
        return {
            "format": FORMAT,
            **self.inputs,
            "key": self.key,
            "n_parts": self.n_parts,
            "groups": list(self.groups),
            "expected": self.expected,
            "found": self.found,
            "missing_allowed": list(self.missing_allowed),
            "folds": {name: list(groups) for name, groups in self.folds.items()},
        }

    @staticmethod
    def from_dict(data: dict[str, Any], where: str = "store") -> StoreHeader:
        """Parse the attributes of a root group, trusting nothing.

        Raises
        ------
        StoreError
            Not a store, written by another version, or damaged.
        """
        if data.get("format") != FORMAT:
            raise StoreError(f"{where}: not a jointcloud store; name the folder that build wrote")
        version = data.get("schema")
        if type(version) is not int or version not in READABLE_VERSIONS:
            readable = ", ".join(map(str, READABLE_VERSIONS))
            raise StoreError(
                f"{where}: schema version {version!r}, this program reads {readable}; "
                "build the store again or use the version of jointcloud that wrote it"
            )
        try:
            header = StoreHeader(
                dataset=_text(data["dataset"]),
                labels=Labels.from_dict(data["labels"]),
                recipe=Recipe.from_dict(data["recipe"]),
                reader=_text(data["reader"]),
                n_parts=_count(data["n_parts"]),
                options=_mapping(data["options"]),
                groups=_texts(data["groups"]),
                expected={k: _count(v) for k, v in _mapping(data["expected"]).items()},
                found={k: _count(v) for k, v in _mapping(data["found"]).items()},
                missing_allowed=_texts(data["missing_allowed"]),
                folds={k: _texts(v) for k, v in _mapping(data["folds"]).items()},
                stages={k: _count(v) for k, v in _mapping(data["stages"]).items()},
            )
        except (KeyError, TypeError, ValueError, JointcloudError) as error:
            raise StoreError(
                f"{where}: the header is damaged ({error}); build it again with --rebuild"
            ) from error
        if data.get("key") != header.key:
            raise StoreError(
                f"{where}: the header is damaged (key {data.get('key')!r}, its content gives "
                f"{header.key}); build it again with --rebuild"
            )
        return header

    def differences(self, other: StoreHeader) -> list[str]:
        """Return one text per input that differs, ``recipe.block_m 1.0 -> 2.0``."""
        texts = []
        mine, theirs = self.inputs, other.inputs
        for name in mine:
            old, new = mine[name], theirs[name]
            if name in ("recipe", "stages", "options"):
                for key in sorted(set(old) | set(new)):
                    if old.get(key) != new.get(key):
                        texts.append(f"{name}.{key} {old.get(key)} -> {new.get(key)}")
            elif old != new:
                texts.append(name if name == "labels" else f"{name} {old} -> {new}")
        return texts


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is not a list")
    return tuple(_text(v) for v in value)


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(f"{value!r} is not a count")
    return value


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{value!r} is not a mapping")
    return value
