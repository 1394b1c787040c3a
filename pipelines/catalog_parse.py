"""Catalogue files: text to checked :class:`DatasetEntry` values.

A file is read with the safe YAML loader only: plain values, no code, no templates, no
environment. Parsing goes on to the end of the file and reports all faults together.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field, fields
from typing import Any

from pipelines.catalog_check import Check, listed, nearest
from prep.errors import OptionError
from prep.labels import ClassInfo, Labels, Level
from prep.recipe import Recipe

VERSION = 1

_FOLD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class DatasetEntry:
    """One data set of a catalogue, parsed and checked.

    Attributes
    ----------
    name, title : str
    reader : str
        Key of ``prep.readers.READERS``.
    labels : Labels
        Classes by level, and aliases.
    groups : dict of str to int or None
        Expected number of scenes of each group, None where any number of at least one will do;
        an empty mapping takes whatever groups there are.
    folds : dict of str to tuple of str
        Groups that each fold tests on; all other groups train. ``all`` is always there besides.
    recipe : Recipe
        Defaults of a build, before ``--recipe key=value``.
    reader_options : dict
        Plain values handed to the reader.
    licence, source : str
        Terms of use, and how to get the data.
    file : str
        The catalogue file that holds the entry.
    """

    name: str
    title: str
    reader: str
    labels: Labels
    groups: dict[str, int | None] = field(default_factory=dict)
    folds: dict[str, tuple[str, ...]] = field(default_factory=dict)
    recipe: Recipe = field(default_factory=Recipe)
    reader_options: dict[str, object] = field(default_factory=dict)
    licence: str = ""
    source: str = ""
    file: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, defaults filled in."""
        return {
            "name": self.name,
            "title": self.title,
            "reader": self.reader,
            "reader_options": self.reader_options,
            **self.labels.to_dict(),
            "groups": self.groups,
            "folds": {name: list(test) for name, test in self.folds.items()},
            "recipe": self.recipe.to_dict(),
            "licence": self.licence,
            "source": self.source,
            "file": self.file,
        }


def parse_catalog(text: str, file: str, readers: Collection[str]) -> dict[str, DatasetEntry]:
    """Parse one catalogue file.

    Parameters
    ----------
    text : str
        Contents of the file.
    file : str
        Its name, for messages.
    readers : collection of str
        Names of the readers there are.

    Raises
    ------
    CatalogError
        With every fault of the file.
    """
    check = Check(file)
    top = check.mapping(check.load(text), "", required=("version", "datasets"), optional=())
    if "version" in top and (type(top["version"]) is not int or top["version"] != VERSION):
        check.fault("version", top["version"], str(VERSION))
    datasets = check.mapping(top["datasets"], "datasets") if "datasets" in top else {}
    entries = {name: _entry(check, name, value, readers) for name, value in datasets.items()}
    check.close()
    return entries


def _entry(check: Check, name: str, value: object, readers: Collection[str]) -> DatasetEntry:
    path = f"datasets.{name}"
    data = check.mapping(
        value,
        path,
        required=("title", "reader", "levels"),
        optional=("reader_options", "aliases", "groups", "folds", "recipe", "licence", "source"),
    )

    def text(key: str) -> str:
        return check.text(data[key], f"{path}.{key}") if key in data else ""

    reader = text("reader")
    if reader and reader not in readers:
        wanted = f"one of {listed(readers)}"
        check.fault(f"{path}.reader", reader, wanted, near=nearest(reader, readers))
    levels = _levels(check, data["levels"], f"{path}.levels") if "levels" in data else ()
    options = check.mapping(data.get("reader_options", {}), f"{path}.reader_options")
    check.plain(options, f"{path}.reader_options")
    groups = _groups(check, data.get("groups", {}), f"{path}.groups")
    return DatasetEntry(
        name=name,
        title=text("title"),
        reader=reader,
        labels=Labels(levels, _aliases(check, data.get("aliases", {}), f"{path}.aliases", levels)),
        groups=groups,
        folds=_folds(check, data.get("folds", {}), f"{path}.folds", groups),
        recipe=_recipe(check, data.get("recipe", {}), f"{path}.recipe"),
        reader_options=options,
        licence=text("licence"),
        source=text("source"),
        file=check.file,
    )


