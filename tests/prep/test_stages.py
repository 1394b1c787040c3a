from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from prep import stages
from prep.errors import OptionError, SourceError
from prep.labels import ClassInfo, Labels, Level
from prep.readers import READERS, Reader
from prep.recipe import Recipe
from prep.scene import Defect, Scene, SceneSource
from prep.stages import STAGES, stage_versions

LABELS = Labels((Level("all", tuple(ClassInfo(c, f"c{c}", (0, 0, 0)) for c in range(3))),))
SOURCE = SceneSource("A/x", "A", "/raw", ("A/x.txt",), 10)
RECIPE = Recipe(min_points=1, n_points=8, msa_radii_m=(0.2,))


def _scene(n=6, seed=0):
    rng = np.random.default_rng(seed)
    return Scene(
        name="A/x",
        group="A",
        xyz=rng.random((n, 3)) * (2, 1, 1) + (1000, -1000, 5),
        color=rng.integers(0, 256, (n, 3)).astype(np.uint8),
        normal=None,
        semantic=rng.integers(-1, 3, (n, 1)).astype(np.int16),
        instance=rng.integers(-1, 3, (n, 1)).astype(np.int32),
        source=np.arange(n),
        n_read=n,
    )


def _read(monkeypatch, scene):
    reader = Reader("test", list_scenes=None, read_scene=lambda *_, **__: scene)
    monkeypatch.setitem(READERS, "test", reader)
    return stages.read(source=SOURCE, reader="test", labels=LABELS, on_defect="repair")


def test_the_table_names_every_stage():
    assert list(STAGES) == [
        "read",
        "order",
        "cut",
        "draw",
        "count",
        "instances",
        "regions",
        "associate",
    ]
    for name, stage in STAGES.items():
        assert stage.function is getattr(stages, name)
        assert stage.version >= 1
    assert stage_versions()["draw"] == STAGES["draw"].version


def test_a_sound_scene_passes(monkeypatch):
    scene = _scene()
    assert _read(monkeypatch, scene) is scene


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: _scene(0), "A/x: found no points, wanted at least 1"),
        (lambda s: {"xyz": s.xyz * np.nan}, "a coordinate that is not finite"),
        (lambda s: {"xyz": s.xyz * [1, 1, 1e39]}, r"points .*e\+3\d m apart, wanted metres"),
        (
            lambda s: {"xyz": np.where(s.xyz > s.xyz.mean(axis=0), 1.7e308, -1.7e308)},
            "points inf m apart",
        ),
        (lambda s: {"n_read": 7}, "6 points and 0 dropped of 7 read, wanted a balance"),
        (
            lambda s: {"defects": (Defect("A/x", "f", 1, "r", "x", "y", dropped=1),)},
            "6 points and 1 dropped of 6 read",
        ),
        (lambda s: {"semantic": s.semantic + 3}, "class id 5 at level 0, wanted less than 3"),
        (lambda s: {"semantic": s.semantic - 2}, "semantic label -3, wanted -1 .none. or more"),
        (lambda s: {"instance": s.instance - 2}, "instance label -3"),
        (lambda s: {"semantic": s.semantic[:, 0]}, r"semantic labels of shape \(6,\)"),
    ],
    ids=[
        "empty",
        "nan",
        "tall",
        "overflow",
        "unbalanced",
        "drops",
        "class",
        "below",
        "instance",
        "shape",
    ],
)
def test_scenes_that_would_break_a_store_are_refused(monkeypatch, change, message):
    scene = _scene()
    scene = replace(
        scene,
        semantic=np.array([[-1], [0], [1], [2], [2], [0]], np.int16),
        instance=np.array([[-1], [0], [1], [2], [2], [0]], np.int32),
    )
    changed = change(scene)
    wrong = changed if isinstance(changed, Scene) else replace(scene, **changed)
    with pytest.raises(SourceError, match=message):
        _read(monkeypatch, wrong)


def test_a_reader_that_gives_another_scene(monkeypatch):
    with pytest.raises(ValueError, match="reader test gave B/y for A/x"):
        _read(monkeypatch, replace(_scene(), name="B/y"))


def test_order_shifts_and_sorts_every_column():
    scene = replace(
        _scene(4),
        xyz=np.array([[11.0, 7.2, 3.0], [10.0, 7.0, 3.5], [10.2, 7.6, 3.1], [10.1, 7.1, 3.2]]),
    )
    ordered, origin, extent = stages.order(scene=scene, recipe=RECIPE)
    np.testing.assert_array_equal(origin, [10, 7, 3])
    np.testing.assert_allclose(extent, [1, 0.6, 0.5])
    np.testing.assert_array_equal(ordered.source, [1, 3, 2, 0])
    np.testing.assert_array_equal(ordered.xyz, (scene.xyz - origin)[ordered.source])
    for name in ("color", "semantic", "instance"):
        np.testing.assert_array_equal(getattr(ordered, name), getattr(scene, name)[ordered.source])
    assert ordered.normal is None


