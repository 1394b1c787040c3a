"""A user's own clouds, labelled or not: PLY, NPY, NPZ and text with named columns.

One file is one scene, called by its path without the suffix; its group is its first folder, or
``all`` at the top. Which column holds what is found by the usual names
(:data:`prep.readers.columns.SYNONYMS`), or said by an option. Only x, y and z are needed: without
colours ``Scene.color`` is None, without classes or instances all are −1.

The options are those of :class:`prep.readers.cloud_options.CloudOptions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from prep.errors import SourceError
from prep.labels import Labels
from prep.readers.cloud_options import CloudOptions, parse_options
from prep.readers.columns import RawTable, find_roles, parse_columns
from prep.readers.formats import OTHER_FORMATS, SUFFIXES
from prep.readers.listing import inside, visible
from prep.readers.tables import read_table
from prep.readers.values import (
    color_values,
    instance_values,
    normal_values,
    renumber_by_class,
    semantic_values,
    shared_instances,
)
from prep.scene import Defect, OnDefect, Scene, SceneSource


def list_scenes(root: Path, *, labels: Labels, options: dict[str, object]) -> list[SceneSource]:
    """Return the clouds under ``root``, sorted by name.

    Raises
    ------
    SourceError
        There is no file to read, two files give one scene name, a link leads to a folder, out of
        the root or to nothing, or a cloud is in a format that is not read.
    OptionError
        An option is unknown or of a wrong type.
    """
    formats = parse_options(options, labels).formats
    if not root.is_dir():
        raise SourceError(
            file=str(root),
            found="no folder",
            wanted=f"a folder of {' '.join(SUFFIXES)} files",
            remedy="check the path after --root",
        )
    sources: dict[str, SceneSource] = {}
    for path in _files(root):
        suffix = path.suffix.lower()
        file = path.relative_to(root).as_posix()
        name = path.relative_to(root).with_suffix("").as_posix()
        if suffix in OTHER_FORMATS and formats is None:
            raise SourceError(
                file=file,
                found=f"format {suffix}",
                wanted=" ".join(SUFFIXES),
                remedy="convert it, or name the formats to read in the reader option formats",
            )
        if suffix not in (SUFFIXES if formats is None else formats):
            continue
        inside(path, root, name)
        if name in sources:
            raise SourceError(
                scene=name,
                file=file,
                found=f"a second file for this scene besides {sources[name].files[0]}",
                wanted="one file a scene",
                remedy="rename one, or name the formats to read in the reader option formats",
            )
        sources[name] = SceneSource(
            name=name,
            group=name.split("/")[0] if "/" in name else "all",
            root=str(root.resolve()),
            files=(file,),
            n_bytes=path.stat().st_size,
            options=dict(options),
        )
    if not sources:
        raise SourceError(
            file=str(root),
            found="no cloud",
            wanted=f"{' '.join(formats or SUFFIXES)} files",
            remedy="check the path after --root",
        )
    return sorted(sources.values(), key=lambda source: source.name)


def read_scene(source: SceneSource, *, labels: Labels, on_defect: OnDefect) -> Scene:
    """Read one cloud.

    Points whose coordinates are not finite are left out and recorded; with ``on_defect`` ``fail``
    or ``skip`` they are an error.

    Raises
    ------
    SourceError
        The file cannot be read, a column is missing or of a wrong type, a class is unknown, or no
        point is left.
    """
    options = parse_options(source.options, labels)
    path = source.path(source.files[0])
    inside(path, Path(source.root), source.name)
    table = read_table(path, scene=source.name, file=source.files[0], columns=options.columns)
    return _scene(table, source.group, options, labels, on_defect)


def read_cloud(
    path: Path, *, columns: Mapping[str, object] | None = None, labels: Labels | None = None
) -> Scene:
    """Read one cloud for prediction; classes and instances are read where there are any.

    Parameters
    ----------
    path : Path
        PLY, NPY, NPZ or text file.
    columns : mapping, optional
        As the option of that name.
    labels : Labels, optional
        Classes that the file's ids and names stand for. Without them ids are taken as they are
        and names become −1.

    Returns
    -------
    Scene
        Named as the file without its suffix, group ``all``.

    Raises
    ------
    SourceError, OptionError
        As :func:`read_scene`.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise SourceError(
            file=str(path),
            found=f"format {path.suffix or 'without a suffix'}",
            wanted=" ".join(SUFFIXES),
            remedy="convert it to one of these",
        )
    options = CloudOptions(parse_columns(columns))
    table = read_table(path, scene=path.stem, file=path.name, columns=options.columns)
    return _scene(table, "all", options, labels, "repair")


