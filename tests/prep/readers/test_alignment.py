from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from prep.errors import SourceError
from prep.readers.alignment import read_angles, rotate_z


def write(root: Path, text: str) -> Path:
    """Write the angles of Area_1 and return its folder."""
    group = root / "Area_1"
    group.mkdir()
    (group / "Area_1_alignmentAngle.txt").write_text(text)
    return group


def test_reads_the_release_s_form(tmp_path: Path) -> None:
    text = "## Global alignment angle ##\n## Name Angle ##\n\nWC_1 0\noffice_2  180\nlobby\t12.5 \n"
    group = write(tmp_path, text)
    assert read_angles(group, tmp_path) == {"WC_1": 0.0, "office_2": 180.0, "lobby": 12.5}


@pytest.mark.parametrize("line", ["WC_1", "WC_1 ninety", "90", "WC_2 nan", "WC_0 90"])
def test_a_line_of_another_form(tmp_path: Path, line: str) -> None:
    group = write(tmp_path, f"# head\nWC_0 0\n{line}\n")
    with pytest.raises(SourceError, match=r"Area_1_alignmentAngle.txt:3: found '.*ROOM DEGREES"):
        read_angles(group, tmp_path)


def test_quarter_turns_are_exact() -> None:
    xyz = np.array([[0, 0, 5], [4, 0, 6], [4, 2, 7]], dtype=np.float64)
    np.testing.assert_array_equal(rotate_z(xyz, 0), xyz)
    np.testing.assert_array_equal(rotate_z(xyz, 90)[:, :2], [[1, 3], [1, -1], [3, -1]])
    np.testing.assert_array_equal(rotate_z(xyz, 180)[:, :2], [[4, 2], [0, 2], [0, 0]])
    np.testing.assert_array_equal(rotate_z(xyz, -90), rotate_z(xyz, 270))
    np.testing.assert_array_equal(rotate_z(xyz, 360), xyz)
    np.testing.assert_array_equal(rotate_z(xyz, 90)[:, 2], xyz[:, 2])


def test_any_angle_is_a_rotation_matrix() -> None:
    xyz = np.random.default_rng(0).normal(size=(50, 3)) + np.array([1e5, -2e5, 3])
    angle = np.radians(33.0)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    center = (xyz.min(axis=0) + xyz.max(axis=0))[:2] / 2
    expected = (xyz[:, :2] - center) @ turn.T + center
    np.testing.assert_allclose(rotate_z(xyz, 33.0)[:, :2], expected, rtol=0, atol=1e-9)


def test_one_point_stays() -> None:
    np.testing.assert_array_equal(rotate_z(np.array([[1.0, 2, 3]]), 45), [[1, 2, 3]])