def _levels(check: Check, value: object, path: str) -> tuple[Level, ...]:
    levels: list[Level] = []
    for i, item in enumerate(check.sequence(value, path, "a list of at least one level")):
        place = f"{path}[{i}]"
        data = check.mapping(item, place, required=("name", "classes"), optional=())
        classes: list[ClassInfo] = []
        rows = data.get("classes", [None])
        wanted = "a list of at least one class"
        for k, row in enumerate(check.sequence(rows, f"{place}.classes", wanted)):
            if "classes" in data:
                classes.append(_class(check, row, f"{place}.classes[{k}]", classes))
        name = check.text(data["name"], f"{place}.name") if "name" in data else ""
        if name and name in {level.name for level in levels}:
            check.fault(f"{place}.name", name, "a name that no other level has")
        levels.append(Level(name, tuple(classes)))
    return tuple(levels)


def _class(check: Check, value: object, path: str, before: list[ClassInfo]) -> ClassInfo:
    data = check.mapping(value, path, required=("id", "name", "color"), optional=())
    number = len(before)
    if "id" in data and (type(data["id"]) is not int or data["id"] != number):
        check.fault(f"{path}.id", data["id"], f"{number} (ids count up from 0 in the list's order)")
    name = check.text(data["name"], f"{path}.name") if "name" in data else ""
    if name and name in {c.name for c in before}:
        check.fault(f"{path}.name", name, "a name that no other class of the level has")
    color = data.get("color", [0, 0, 0])
    whole = isinstance(color, list) and len(color) == 3 and all(type(v) is int for v in color)
    if not whole or not all(0 <= v <= 255 for v in color):
        check.fault(f"{path}.color", color, "[red, green, blue], whole numbers 0..255")
        color = [0, 0, 0]
    return ClassInfo(number, name, (color[0], color[1], color[2]))


def _aliases(
    check: Check, value: object, path: str, levels: tuple[Level, ...]
) -> tuple[tuple[str, str], ...]:
    known = list(dict.fromkeys(name for level in levels for name in level.names if name))
    aliases = []
    for alias, name in check.mapping(value, path).items():
        place = f"{path}.{alias}"
        if alias in known:
            check.fault(place, alias, "another name, not that of a class")
        elif not isinstance(name, str) or name not in known:
            check.fault(place, name, f"one of {listed(known)}", near=nearest(name, known))
        else:
            aliases.append((alias, name))
    return tuple(aliases)


def _groups(check: Check, value: object, path: str) -> dict[str, int | None]:
    groups: dict[str, int | None] = {}
    for group, count in check.mapping(value, path).items():
        if count is None or (type(count) is int and count >= 1):
            groups[group] = count
        else:
            groups[group] = None
            wanted = "the number of scenes, at least 1, or null where any number will do"
            check.fault(f"{path}.{group}", count, wanted)
    return groups


def _folds(
    check: Check, value: object, path: str, groups: dict[str, int | None]
) -> dict[str, tuple[str, ...]]:
    folds = {}
    for fold, test in check.mapping(value, path).items():
        names: list[str] = []
        if not _FOLD_NAME.fullmatch(fold) or fold == "all":
            wanted = "letters, digits, _ - . and not all, which is always there"
            check.fault(f"{path}.{fold}", fold, wanted)
        wanted = "a list of the groups to test on"
        for i, group in enumerate(check.sequence(test, f"{path}.{fold}", wanted)):
            place = f"{path}.{fold}[{i}]"
            if not isinstance(group, str) or (groups and group not in groups):
                one = f"one of {listed(groups)}" if groups else "the name of a group, as text"
                check.fault(place, group, one, near=nearest(group, groups))
            elif group in names:
                check.fault(place, group, "each group once")
            else:
                names.append(group)
        folds[fold] = tuple(names)
    return folds


def _recipe(check: Check, value: object, path: str) -> Recipe:
    """Parse recipe defaults; a key that is wrong leaves, and the rest is checked again."""
    data = check.mapping(value, path, optional=[f.name for f in fields(Recipe)])
    for key in list(data):
        known = len(check.faults)
        check.plain(data[key], f"{path}.{key}")
        if len(check.faults) > known:
            del data[key]
    defaults = Recipe().to_dict()
    while True:
        try:
            return Recipe.from_dict(data)
        except OptionError as error:
            good = dict(data)
            for message in str(error).removeprefix("recipe: ").split("; "):
                key = message.split(" ", 1)[0]
                _, must, rule = message.partition(" must ")
                wanted = f"it to {rule}" if must else f"a value like {defaults[key]!r}"
                check.fault(f"{path}.{key}", good.pop(key, defaults[key]), wanted)
            if len(good) == len(data):
                return Recipe()
            data = good
