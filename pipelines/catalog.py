"""The catalogue: which data sets there are, how they are read and what to expect of them.

The program's own ``catalog.yaml`` lies beside the packages in a checkout and inside ``pipelines``
in an installed wheel. A user's file adds entries and replaces those of the same name, whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipelines.catalog_check import CatalogError, CatalogFault, listed, nearest
from pipelines.catalog_parse import DatasetEntry, parse_catalog
from prep.errors import OptionError

__all__ = [
    "CatalogError",
    "CatalogFault",
    "DatasetEntry",
    "find_entry",
    "load_catalog",
    "own_catalog",
    "read_catalog",
]


def own_catalog() -> Path:
    """Return the path of the program's own ``catalog.yaml``."""
    here = Path(__file__).resolve().parent
    places = (here / "catalog.yaml", here.parent / "catalog.yaml")
    for place in places:
        if place.is_file():
            return place
    raise OptionError(
        f"catalog.yaml: found neither {places[0]} nor {places[1]}, wanted one of them; "
        "install jointcloud again or pass --catalog FILE"
    )


def read_catalog(path: Path) -> dict[str, DatasetEntry]:
    """Read one catalogue file, name → entry in the file's order.

    Raises
    ------
    OptionError
        The file cannot be read.
    CatalogError
        With all that is wrong in it.
    """
    from prep.readers import READERS

    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise OptionError(
            f"{path}: {error.strerror or error}, wanted a catalogue file; check --catalog"
        ) from error
    except UnicodeDecodeError as error:
        fault = CatalogFault(str(path), 0, "", f"byte {error.start} not UTF-8", "UTF-8 text")
        raise CatalogError([fault]) from error
    return parse_catalog(text, str(path), READERS)


def load_catalog(path: Path | None = None) -> dict[str, DatasetEntry]:
    """Return the program's own entries, those of ``path`` added or put in their place."""
    entries = read_catalog(own_catalog())
    if path is not None:
        entries.update(read_catalog(path))
    return entries


def find_entry(entries: Mapping[str, DatasetEntry], name: str) -> DatasetEntry:
    """Return the entry called ``name``; raises OptionError that names the nearest one."""
    if name in entries:
        return entries[name]
    near = nearest(name, entries)
    guess = f"did you mean {near}? " if near else ""
    raise OptionError(
        f"data set {name!r}: found no such entry in the catalogue, wanted one of "
        f"{listed(entries)}; {guess}add it with --catalog FILE"
    )
