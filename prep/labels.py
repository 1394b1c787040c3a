"""Class names, ids and colours of a data set, level by level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prep.errors import OptionError


@dataclass(frozen=True)
class ClassInfo:
    """One semantic class: dense id 0..C−1, name and RGB colour (0..255)."""

    id: int
    name: str
    color: tuple[int, int, int]


@dataclass(frozen=True)
class Level:
    """One granularity of labels (S3DIS has one, PartNet three)."""

    name: str
    classes: tuple[ClassInfo, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Class names in the order of their ids."""
        return tuple(c.name for c in self.classes)


@dataclass(frozen=True)
class Labels:
    """All levels of a data set, and other names under which a class may turn up."""

    levels: tuple[Level, ...]
    aliases: tuple[tuple[str, str], ...] = ()

    def class_ids(self, level: int = 0) -> dict[str, int]:
        """Return name → id of a level, aliases included."""
        ids = {c.name: c.id for c in self.levels[level].classes}
        ids.update({alias: ids[name] for alias, name in self.aliases if name in ids})
        return ids

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; the inverse of :meth:`from_dict`."""
        return {
            "levels": [
                {
                    "name": level.name,
                    "classes": [
                        {"id": c.id, "name": c.name, "color": list(c.color)} for c in level.classes
                    ],
                }
                for level in self.levels
            ],
            "aliases": dict(self.aliases),
        }

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Labels:
        """Parse what :meth:`to_dict` wrote; raises OptionError on anything else."""
        try:
            levels = tuple(
                Level(
                    str(level["name"]),
                    tuple(
                        ClassInfo(int(c["id"]), str(c["name"]), _parse_color(c["color"]))
                        for c in level["classes"]
                    ),
                )
                for level in data["levels"]
            )
            aliases = tuple((str(a), str(n)) for a, n in data.get("aliases", {}).items())
        except (KeyError, TypeError, ValueError) as error:
            raise OptionError(f"labels: {error!r} in the store's class table") from error
        for level in levels:
            if [c.id for c in level.classes] != list(range(len(level.classes))):
                raise OptionError(f"labels: ids of level {level.name} are not 0, 1, 2, …")
        return Labels(levels, aliases)


def _parse_color(value: Any) -> tuple[int, int, int]:
    red, green, blue = (int(v) for v in value)
    if not all(0 <= v <= 255 for v in (red, green, blue)):
        raise ValueError(f"colour {value} outside 0..255")
    return red, green, blue
