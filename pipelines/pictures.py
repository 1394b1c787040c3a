"""Pictures of scenes: colours by class, instance and error, panels side by side, PNG bytes.

Every function is pure: arrays in, ``uint8 (height, width, 3)`` or PNG bytes out.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pipelines.render import (
    BACKGROUND,
    Pixels,
    View,
    choose_view,
    open_box,
    paint,
    rasterise,
)

Rgb = tuple[int, int, int]

GREY: Rgb = (176, 180, 186)
RIGHT: Rgb = (205, 210, 216)
WRONG: Rgb = (214, 48, 49)
UNSCORED: Rgb = (150, 160, 190)
INK: Rgb = (40, 44, 52)


def soften(color: Rgb, share: float = 0.28) -> Rgb:
    """Mix light grey into a colour: the pure blue and cyan of S3DIS tire the eye."""
    red, green, blue = (round(c * (1 - share) + 232 * share) for c in color)
    return red, green, blue


def class_colors(semantic: NDArray[np.integer], colors: Sequence[Rgb]) -> NDArray[np.uint8]:
    """Return the colour of each point's class, grey where unlabelled; (n,) to uint8 (n, 3)."""
    table = np.array([*colors, GREY], dtype=np.uint8)
    known = (semantic >= 0) & (semantic < len(colors))
    painted: NDArray[np.uint8] = table[np.where(known, semantic, len(colors))]
    return painted