def _files(root: Path) -> list[Path]:
    """Return all visible files under a folder; a link to a folder, which may lead in a circle,
    is an error rather than passed over.
    """
    found: list[Path] = []
    unseen = [root]
    while unseen:
        for path in visible(unseen.pop()):
            if not path.is_dir():
                found.append(path)
            elif not path.is_symlink():
                unseen.append(path)
            else:
                raise SourceError(
                    file=path.relative_to(root).as_posix(),
                    found="a link to a folder",
                    wanted="a folder",
                    remedy="put the folder itself there, or remove the link",
                )
    return sorted(found)


def _scene(
    table: RawTable,
    group: str,
    options: CloudOptions,
    labels: Labels | None,
    on_defect: OnDefect,
) -> Scene:
    roles = find_roles(table, options.columns)
    n_read, n_levels = table.n_rows, 1 if labels is None else len(labels.levels)
    xyz = np.stack([table.numbers(roles[axis]) for axis in "xyz"], axis=1)
    finite = np.isfinite(xyz).all(axis=1)
    if not finite.any():
        raise table.error(
            None,
            found=f"no finite point in {n_read} rows",
            wanted="points",
            remedy="restore the file, or leave out the scene with --on-defect skip",
        )
    defects = _Defects(table, on_defect)
    defects.add("not finite", n_read - int(finite.sum()), "left out", dropped=True)
    color = normal = None
    if "red" in roles:
        color, n_missing = color_values(table, [roles[c] for c in ("red", "green", "blue")])
        defects.add("color", n_missing, "black")
    if "nx" in roles:
        normal, n_missing = normal_values(table, [roles[c] for c in ("nx", "ny", "nz")])
        defects.add("normal", n_missing, "0 0 0")
    semantic = np.full((n_read, n_levels), -1, dtype=np.int16)
    instance = np.full((n_read, n_levels), -1, dtype=np.int32)
    if "semantic" in roles:
        semantic[:, 0] = semantic_values(table, roles["semantic"], labels, options.classes)
    if "instance" in roles:
        instance[:, 0] = instance_values(table, roles["instance"])
        if options.instance_per_class:
            instance[:, 0] = renumber_by_class(semantic[:, 0], instance[:, 0])
        defects.add_shared(shared_instances(semantic[:, 0], instance[:, 0]))
    return Scene(
        name=table.scene,
        group=group,
        xyz=xyz[finite],
        color=None if color is None else color[finite],
        normal=None if normal is None else normal[finite],
        semantic=semantic[finite],
        instance=instance[finite],
        source=np.flatnonzero(finite).astype(np.int64),
        n_read=n_read,
        defects=tuple(defects.found),
    )


class _Defects:
    """The record of one file; an entry a rule, since a scan may hold millions of such points."""

    def __init__(self, table: RawTable, on_defect: OnDefect) -> None:
        self.table, self.on_defect = table, on_defect
        self.found: list[Defect] = []

    def add(self, rule: str, n: int, repair: str, *, dropped: bool = False) -> None:
        """Record ``n`` points whose values of one kind are not finite."""
        if not n:
            return
        found = f"{n} of {self.table.n_rows} points with values that are not finite ({rule})"
        if self.on_defect == "fail" or (self.on_defect == "skip" and dropped):
            raise self.table.error(
                None,
                found=found,
                wanted="finite values",
                remedy=f"--on-defect repair: {repair}",
            )
        n_dropped = n if dropped else 0
        self.found.append(
            Defect(self.table.scene, self.table.file, 0, rule, found, repair, dropped=n_dropped)
        )

    def add_shared(self, n: int) -> None:
        """Record ``n`` instance ids that stand for points of several classes."""
        if not n:
            return
        found = f"{n} instance ids with points of several classes"
        remedy = "set the reader option instance_per_class if ids count inside each class"
        if self.on_defect == "fail":
            raise self.table.error(None, found=found, wanted="one class an instance", remedy=remedy)
        self.found.append(
            Defect(self.table.scene, self.table.file, 0, "shared instance", found, "kept as it is")
        )
