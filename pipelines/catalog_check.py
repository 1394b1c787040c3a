"""Checking of plain YAML values: every fault gathered, each with its file, line and path."""

from __future__ import annotations

import difflib
import math
import reprlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

import yaml

from prep.errors import OptionError

_MOST_PATHS = 100_000  # an alias bomb ends here
_DEEPEST = 20


@dataclass(frozen=True)
class CatalogFault:
    """One thing that is wrong in a catalogue file (``line`` is 1-based, 0 when unknown)."""

    file: str
    line: int
    path: str
    found: str
    wanted: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        path = f" {self.path}:" if self.path else ""
        return f"{place}:{path} found {self.found}, wanted {self.wanted}"


class CatalogError(OptionError):
    """A catalogue file is wrong; ``faults`` holds all that is, the message one line for each."""

    def __init__(self, faults: Iterable[CatalogFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))

    def __reduce__(self) -> tuple[object, ...]:
        return CatalogError, (self.faults,)


class Check:
    """Reads one YAML file and takes its values apart, noting what is wrong with them.

    The methods return a harmless value of the right type after a fault, so that checking goes on
    to the end of the file; ``close`` raises what was gathered.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.faults: list[CatalogFault] = []
        self._lines: dict[str, int] = {}

    def load(self, text: str) -> Any:
        """Return the plain values of ``text``; keys that stand twice are faults."""
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
            data = yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or str(error).splitlines()[0]
            line = mark.line + 1 if mark else 0
            found = f"what plain YAML does not allow ({problem})"
            fault = CatalogFault(self.file, line, "", found, "keys and plain values")
            raise CatalogError([fault]) from error
        if root is not None:
            self._index(root, "", frozenset())
        return data

    def close(self) -> None:
        """Raise CatalogError with all faults in the order of their lines, if there are any."""
        if self.faults:
            raise CatalogError(sorted(dict.fromkeys(self.faults), key=lambda fault: fault.line))

    def fault(self, path: str, value: object, wanted: str, *, near: str = "") -> None:
        """Note that ``value`` stands at ``path`` where ``wanted`` should; ``near`` is a guess."""
        if near:
            wanted += f" (did you mean {near}?)"
        found = reprlib.repr(value)
        self.faults.append(CatalogFault(self.file, self._line(path), path, found, wanted))

    def mapping(
        self,
        value: object,
        path: str,
        *,
        required: Collection[str] = (),
        optional: Collection[str] | None = None,
    ) -> dict[str, Any]:
        """Return a mapping with text keys; without ``optional`` any key is good."""
        if not isinstance(value, dict):
            self.fault(path, value, "a mapping of keys to values")
            return {}
        good: dict[str, Any] = {}
        for key, item in value.items():
            place = f"{path}.{key}" if path else str(key)
            if not isinstance(key, str) or not key.strip():
                self.fault(place, key, 'a key that is text (quote it: "5")')
            elif optional is not None and key not in optional and key not in required:
                known = [*required, *optional]
                self.fault(place, key, f"one of {listed(known)}", near=nearest(key, known))
            else:
                good[key] = item
        for key in required:
            if key not in good:
                line, wanted = self._line(path), f"the key {key}"
                self.faults.append(CatalogFault(self.file, line, path, "nothing", wanted))
        return good

    def sequence(self, value: object, path: str, wanted: str) -> list[Any]:
        """Return a list of at least one item."""
        if not isinstance(value, list) or not value:
            self.fault(path, value, wanted)
            return []
        return value

    def text(self, value: object, path: str) -> str:
        """Return text that is not blank."""
        if not isinstance(value, str) or not value.strip():
            self.fault(path, value, "text (quote it where YAML reads something else)")
            return ""
        return value.strip()

    def plain(self, value: object, path: str, depth: int = 0) -> None:
        """Check that ``value`` is made of text, finite numbers, booleans, lists and mappings."""
        if isinstance(value, dict | list) and depth < _DEEPEST:
            items = value.items() if isinstance(value, dict) else enumerate(value)
            for key, item in items:
                place = f"{path}.{key}" if isinstance(value, dict) else f"{path}[{key}]"
                if isinstance(value, dict) and not isinstance(key, str):
                    self.fault(place, key, "a key that is text")
                self.plain(item, place, depth + 1)
        elif isinstance(value, float) and not math.isfinite(value):
            self.fault(path, value, "a finite number")
        elif value is not None and not isinstance(value, str | int | float):
            self.fault(path, value, "text, a number, true, false, a list or a mapping")

    def _line(self, path: str) -> int:
        """Return the line of ``path``, or of the nearest thing around it that the file holds."""
        while path not in self._lines and path:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self._lines.get(path, 0)

    def _index(self, node: yaml.Node, path: str, parents: frozenset[int]) -> None:
        self._lines.setdefault(path, node.start_mark.line + 1)
        if id(node) in parents or len(self._lines) > _MOST_PATHS:
            return
        inside = parents | {id(node)}
        if isinstance(node, yaml.MappingNode):
            seen: dict[str, int] = {}
            for key, value in node.value:
                line = key.start_mark.line + 1
                name = str(key.value)
                child = f"{path}.{name}" if path else name
                if name in seen:
                    found = f"the key {name!r} again (first on line {seen[name]})"
                    self.faults.append(CatalogFault(self.file, line, child, found, "each key once"))
                seen.setdefault(name, line)
                self._lines.setdefault(child, line)
                self._index(value, child, inside)
        elif isinstance(node, yaml.SequenceNode):
            for i, value in enumerate(node.value):
                self._index(value, f"{path}[{i}]", inside)


def listed(names: Iterable[str]) -> str:
    """Return names for a message, in their order."""
    return ", ".join(names) or "(none)"


def nearest(name: object, known: Iterable[str]) -> str:
    """Return the known name that looks most like ``name``, "" where none does."""
    close = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.6)
    return close[0] if close else ""