def instance_colors(instance: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Return a well separated colour for each instance id, grey for −1; (n,) to uint8 (n, 3).

    Hues advance by the golden ratio, brightness and saturation in small cycles, so that the
    colours of neighbouring ids differ and an id always has the same colour.
    """
    ids = np.asarray(instance, dtype=np.int64)
    hue = (ids * 0.61803398875 + 0.07) % 1.0
    saturation = np.array([0.62, 0.45, 0.78])[ids % 3]
    value = np.array([0.92, 0.72, 0.85, 0.58])[ids % 4]
    wheel = np.abs((hue[:, None] * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1
    rgb = value[:, None] * (1 - saturation[:, None] * (1 - np.clip(wheel, 0, 1)))
    color: NDArray[np.uint8] = np.rint(255 * rgb).astype(np.uint8)
    color[ids < 0] = GREY
    return color


def error_colors(truth: NDArray[np.integer], predicted: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Return light grey where right, red where wrong, blue-grey where the truth is unknown."""
    wrong = (truth != predicted)[:, None]
    color: NDArray[np.uint8] = np.where(wrong, WRONG, RIGHT).astype(np.uint8)
    color[truth < 0] = UNSCORED
    return color


def shaded(
    rgb: NDArray[np.uint8], base: NDArray[np.uint8], share: float = 0.3
) -> NDArray[np.uint8]:
    """Mix the brightness of the photographed colour ``base`` into label colours ``rgb``."""
    light = base.astype(np.float32).mean(axis=1, keepdims=True) / 255.0
    mixed = rgb * (1 - share + share * np.clip(light * 1.5, 0.0, 1.15))
    tones: NDArray[np.uint8] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return tones


def encode_png(pixels: Pixels, *, palette: int = 0) -> bytes:
    """Return a PNG file; ``palette`` > 0 reduces it to that many colours (at most 256)."""
    image = Image.fromarray(pixels)
    if palette:
        image = image.quantize(palette, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    out = io.BytesIO()
    image.save(out, format="PNG")
    return out.getvalue()


def match_instances(
    truth: NDArray[np.integer], predicted: NDArray[np.integer]
) -> NDArray[np.int64]:
    """Renumber predicted instances so that each looks like the true one that it overlaps most.

    True instances are given away greedily by number of shared points, each once; what is left
    over gets new ids behind the largest true id. −1 stays.
    """
    out = np.full(len(predicted), -1, dtype=np.int64)
    ids, inverse = np.unique(predicted, return_inverse=True)
    new = {int(i): -1 for i in ids if i < 0}
    both = (truth >= 0) & (predicted >= 0)
    pairs, shared = np.unique(
        np.stack([predicted[both], truth[both]], axis=1), axis=0, return_counts=True
    )
    given: set[int] = set()
    for k in np.argsort(-shared, kind="stable"):
        mine, theirs = int(pairs[k, 0]), int(pairs[k, 1])
        if mine not in new and theirs not in given:
            new[mine] = theirs
            given.add(theirs)
    following = max(int(truth.max(initial=-1)), -1) + 1
    for i in ids:
        if int(i) not in new:
            new[int(i)] = following
            following += 1
    if len(ids):
        out = np.array([new[int(i)] for i in ids], dtype=np.int64)[inverse]
    return out


def side_by_side(
    pictures: Sequence[Pixels],
    captions: Sequence[str],
    *,
    legend: Sequence[tuple[str, Rgb]] = (),
    gap: int = 14,
    text: int = 22,
) -> Pixels:
    """Put pictures of one height in a row with a caption above each and a legend below.

    Parameters
    ----------
    pictures : sequence of uint8 (h, w, 3)
    captions : sequence of str
        One for each picture.
    legend : sequence of (name, RGB)
    gap, text : int
        Space between pictures and height of the letters, pixels.
    """
    font = _font(text)
    high = max(p.shape[0] for p in pictures)
    wide = sum(p.shape[1] for p in pictures) + gap * (len(pictures) + 1)
    top = 2 * text
    rows = _legend_rows(legend, font, wide - 2 * gap, text)
    sheet = Image.new("RGB", (wide, top + high + gap + round(1.7 * text) * len(rows)), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    x = gap
    for picture, caption in zip(pictures, captions, strict=True):
        sheet.paste(Image.fromarray(picture), (x, top))
        draw.text((x + picture.shape[1] / 2, top / 2), caption, INK, font, anchor="mm")
        x += picture.shape[1] + gap
    y = top + high + gap // 2
    for row in rows:
        x = gap + round((wide - 2 * gap - sum(w for _, _, w in row)) / 2)
        for name, color, width in row:
            box = (x, y + text * 0.25, x + text * 0.8, y + text * 1.05)
            draw.rounded_rectangle(box, radius=4, fill=color)
            draw.text((x + text * 1.1, y + text * 0.65), name, INK, font, anchor="lm")
            x += width
        y += round(1.7 * text)
    return np.asarray(sheet, dtype=np.uint8)


def scene_picture(
    xyz: NDArray[np.floating],
    rgb: NDArray[np.uint8] | None,
    semantic: NDArray[np.integer],
    instance: NDArray[np.integer],
    classes: Sequence[tuple[str, Rgb]],
    *,
    width: int = 760,
    height: int = 620,
) -> Pixels:
    """Draw one labelled room: colour, semantics and instances side by side, with a legend.

    Parameters
    ----------
    xyz, rgb, semantic, instance
        float (n, 3) metres; uint8 (n, 3) or None; class ids and instance ids (n,), −1 unknown.
    classes : sequence of (name, RGB)
        By class id. One called ``ceiling`` is taken off so that one looks into the room.
    width, height : int
        Pixels of each of the pictures.
    """
    names = [name for name, _ in classes]
    ceiling = semantic == names.index("ceiling") if "ceiling" in names else None
    view = choose_view(xyz, View(width=width, height=height), ceiling=ceiling)
    keep = open_box(xyz, view, ceiling=ceiling)
    raster = rasterise(xyz[keep], view)
    soft = [(name, soften(color)) for name, color in classes]
    by_class = class_colors(semantic[keep], [color for _, color in soft])
    by_instance = instance_colors(instance[keep])
    pictures, captions = [], []
    if rgb is not None:
        pictures.append(paint(raster, rgb[keep]))
        captions.append("colour")
        by_class, by_instance = shaded(by_class, rgb[keep]), shaded(by_instance, rgb[keep])
    pictures += [paint(raster, by_class), paint(raster, by_instance)]
    captions += ["semantics", "instances"]
    present = set(np.unique(semantic[keep]).tolist())
    legend = [entry for c, entry in enumerate(soft) if c in present]
    return side_by_side(pictures, captions, legend=legend)


def _font(size: int) -> ImageFont.FreeTypeFont:
    """Load the font that matplotlib brings: the same letters on every machine."""
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(path), size)


def _legend_rows(
    legend: Sequence[tuple[str, Rgb]], font: ImageFont.FreeTypeFont, wide: int, text: int
) -> list[list[tuple[str, Rgb, int]]]:
    """Break the legend into rows of (name, colour, width in pixels)."""
    rows: list[list[tuple[str, Rgb, int]]] = []
    used = wide + 1
    for name, color in legend:
        width = round(font.getlength(name) + 2.2 * text)
        if used + width > wide:
            rows.append([])
            used = 0
        rows[-1].append((name, color, width))
        used += width
    return rows
