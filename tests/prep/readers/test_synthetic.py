"""Synthetic rooms: exact answers, the same for the same seed, and like a scan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from prep.errors import OptionError
from prep.labels import ClassInfo, Labels, Level
from prep.readers.synthetic import list_scenes, read_scene, summarise, synthetic_room
from prep.synthetic.kinds import KINDS, build_room
from prep.synthetic.layout import FloorPlan, Footprint, overlap
from prep.synthetic.rooms import CLASSES, Room, Thing
from prep.synthetic.scan import FACE_CELLS, cube_cell, depth_cube, scan_room
from prep.synthetic.shapes import box, prism, quads
from prep.synthetic.shell import four_walls, wall_surface

LABELS = Labels(
    (Level("object", tuple(ClassInfo(i, n, (9, 9, i)) for i, n in enumerate(CLASSES))),)
)


def test_building_has_six_areas_with_unique_sorted_names() -> None:
    sources = list_scenes(Path("nowhere"), labels=LABELS, options={"rooms_per_area": 3})
    names = [s.name for s in sources]
    assert len(set(names)) == 18
    assert names == sorted(names)
    assert {s.group for s in sources} == {f"Area_{k}" for k in range(1, 7)}
    assert all(s.name.startswith(f"{s.group}/") and s.files == () for s in sources)


def test_every_class_occurs_in_the_training_side_and_beams_columns_sofas_are_rare() -> None:
    rooms = [
        read_scene(s, labels=LABELS, on_defect="fail")
        for s in list_scenes(Path(), labels=LABELS, options={"points_per_room": 4000})
    ]
    have = dict.fromkeys(CLASSES, 0)
    for room in rooms:
        for name, (points, _) in summarise(room, LABELS).items():
            have[name] += points > 0
    assert min(have.values()) >= 1
    assert all(have[name] == len(rooms) for name in ("ceiling", "floor", "wall", "clutter"))
    assert max(have["sofa"], have["beam"], have["column"]) < len(rooms)


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_exact_and_complete(kind: str) -> None:
    scene = synthetic_room(1, f"Area_1/{kind}_1", kind, 5000, LABELS, origin=(-40.5, 7.0, -3.25))
    assert scene.n_points == scene.n_read == 5000
    assert scene.color is not None
    semantic, instance = scene.semantic[:, 0], scene.instance[:, 0]
    assert scene.xyz.dtype == np.float64
    assert scene.semantic.dtype == np.int16
    assert scene.instance.dtype == np.int32
    # ids 0, 1, 2, … without gaps, each of one class, classes ascending by name
    ids, first = np.unique(instance, return_index=True)
    np.testing.assert_array_equal(ids, np.arange(len(ids)))
    np.testing.assert_array_equal(semantic, semantic[first][instance])
    names = [CLASSES[c] for c in semantic[first]]
    assert names == sorted(names)
    table = summarise(scene, LABELS)
    assert sum(points for points, _ in table.values()) == 5000
    assert sum(instances for _, instances in table.values()) == len(ids)
    assert table["ceiling"][1] == table["floor"][1] == 1
    assert table["wall"][1] == 4


def test_same_arguments_same_room_other_seed_or_name_another() -> None:
    def make(seed: int = 0, name: str = "Area_1/office_1") -> np.ndarray:
        return synthetic_room(seed, name, "office", 2000, LABELS).xyz

    np.testing.assert_array_equal(make(), make())
    assert not np.array_equal(make(), make(seed=1))
    assert not np.array_equal(make(), make(name="Area_1/office_2"))


def test_number_of_points_does_not_change_the_room() -> None:
    few = build_room("office", np.random.default_rng(3))
    more = build_room("office", np.random.default_rng(3))
    assert few.size == more.size
    small = synthetic_room(5, "A/b", "office", 3000, LABELS)
    large = synthetic_room(5, "A/b", "office", 12000, LABELS)
    np.testing.assert_allclose(small.xyz.max(axis=0), large.xyz.max(axis=0), atol=0.03)


def test_coordinates_are_whole_millimetres_at_the_wanted_place() -> None:
    scene = synthetic_room(0, "A/b", "storage", 2000, LABELS, origin=(-123.4567, 50.0, -9.0))
    text = [[float(f"{v:.3f}") for v in row] for row in scene.xyz[:200]]
    np.testing.assert_array_equal(scene.xyz[:200], text)
    assert -123.6 < scene.xyz[:, 0].min() < -123.3
    assert -9.05 < scene.xyz[:, 2].min() < -8.95


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", ["office", "conferenceRoom", "lobby"])
def test_nothing_on_the_floor_overlaps(kind: str, seed: int) -> None:
    room = build_room(kind, np.random.default_rng(seed))
    spots = room.footprints
    for i, spot in enumerate(spots):
        assert not any(overlap(spot, other) for other in spots[:i])


def test_chairs_stand_near_tables() -> None:
    room = build_room("conferenceRoom", np.random.default_rng(0))
    tables = [t.surface.origin.mean(axis=0)[:2] for t in room.things if t.kind == "table"]
    chairs = [t.surface.origin.mean(axis=0)[:2] for t in room.things if t.kind == "chair"]
    assert len(chairs) >= 4
    assert max(min(np.linalg.norm(c - t) for t in tables) for c in chairs) < 3.5


def test_density_is_uneven_and_hidden_surfaces_stay_empty() -> None:
    scene = synthetic_room(2, "A/b", "office", 20_000, LABELS)
    floor = scene.xyz[scene.semantic[:, 0] == CLASSES.index("floor")][:, :2]
    cells = np.floor((floor - floor.min(axis=0)) / 0.5).astype(int)
    _, count = np.unique(cells, axis=0, return_counts=True)
    wide, deep = np.ptp(floor, axis=0)
    assert np.quantile(count, 0.9) > 1.8 * np.quantile(count, 0.1)
    assert len(np.unique(np.floor(floor / 0.1).astype(int), axis=0)) < 0.97 * wide * deep / 0.01


def _screened_room() -> Room:
    """One wall 4 m away, half of it behind a screen 1 m away."""
    wall = quads([((4, 2, 0), (0, -4, 0), (0, 0, 2))], (200, 200, 200))
    screen = box((0.05, 1.0, 2.0), (1.0, 0.5, 0.0), (90, 90, 90))
    return Room(
        "test",
        (4.0, 4.0, 2.0),
        (Thing("wall", wall, False), Thing("board", screen, True)),
        (),
        np.array([[0.0, 0.0, 1.0]]),
        np.array([0.0, 0.0, 1.9]),
    )


def test_the_half_behind_a_screen_is_not_seen() -> None:
    scan = scan_room(_screened_room(), 4000, np.random.default_rng(0))
    wall = scan.xyz[scan.thing == 0]
    assert np.count_nonzero(wall[:, 1] < -0.1) > 500
    hidden = (wall[:, 1] > 0.15) & (wall[:, 1] < 1.9) & (wall[:, 0] > 3.5)
    assert np.count_nonzero(hidden) <= 3


def test_only_the_side_towards_the_scanner_is_seen() -> None:
    scan = scan_room(_screened_room(), 4000, np.random.default_rng(0))
    screen = scan.xyz[scan.thing == 1]
    assert np.count_nonzero(screen[:, 0] > 1.02) <= 0.02 * len(screen)


def test_range_noise_has_the_documented_size() -> None:
    scan = scan_room(_screened_room(), 6000, np.random.default_rng(1))
    wall = scan.xyz[scan.thing == 0]
    error = wall[np.abs(wall[:, 0] - 4.0) < 0.05][:, 0] - 4.0
    assert 0.004 < error.std() < 0.008  # 2 mm + 1 mm per metre, along rays of 4 to 5 m
    assert abs(error.mean()) < 0.001


def test_depth_cube_by_hand() -> None:
    # a square of side 1.9 at x = 3 fills the middle of the face +x and nothing else
    square = quads([((3, 0.95, -0.95), (0, -1.9, 0), (0, 0, 1.9))], (0, 0, 0))
    cube = depth_cube(square, np.zeros(3), 6).reshape(6, 6, 6)
    seen = np.isfinite(cube)
    assert seen[0, 2:4, 2:4].all()
    assert seen.sum() == 4
    assert 3.0 <= cube[0, 2, 2] < 3.3
    behind = quads([((3, -0.95, -0.95), (0, 1.9, 0), (0, 0, 1.9))], (0, 0, 0))
    assert np.isfinite(depth_cube(behind, np.zeros(3), 6)).sum() == 0


def test_cube_cell_tells_the_six_faces_apart() -> None:
    axes = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1.0]])
    cells = cube_cell(axes, FACE_CELLS)
    np.testing.assert_array_equal(cells // FACE_CELLS**2, np.arange(6))
    np.testing.assert_array_equal(cube_cell(7.5 * axes, FACE_CELLS), cells)


def test_boxes_and_prisms_are_closed_and_look_outwards() -> None:
    for surface in (box((1, 2, 3), (5, 5, 0), (0, 0, 0)), prism(0.5, 2.0, (5, 5, 0), (0, 0, 0))):
        cross = surface.cross * np.where(surface.disc, np.pi / 4, 1.0)[:, None]
        np.testing.assert_allclose(cross[:, :2].sum(axis=0), 0, atol=1e-12)
        middle = surface.origin + 0.5 * (surface.u + surface.v)
        outwards = np.sum(surface.cross * (middle - (5, 5, 1.0)), axis=1)
        assert (outwards > 0).all()
    np.testing.assert_allclose(box((1, 2, 3), (0, 0, 0), (0, 0, 0)).area.sum(), 22.0)


def test_moving_keeps_areas_and_turns_anticlockwise() -> None:
    part = box((1, 0.1, 0.1), (0.5, 0, 0), (0, 0, 0)).moved((10, 20, 30), np.pi / 2)
    corners = np.concatenate([part.origin, part.origin + part.u, part.origin + part.v])
    np.testing.assert_allclose(corners.max(axis=0) - (10, 20, 30), [0.05, 1.0, 0.1], atol=1e-12)


def test_walls_look_inwards_and_leave_out_their_openings() -> None:
    hole = np.array([[1.0, 2.0, 0.5, 1.5]])
    for wall in four_walls(5.0, 4.0):
        surface = wall.place(wall_surface(wall.length, 3.0, hole, (0, 0, 0)), 0.0)
        np.testing.assert_allclose(surface.area.sum(), wall.length * 3.0 - 1.0)
        middle = surface.origin + 0.5 * (surface.u + surface.v)
        inwards = np.sum(surface.cross * ((2.5, 2.0, 1.5) - middle), axis=1)
        assert (inwards > 0).all()
        assert middle[:, 0].min() > -1e-9
        assert middle[:, 0].max() < 5 + 1e-9


def test_overlap_of_turned_rectangles_by_hand() -> None:
    square = Footprint(0, 0, 2, 2)
    assert overlap(square, Footprint(1.9, 0, 2, 2))
    assert not overlap(square, Footprint(2.0, 0, 2, 2))  # they touch
    # the corner of a square turned by 45° reaches 1.414 m
    assert overlap(square, Footprint(2.4, 0, 2, 2, np.pi / 4))
    assert not overlap(square, Footprint(2.42, 0, 2, 2, np.pi / 4))
    assert not overlap(square, Footprint(1.8, 1.8, 2, 2, np.pi / 4))


def test_a_full_floor_has_no_place() -> None:
    plan = FloorPlan(3.0, 3.0, four_walls(3.0, 3.0))
    plan.take(Footprint(1.5, 1.5, 2.8, 2.8))
    rng = np.random.default_rng(0)
    assert plan.along_wall(rng, (1.0, 0.5)) is None
    assert plan.anywhere(rng, (1.0, 0.5)) is None


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        ({"areas": 0, "seed": -1}, ["areas 0 must be at least 1", "seed -1 must be at least 0"]),
        ({"points_per_room": "many"}, ["points_per_room 'many' is not a whole number"]),
        ({"rooms": 2}, ["unknown option 'rooms'", "rooms_per_area"]),
        ({"areas": True}, ["areas True is not a whole number"]),
    ],
)
def test_wrong_options_are_told_together(options: dict[str, object], texts: list[str]) -> None:
    with pytest.raises(OptionError) as error:
        list_scenes(Path(), labels=LABELS, options=options)
    for text in texts:
        assert text in str(error.value)
    assert "\n" not in str(error.value)


def test_labels_without_a_class_and_unknown_kinds_are_errors() -> None:
    labels = Labels((Level("object", LABELS.levels[0].classes[:12]),))
    with pytest.raises(OptionError, match="no class clutter"):
        list_scenes(Path(), labels=labels, options={})
    with pytest.raises(OptionError, match="found kind 'cellar', wanted one of office"):
        synthetic_room(0, "A/b", "cellar", 2000, LABELS)
