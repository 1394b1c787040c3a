"""Draw point clouds without a GPU: a perspective camera, splats and eye-dome lighting."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

BACKGROUND = (247, 248, 250)


@dataclass(frozen=True)
class View:
    """From where and at what size a cloud is drawn.

    Attributes
    ----------
    width, height : int
        Pixels.
    azimuth, elevation : float
        Degrees: where the camera stands as seen from the middle of the cloud; azimuth 0 is +x,
        90 is +y, elevation 90 is straight above.
    distance : float
        Distance of the camera from the middle, in radii of the cloud: small is a wide angle.
    splat : float
        Diameter of a point relative to the spacing that its density suggests.
    relief : float
        Strength of the eye-dome lighting; 0 leaves it out.
    """

    width: int = 900
    height: int = 640
    azimuth: float = -60.0
    elevation: float = 52.0
    distance: float = 4.0
    splat: float = 1.7
    relief: float = 1.0


@dataclass(frozen=True)
class Raster:
    """Which point each pixel shows, at twice the size of the picture, and how bright it is.

    Attributes
    ----------
    owner : int64 (2·height, 2·width)
        Row of the point, −1 on the background.
    light : float32 (2·height, 2·width)
        Brightness, 1 where nothing stands in front.
    """

    owner: NDArray[np.int64]
    light: NDArray[np.float32]


def rasterise(
    xyz: NDArray[np.floating], view: View, *, frame: NDArray[np.floating] | None = None
) -> Raster:
    """Find out which points show; painting them in several colours is then cheap.

    Parameters
    ----------
    xyz : float (n, 3)
        Metres, z upwards.
    view : View
    frame : float (k, 3), optional
        Points that must fit into the picture instead of ``xyz``: the same frame makes pictures
        of different points comparable.
    """
    shape = (2 * view.height, 2 * view.width)
    if not len(xyz):
        return Raster(np.full(shape, -1, dtype=np.int64), np.ones(shape, dtype=np.float32))
    points = np.asarray(xyz, dtype=np.float64)
    column, row, depth, focal = _project(
        points, points if frame is None else np.asarray(frame, dtype=np.float64), view
    )
    owner, nearest = _splat(column, row, depth, spacing(points), focal, view)
    light = _relief(nearest, view) if view.relief > 0 else np.ones(shape, dtype=np.float32)
    return Raster(owner, light)


def paint(raster: Raster, rgb: NDArray[np.uint8]) -> Pixels:
    """Colour a raster with one colour for each point; uint8 (n, 3) to (height, width, 3)."""
    high, wide = raster.owner.shape
    picture = np.empty((high, wide, 3), dtype=np.float32)
    picture[:] = BACKGROUND
    covered = raster.owner >= 0
    picture[covered] = rgb[raster.owner[covered]] * raster.light[covered][:, None]
    small = picture.reshape(high // 2, 2, wide // 2, 2, 3).mean(axis=(1, 3))
    pixels: Pixels = np.clip(np.rint(small), 0, 255).astype(np.uint8)
    return pixels


def render_cloud(
    xyz: NDArray[np.floating],
    rgb: NDArray[np.uint8],
    view: View | None = None,
    *,
    frame: NDArray[np.floating] | None = None,
) -> Pixels:
    """Draw a cloud: :func:`rasterise` and :func:`paint` in one.

    Parameters
    ----------
    xyz : float (n, 3)
        Metres, z upwards.
    rgb : uint8 (n, 3)
    view : View, optional
    frame : float (k, 3), optional
        Points that must fit into the picture instead of ``xyz``.

    Returns
    -------
    uint8 (height, width, 3)
        Drawn at twice the size and averaged. An empty cloud gives the background.
    """
    return paint(rasterise(xyz, View() if view is None else view, frame=frame), rgb)


def _project(
    xyz: NDArray[np.float64], frame: NDArray[np.float64], view: View
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]:
    """Return column, row (pixels at twice the size), depth (metres) and pixels per unit angle."""
    low, high = frame.min(axis=0), frame.max(axis=0)
    middle, radius = (low + high) / 2, max(float(np.linalg.norm(high - low)) / 2, 1e-6)
    azimuth, elevation = np.radians(view.azimuth), np.radians(view.elevation)
    back = np.array(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
        ]
    )
    right = np.array([-np.sin(azimuth), np.cos(azimuth), 0.0])
    axes = np.stack([right, np.cross(right, back), back], axis=1)  # right, down, towards the eye

    def flatten(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        seen = (points - middle) @ axes
        depth = np.maximum(view.distance * radius - seen[:, 2], 0.05 * radius)
        return seen[:, :2] / depth[:, None], depth

    corners, _ = flatten(frame if len(frame) < 4096 else frame[:: len(frame) // 4096])
    first, last = corners.min(axis=0), corners.max(axis=0)
    size = np.array([2 * view.width, 2 * view.height], dtype=np.float64)
    focal = float(np.min(0.94 * size / np.maximum(last - first, 1e-9)))
    flat, depth = flatten(xyz)
    pixel = (flat - (first + last) / 2) * focal + size / 2
    return pixel[:, 0], pixel[:, 1], depth, focal


def _splat(
    column: NDArray[np.float64],
    row: NDArray[np.float64],
    depth: NDArray[np.float64],
    size_m: NDArray[np.float64],
    focal: float,
    view: View,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Draw square splats into a z-buffer; returns point (−1 none) and depth of every pixel."""
    wide, high = 2 * view.width, 2 * view.height
    inside = (column >= 0) & (column < wide) & (row >= 0) & (row < high)
    point = np.flatnonzero(inside)
    x, y = column[point].astype(np.int64), row[point].astype(np.int64)
    pixels = view.splat * size_m[point] * focal / depth[point]
    side = np.clip(np.rint(pixels), 2, 24).astype(np.int64)
    near, far = float(depth.min()), float(depth.max())
    level = ((depth[point] - near) / max(far - near, 1e-9) * (2**31 - 2)).astype(np.uint64)
    key = (level << np.uint64(32)) | point.astype(np.uint64)
    empty = np.iinfo(np.uint64).max
    margin = 16  # room for half a splat around the picture
    stride = wide + 2 * margin
    buffer = np.full(stride * (high + 2 * margin), empty, dtype=np.uint64)
    for k in np.unique(side):
        mine = np.flatnonzero(side == k)
        keys = key[mine]
        corner = (y[mine] + margin - (k - 1) // 2) * stride + x[mine] + margin - (k - 1) // 2
        reach = (k - 1) / 2
        for dy in range(k):
            for dx in range(k):
                if k > 3 and (dy - reach) ** 2 + (dx - reach) ** 2 > (k / 2) ** 2 + 0.1:
                    continue  # round splats
                np.minimum.at(buffer, corner + (dy * stride + dx), keys)
    image = buffer.reshape(-1, stride)[margin : margin + high, margin : margin + wide]
    drawn = image != empty
    owner = np.where(drawn, (image & np.uint64(0xFFFFFFFF)).astype(np.int64), -1)
    nearest = np.full(image.shape, np.inf, dtype=np.float32)
    nearest[drawn] = depth[owner[drawn]]
    _drop_hidden(owner, nearest, 0.02 * (far - near))
    _fill(owner, nearest)
    return owner, nearest


def spacing(xyz: NDArray[np.float64], wanted: float = 12.0) -> NDArray[np.float64]:
    """Return the distance between neighbours (metres) that the density at each point gives.

    Points are counted in cubes of a size at which the median point shares its cube with
    ``wanted`` others; a surface that crosses a cube of side s with c points has s / √c. Where
    fewer than 4 share a cube, cubes four times as wide are asked: a sparse floor gets large
    points, while a stray point beside a dense wall stays small.
    """
    side = max(float(np.max(xyz.max(axis=0) - xyz.min(axis=0))) / 60, 1e-6)
    count = _count_in_cubes(xyz, side)
    factor = float(np.sqrt(wanted / np.median(count)))
    if not 0.7 < factor < 1.4:
        side *= factor
        count = _count_in_cubes(xyz, side)
    distance: NDArray[np.float64] = side / np.sqrt(count)
    sparse = count < 4
    if sparse.any():
        wider = _count_in_cubes(xyz, 4 * side)[sparse]
        distance[sparse] = 4 * side / np.sqrt(np.maximum(wider, 4))
    return distance


def _count_in_cubes(xyz: NDArray[np.float64], side: float) -> NDArray[np.int64]:
    """Return for each point how many points, itself included, lie in its cube."""
    index = np.floor((xyz - xyz.min(axis=0)) / side).astype(np.int64)
    size = index.max(axis=0) + 1
    cube = (index[:, 0] * size[1] + index[:, 1]) * size[2] + index[:, 2]
    if int(size.prod()) < 8 * len(xyz) + 1_000_000:
        counts: NDArray[np.int64] = np.bincount(cube)[cube]
    else:
        _, inverse, each = np.unique(cube, return_inverse=True, return_counts=True)
        counts = each[inverse]
    return counts


def _drop_hidden(owner: NDArray[np.int64], depth: NDArray[np.float32], reach: float) -> None:
    """Empty, in place, pixels that show through a nearer surface: ``reach`` metres or more
    behind at least six of eight neighbours 3 or 6 pixels away.
    """
    high, wide = owner.shape
    for radius in (3, 6):
        padded = np.pad(depth, radius, mode="edge")
        nearer = np.zeros((high, wide), dtype=np.uint8)
        for dy, dx in _AROUND:
            y, x = radius + dy * radius, radius + dx * radius
            nearer += padded[y : y + high, x : x + wide] < depth - reach
        hidden = (nearer >= 6) & (owner >= 0)
        owner[hidden] = -1
        depth[hidden] = np.inf


def _fill(owner: NDArray[np.int64], depth: NDArray[np.float32], times: int = 6) -> None:
    """Close small holes in place: empty pixels with four or more drawn neighbours of eight."""
    high, wide = owner.shape
    for _ in range(times):
        drawn = np.pad(owner >= 0, 1).astype(np.uint8)
        around = np.zeros((high, wide), dtype=np.uint8)
        for dy, dx in _AROUND:
            around += drawn[1 + dy : 1 + dy + high, 1 + dx : 1 + dx + wide]
        row, column = np.nonzero((owner < 0) & (around >= 4))
        if not len(row):
            return
        best = np.full(len(row), np.inf, dtype=np.float32)
        source = np.full(len(row), -1, dtype=np.int64)
        for dy, dx in _AROUND:
            y, x = np.clip(row + dy, 0, high - 1), np.clip(column + dx, 0, wide - 1)
            nearer = (owner[y, x] >= 0) & (depth[y, x] < best)
            best[nearer], source[nearer] = depth[y, x][nearer], owner[y, x][nearer]
        owner[row, column], depth[row, column] = source, best


_AROUND = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (1, -1), (-1, 1), (-1, -1))


