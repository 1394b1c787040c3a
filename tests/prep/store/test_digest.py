from __future__ import annotations

import dataclasses
import shutil

import pytest

from prep import stages
from prep.store import (
    open_store,
)
from tests.prep.store.rooms import (
    RECIPE,
    build,
    make_header,
    make_tasks,
    tree,
)


def _digest(raw, header, tasks):
    from prep.store.commit import hash_source, part_digest

    sources = tasks[0].sources
    return part_digest(header, sources, [hash_source(source) for source in sources])


@pytest.mark.parametrize(
    "change",
    [
        {"dataset": "other"},
        {"reader": "cloud"},
        {"options": {"columns": "xyz"}},
        {"levels": (4,)},
        {"stages": {**stages.stage_versions(), "draw": 99}},
        *[
            {"recipe": dataclasses.replace(RECIPE, **{field: value})}
            for field, value in {
                "block_m": 0.9,
                "stride_m": 0.4,
                "min_points": 21,
                "n_points": 33,
                "draw": "without_replacement",
                "wfs_threshold": 4,
                "wfs_delta": 0.0,
                "msa_radii_m": (0.2,),
                "part_points": 5,
                "seed": 1,
            }.items()
        ],
    ],
    ids=lambda change: "-".join(change),
)
def test_every_ingredient_changes_the_digest(raw, change):
    tasks = make_tasks(raw, raw)
    header = make_header(raw)
    assert _digest(raw, make_header(raw), tasks) == _digest(raw, header, tasks)
    assert _digest(raw, make_header(raw, **change), tasks) != _digest(raw, header, tasks)


@pytest.mark.parametrize("field", ["name", "group", "files", "options"])
def test_every_property_of_a_scene_changes_the_digest(raw, field):
    header = make_header(raw)
    (task, *_) = make_tasks(raw, raw)
    shutil.copy(raw / "A/one.npz", raw / "A/copy.npz")
    other = {"name": "x", "group": "x", "files": ("A/copy.npz",), "options": {"a": 1}}[field]
    changed = dataclasses.replace(task.sources[0], **{field: other})
    moved = dataclasses.replace(task, sources=(changed,))
    assert _digest(raw, header, [moved]) != _digest(raw, header, [task])


def test_neither_root_nor_fold_definitions_matter_to_a_part(raw, store_path, tmp_path):
    shutil.move(raw, tmp_path / "elsewhere")
    reports = build(tmp_path / "elsewhere", store_path, per_part=2, folds={"a": ("A",)})
    assert [r.status for r in reports] == ["kept", "kept"]
    assert open_store(store_path).folds == ("a", "all")
    assert "folds/b/train/zarr.json" not in tree(store_path)
    assert str(tmp_path).encode() not in b"".join(tree(store_path).values())