def test_far_from_the_worlds_origin_no_millimetre_is_lost():
    scene = _scene(300)
    xyz = np.round(scene.xyz, 3) + np.array([691_234.567, 5_334_123.456, 512.345])
    ordered, origin, _ = stages.order(scene=replace(scene, xyz=xyz), recipe=RECIPE)
    np.testing.assert_array_equal(origin, xyz.min(axis=0))
    back = ordered.xyz.astype(np.float32) + origin
    np.testing.assert_allclose(back, xyz[ordered.source], rtol=0, atol=1e-6)


def test_order_names_the_scene_that_is_too_large():
    scene = _scene()
    with pytest.raises(OptionError, match="A/x: found a floor"):
        stages.order(scene=replace(scene, xyz=scene.xyz * 1e6), recipe=RECIPE)


def test_cut_and_draw_do_not_depend_on_the_order_of_the_source():
    scene = _scene(300)
    ordered, _, extent = stages.order(scene=scene, recipe=RECIPE)
    blocks = stages.cut(xyz=ordered.xyz, extent=extent, recipe=RECIPE)
    assert len(blocks.corner) == len(blocks.kept) == len(blocks.start) - 1
    inside = ordered.xyz[blocks.member[blocks.start[0] : blocks.start[1]]]
    assert (inside[:, :2] <= 1).all()
    assert len(inside) == (ordered.xyz[:, :2] <= 1).all(axis=1).sum()
    draw = {"blocks": blocks, "source": ordered.source, "recipe": RECIPE}
    first = stages.draw(**draw, name="A/x")
    np.testing.assert_array_equal(stages.draw(**draw, name="A/x"), first)
    assert (stages.draw(**draw, name="A/y") != first).any()
    other = replace(RECIPE, seed=1)
    assert (stages.draw(**{**draw, "recipe": other}, name="A/x") != first).any()


def test_instances_and_regions_worked_by_hand():
    coord = np.array([[0, 0, 0], [2, 0, 0], [4, 4, 4], [9, 9, 9], [1, 1, 1]], np.float32)
    semantic = np.array([1, 1, 1, -1, 0], np.int16)
    instance = np.array([7, 7, 2, 5, -1], np.int32)
    sample = np.array([[0, 0, 2, 4], [1, 0, 4, 4]], np.uint32)
    table = stages.instances(coord=coord, semantic=semantic, instance=instance, sample=sample)
    np.testing.assert_array_equal(table["instance"], [2, 5, 7])
    np.testing.assert_array_equal(table["class"], [1, -1, 1])
    np.testing.assert_array_equal(table["count"], [1, 1, 2])
    np.testing.assert_array_equal(table["sampled"], [1, 0, 4])
    np.testing.assert_array_equal(table["centre"], [[4, 4, 4], [9, 9, 9], [1, 0, 0]])
    np.testing.assert_array_equal(table["box"][2], [[0, 0, 0], [2, 0, 0]])
    region = stages.regions(table=table)
    np.testing.assert_array_equal(region["class"], [1])
    np.testing.assert_array_equal(region["instances"], [2])
    np.testing.assert_array_equal(region["centre"], [[2.5, 2, 2]])


def test_instances_without_blocks_or_labels():
    empty = np.empty((0, 8), np.uint32)
    columns = {
        "coord": np.zeros((3, 3), np.float32),
        "semantic": np.full(3, -1, np.int16),
        "instance": np.full(3, -1, np.int32),
    }
    table = stages.instances(**columns, sample=empty)
    assert {name: column.shape[0] for name, column in table.items()} == dict.fromkeys(table, 0)
    assert stages.regions(table=table)["centre"].shape == (0, 3)


def test_associate_counts_points_and_distributions():
    coord = np.array([[0, 0, 0], [0.1, 0, 0], [5, 0, 0]], np.float32)
    sums, counts = stages.associate(
        coord=coord, semantic=np.array([0, 1, 1], np.int16), n_classes=3, recipe=RECIPE
    )
    np.testing.assert_array_equal(counts, [1, 2, 0])
    np.testing.assert_allclose(sums[0], [[0.5, 0.5, 0], [0.5, 1.5, 0], [0, 0, 0]])
    sums, counts = stages.associate(
        coord=coord,
        semantic=np.array([0, 1, 1], np.int16),
        n_classes=3,
        recipe=SimpleNamespace(msa_radii_m=()),
    )
    assert sums.shape == (0, 3, 3)
    np.testing.assert_array_equal(counts, [1, 2, 0])
