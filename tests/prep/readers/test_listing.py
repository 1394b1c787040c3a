from __future__ import annotations

import os
from pathlib import Path

import pytest

from prep.errors import SourceError
from prep.labels import ClassInfo, Labels, Level
from prep.readers import cloud, s3dis

LABELS = Labels((Level("class", (ClassInfo(0, "wall", (0, 0, 0)),)),))
LAYOUT = "Area_1/office_1/Annotations"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """One room that both readers list."""
    root = tmp_path / "raw"
    (root / LAYOUT).mkdir(parents=True)
    (root / LAYOUT / "wall_1.txt").write_text("0 0 0 1 2 3\n")
    return root


@pytest.mark.parametrize("reader", [s3dis, cloud], ids=["s3dis", "cloud"])
@pytest.mark.parametrize("name", ["Area_2", "Area_1/office_2", f"{LAYOUT}/wall_2.txt"])
def test_a_link_to_nothing_is_not_passed_over(raw: Path, name: str, reader: object) -> None:
    (raw / name).symlink_to(raw / "gone")
    with pytest.raises(SourceError) as caught:
        reader.list_scenes(raw, labels=LABELS, options={})
    message = f"{raw / name}: found a link to nothing ({raw / 'gone'}), wanted a file or a folder; "
    assert str(caught.value).startswith(message)


def test_a_link_to_a_folder_of_clouds_is_not_passed_over(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (raw / "more").symlink_to(tmp_path / "other")
    with pytest.raises(SourceError, match=r"more: found a link to a folder, wanted a folder; put"):
        cloud.list_scenes(raw, labels=LABELS, options={})


@pytest.mark.parametrize("reader", [s3dis, cloud], ids=["s3dis", "cloud"])
def test_a_folder_that_cannot_be_listed(
    raw: Path, monkeypatch: pytest.MonkeyPatch, reader: object
) -> None:
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if Path(path).name == "Annotations":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(SourceError, match=r"Annotations: found Permission denied, wanted a folder"):
        reader.list_scenes(raw, labels=LABELS, options={})
