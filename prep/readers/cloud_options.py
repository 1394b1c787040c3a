"""The options of :mod:`prep.readers.cloud`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from prep.errors import OptionError
from prep.labels import Labels
from prep.readers.columns import parse_columns
from prep.readers.formats import SUFFIXES
from prep.readers.values import ClassOptions


@dataclass(frozen=True)
class CloudOptions:
    """How a user's clouds are to be read.

    Attributes
    ----------
    columns : mapping of role to column
        Roles are x y z, red green blue, nx ny nz, semantic and instance; a column is a name, an
        index where columns have no names, or null (None) to leave the role out.
    formats : list of str
        Suffixes to read, such as ``[ply]``; by default all that the reader knows, and a file of
        another cloud format is an error.
    classes : ClassOptions
        Given as the options ``unlabelled`` and ``unknown_class``.
    instance_per_class : bool
        Instance ids count inside each class (chair 1 and table 1 are two things).
    """

    columns: Mapping[str, str | None]
    formats: tuple[str, ...] | None = None
    classes: ClassOptions = field(default_factory=ClassOptions)
    instance_per_class: bool = False


def parse_options(options: Mapping[str, object], labels: Labels) -> CloudOptions:
    """Parse the reader's options; raises OptionError with all faults at once."""
    known = ("columns", "formats", "unlabelled", "unknown_class", "instance_per_class")
    faults = [f"unknown option {name!r}" for name in options if name not in known]
    columns: dict[str, str | None] = {}
    try:
        columns = parse_columns(options.get("columns"))
    except OptionError as error:
        faults.append(str(error))
    formats = options.get("formats")
    suffixes = None
    if formats is not None:
        listed = formats if isinstance(formats, list) else [formats]
        suffixes = tuple(f".{str(f).lower().removeprefix('.')}" for f in listed)
        if not suffixes or not set(suffixes) <= set(SUFFIXES):
            faults.append(f"formats {formats!r} must be of {' '.join(SUFFIXES)}")
    unlabelled = options.get("unlabelled", [])
    if not isinstance(unlabelled, list):
        faults.append(f"unlabelled {unlabelled!r} must be a list")
        unlabelled = []
    unknown_class = options.get("unknown_class")
    if unknown_class is not None and str(unknown_class) not in labels.class_ids():
        names = ", ".join(labels.class_ids())
        faults.append(f"unknown_class {unknown_class!r} must be one of {names}")
    per_class = options.get("instance_per_class", False)
    if not isinstance(per_class, bool):
        faults.append(f"instance_per_class {per_class!r} must be true or false")
    if faults:
        raise OptionError("reader cloud: " + "; ".join(faults))
    classes = ClassOptions(
        tuple(str(v) for v in unlabelled), None if unknown_class is None else str(unknown_class)
    )
    return CloudOptions(columns, suffixes, classes, bool(per_class))