def _relief(depth: NDArray[np.float32], view: View) -> NDArray[np.float32]:
    """Return brightness (h, w): darker where neighbours are nearer (eye-dome lighting).

    Boucheny 2009: shade = exp(−strength · mean over neighbours of max(0, log z − log z′)).
    """
    log = np.log2(np.minimum(depth, 1e6))  # the background is far behind everything
    total = np.zeros_like(log)
    h, w = log.shape
    for radius, weight in ((2, 1.0), (5, 0.7), (12, 0.4)):
        padded = np.pad(log, radius, mode="edge")
        for dy, dx in _AROUND:
            y, x = radius + dy * radius, radius + dx * radius
            step = log - padded[y : y + h, x : x + w]
            np.maximum(step, 0.0, out=step)
            np.minimum(step, 0.05, out=step)
            step *= weight
            total += step
    return np.exp(-view.relief * total * 1.6).astype(np.float32)


def open_box(
    xyz: NDArray[np.floating],
    view: View | None = None,
    *,
    ceiling: NDArray[np.bool_] | None = None,
    cut: float = 0.82,
    peel_m: float = 0.25,
) -> NDArray[np.bool_]:
    """Choose the points that let one look into a room from above.

    Left out are points of the ``ceiling`` (bool (n,)), all above ``cut`` of the height, and the
    walls on the camera's side: what lies within ``peel_m`` of a side of the bounding box that
    faces the camera and more than 0.25 m above the floor.

    Returns
    -------
    bool (n,)
    """
    view = View() if view is None else view
    points = np.asarray(xyz, dtype=np.float64)
    if not len(points):
        return np.zeros(0, dtype=bool)
    low, high = np.quantile(points, 0.001, axis=0), np.quantile(points, 0.999, axis=0)
    keep: NDArray[np.bool_] = points[:, 2] <= low[2] + cut * (high[2] - low[2])
    if ceiling is not None:
        keep &= ~ceiling
    azimuth = np.radians(view.azimuth)
    raised = points[:, 2] > low[2] + 0.25
    for axis, direction in ((0, np.cos(azimuth)), (1, np.sin(azimuth))):
        if direction > 0.2:
            keep &= ~(raised & (points[:, axis] > high[axis] - peel_m))
        elif direction < -0.2:
            keep &= ~(raised & (points[:, axis] < low[axis] + peel_m))
    return keep


def choose_view(
    xyz: NDArray[np.floating], view: View | None = None, *, ceiling: NDArray[np.bool_] | None = None
) -> View:
    """Turn the camera to that of four corners from which most of the room's inside is seen.

    Counted are the 10 cm cells that show in a small picture after :func:`open_box`.
    """
    view = View() if view is None else view
    if not len(xyz):
        return view
    step = max(1, len(xyz) // 60_000)
    points = np.asarray(xyz[::step], dtype=np.float64)
    above = None if ceiling is None else ceiling[::step]
    best, most = view, -1
    for turn in (0.0, 90.0, 180.0, 270.0):
        trial = replace(view, azimuth=view.azimuth + turn, width=160, height=120)
        keep = open_box(points, trial, ceiling=above)
        kept = points[keep]
        if not len(kept):
            continue
        column, row, depth, focal = _project(kept, kept, trial)
        owner, _ = _splat(column, row, depth, spacing(kept), focal, trial)
        cell = np.floor(kept[np.unique(owner[owner >= 0])] / 0.1)
        seen = len(np.unique(cell, axis=0))
        if seen > most:
            best, most = replace(view, azimuth=view.azimuth + turn), seen
    return best
