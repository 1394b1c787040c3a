"""Pictures of point clouds: what is in front shows, colours tell things apart, PNGs decode."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from pipelines.pictures import (
    GREY,
    RIGHT,
    UNSCORED,
    WRONG,
    class_colors,
    encode_png,
    error_colors,
    instance_colors,
    match_instances,
    scene_picture,
    shaded,
    side_by_side,
    soften,
)
from pipelines.render import (
    BACKGROUND,
    View,
    choose_view,
    open_box,
    paint,
    rasterise,
    render_cloud,
    spacing,
)

TOP = View(width=100, height=60, azimuth=-90.0, elevation=90.0, relief=0.0)
RED, GREEN = (250, 0, 0), (0, 250, 0)


def _plate(side: float, z: float, n: int = 40) -> np.ndarray:
    x, y = np.meshgrid(np.linspace(-side, side, n), np.linspace(-side, side, n))
    return np.c_[x.ravel(), y.ravel(), np.full(n * n, z)]


def _green(picture: np.ndarray) -> np.ndarray:
    """Row and column of the green pixels."""
    return np.argwhere(picture[:, :, 1].astype(int) > picture[:, :, 0].astype(int) + 100)


def _painted(
    clouds: list[tuple[np.ndarray, tuple[int, int, int]]],
) -> tuple[np.ndarray, np.ndarray]:
    xyz = np.concatenate([c for c, _ in clouds])
    rgb = np.concatenate([np.tile(np.uint8(t), (len(c), 1)) for c, t in clouds])
    return xyz, rgb


def test_a_surface_is_closed_and_the_nearer_one_shows() -> None:
    xyz, rgb = _painted([(_plate(1.0, 0.0), RED), (_plate(0.5, 0.4), GREEN)])
    picture = render_cloud(xyz, rgb, TOP)
    assert picture.shape == (60, 100, 3)
    assert picture.dtype == np.uint8
    np.testing.assert_array_equal(picture[22:38, 42:58], np.broadcast_to(GREEN, (16, 16, 3)))
    np.testing.assert_array_equal(picture[5:10, 25:30], np.broadcast_to(RED, (5, 5, 3)))
    np.testing.assert_array_equal(picture[0, 0], BACKGROUND)


def test_order_of_the_points_does_not_matter() -> None:
    xyz, rgb = _painted([(_plate(1.0, 0.0), RED), (_plate(0.5, 0.4), GREEN)])
    shuffle = np.random.default_rng(0).permutation(len(xyz))
    np.testing.assert_array_equal(
        render_cloud(xyz, rgb, TOP), render_cloud(xyz[shuffle], rgb[shuffle], TOP)
    )


def test_directions_seen_from_above() -> None:
    # azimuth -90: the camera stands at -y, so x grows to the right and y upwards
    small = _plate(0.2, 0.1)
    east, north = np.array([0.7, 0.0, 0.0]), np.array([0.0, 0.7, 0.0])
    row, column = _green(
        render_cloud(*_painted([(_plate(1.0, 0.0), RED), (small + east, GREEN)]), TOP)
    ).mean(axis=0)
    assert column > 65
    assert 28 < row < 32
    row, column = _green(
        render_cloud(*_painted([(_plate(1.0, 0.0), RED), (small + north, GREEN)]), TOP)
    ).mean(axis=0)
    assert row < 15
    assert 48 < column < 52


@pytest.mark.parametrize("n", [0, 1, 2])
def test_empty_cloud_and_single_points(n: int) -> None:
    xyz = np.zeros((n, 3)) + 7.0
    picture = render_cloud(xyz, np.full((n, 3), 10, dtype=np.uint8), TOP)
    assert (picture != BACKGROUND).any() == (n > 0)
    assert open_box(xyz, TOP).shape == (n,)
    assert choose_view(xyz, TOP).width == TOP.width


def test_far_from_the_origin_the_picture_is_the_same() -> None:
    xyz, rgb = _painted([(_plate(1.0, 0.0), RED), (_plate(0.5, 0.4), GREEN)])
    near = render_cloud(xyz, rgb, TOP).astype(int)
    offset = np.array([4096.0, -8192.0, 64.0])
    far = render_cloud(xyz + offset, rgb, TOP).astype(int)
    assert np.mean(near != far) < 0.01


def test_relief_darkens_only_what_lies_behind_an_edge() -> None:
    view = View(width=120, height=120, azimuth=-90.0, elevation=90.0)
    xyz, rgb = _painted([(_plate(1.0, 0.0, 80), (200,) * 3), (_plate(0.5, 0.4, 80), (200,) * 3)])
    picture = render_cloud(xyz, rgb, view)[:, :, 0].astype(int)
    assert picture[60, 60] == 200
    assert picture[60].min() < 150
    flat = paint(rasterise(xyz, TOP), rgb)
    assert flat[30].min() >= 199


def test_spacing_follows_the_density() -> None:
    sparse, dense = _plate(1.0, 0.0, 21), _plate(0.5, 2.0, 101)
    found = spacing(np.concatenate([sparse, dense]))
    assert 0.05 < np.median(found[: len(sparse)]) < 0.2  # true: 0.1 m
    assert 0.006 < np.median(found[len(sparse) :]) < 0.02  # true: 0.01 m


def test_a_room_is_opened_towards_the_camera() -> None:
    rng = np.random.default_rng(1)
    floor = rng.uniform([0, 0, 0], [4, 4, 0.01], (4000, 3))
    ceiling = rng.uniform([0, 0, 2.99], [4, 4, 3], (4000, 3))
    near = rng.uniform([0, 0, 0], [4, 0.05, 3], (4000, 3))
    far = rng.uniform([0, 3.95, 0], [4, 4, 3], (4000, 3))
    keep = open_box(np.concatenate([floor, ceiling, near, far]), View(azimuth=-90))
    share = keep.reshape(4, 4000).mean(axis=1)
    assert share[0] > 0.99
    assert share[1] == 0
    assert share[2] < 0.12  # a low kerb stays
    assert share[3] > 0.75


def test_the_view_looks_at_the_open_side_of_a_screen() -> None:
    rng = np.random.default_rng(2)
    floor = rng.uniform([0, 0, 0], [4, 4, 0.01], (8000, 3))
    screen = rng.uniform([0.5, 0.9, 0], [3.5, 0.95, 2.0], (8000, 3))
    behind = rng.uniform([0.5, 1.1, 0.4], [3.5, 1.6, 0.5], (8000, 3))
    view = choose_view(np.concatenate([floor, screen, behind]), View(azimuth=-90, elevation=25))
    assert np.sin(np.radians(view.azimuth)) > -0.9


def test_colours_of_classes_and_of_errors_by_hand() -> None:
    semantic = np.array([0, 1, -1, 2])
    painted = class_colors(semantic, [RED, GREEN])
    np.testing.assert_array_equal(painted, [RED, GREEN, GREY, GREY])
    wrong = error_colors(np.array([0, 1, -1]), np.array([0, 0, 0]))
    np.testing.assert_array_equal(wrong, [RIGHT, WRONG, UNSCORED])
    assert soften((0, 0, 255), 0.0) == (0, 0, 255)
    assert soften((0, 0, 255), 1.0) == (232, 232, 232)


def test_instance_colours_are_distinct_and_fixed() -> None:
    ids = np.arange(-1, 60)
    colors = instance_colors(ids)
    np.testing.assert_array_equal(colors[0], GREY)
    assert len(np.unique(colors[1:], axis=0)) == 60
    np.testing.assert_array_equal(instance_colors(ids[::-1])[::-1], colors)
    step = np.abs(np.diff(colors[1:].astype(int), axis=0)).sum(axis=1)
    assert step.min() > 60


def test_matched_instances_by_hand() -> None:
    truth = np.array([5, 5, 5, 8, 8, 8, -1, -1])
    predicted = np.array([1, 1, 2, 2, 2, -1, 3, 1])
    np.testing.assert_array_equal(match_instances(truth, predicted), [5, 5, 8, 8, 8, -1, 9, 5])
    nothing = np.zeros(0, dtype=np.int64)
    assert len(match_instances(nothing, nothing)) == 0
    np.testing.assert_array_equal(match_instances(np.array([-1]), np.array([4])), [0])


def test_shading_takes_brightness_from_the_photograph() -> None:
    rgb = np.full((2, 3), 200, dtype=np.uint8)
    dark, light = shaded(rgb, np.array([[0, 0, 0], [250, 250, 250]], dtype=np.uint8))
    assert dark[0] < 150 < light[0]


def test_png_keeps_every_pixel() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 17, 3)).astype(np.uint8)
    png = encode_png(pixels)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), pixels)
    assert Image.open(io.BytesIO(encode_png(pixels, palette=16))).mode == "P"
    assert encode_png(pixels) == png


def test_panels_stand_beside_each_other_above_their_legend() -> None:
    tiles = [np.full((40, 200, 3), tone, dtype=np.uint8) for tone in (10, 90)]
    sheet = side_by_side(tiles, ["one", "two"], legend=[("chair", RED)])
    assert sheet.shape[1] == 2 * 200 + 3 * 14
    np.testing.assert_array_equal(sheet[44 + 20, 14 + 100], [10] * 3)
    np.testing.assert_array_equal(sheet[44 + 20, 28 + 300], [90] * 3)
    assert (sheet[44 + 40 :] == RED).all(axis=2).any()
    assert (sheet[:44] < 100).any()  # captions


def test_a_labelled_scene_becomes_three_pictures_without_its_ceiling() -> None:
    xyz = np.concatenate([_plate(1.0, 0.0), _plate(1.0, 2.0)])
    semantic = np.repeat([1, 0], 1600)
    classes = [("ceiling", GREEN), ("floor", RED)]
    rgb = np.full((3200, 3), 120, dtype=np.uint8)
    sheet = scene_picture(xyz, rgb, semantic, semantic, classes, width=80, height=60)
    assert sheet.shape[1] == 3 * 80 + 4 * 14
    green = (sheet[:, :, 1].astype(int) - sheet[:, :, 0]) > 60
    assert not green.any()
    two = scene_picture(xyz, None, semantic, semantic, classes, width=80, height=60)
    assert two.shape[1] == 2 * 80 + 3 * 14
