from __future__ import annotations

import pytest

from prep.errors import StoreError
from prep.store import objects as module
from prep.store.objects import LocalObjects, open_objects


@pytest.fixture
def home(tmp_path):
    return LocalObjects(tmp_path / "store")


def test_put_get_list_delete(home):
    home.put("b/2", b"two")
    home.put("b/1", b"one")
    home.put("a", b"")
    assert home.list() == {"a": 0, "b/1": 3, "b/2": 3}
    assert list(home.list("b/")) == ["b/1", "b/2"]
    assert home.get("b/1") == b"one"
    home.put("b/1", b"uno")
    assert home.get("b/1") == b"uno"
    home.delete("b/1")
    home.delete("b/1")
    assert home.get("b/1") is None
    assert not home.exists("b/1")
    assert home.exists("b/2")


def test_a_prefix_is_a_text_not_a_folder(home):
    for key in ("parts/00001/x", "parts/00010/x", "parts/zarr.json"):
        home.put(key, b"")
    assert list(home.list("parts/0001")) == ["parts/00010/x"]
    assert home.list("nothing/here/") == {}


def test_deleting_the_last_object_leaves_no_folder(home):
    home.put("a/b/c", b"x")
    home.put("a/d", b"x")
    home.delete("a/b/c")
    assert not (home.root / "a/b").exists()
    home.delete("a/d")
    assert list(home.root.iterdir()) == []


def test_a_folder_is_no_object(home):
    home.put("a/b", b"x")
    assert home.get("a") is None
    assert home.get("a/b/c") is None
    assert not home.exists("a")
    home.delete("a/b/c")
    assert home.get("a/b") == b"x"


def test_create_writes_once(home):
    assert home.create("lock", b"mine")
    assert not home.create("lock", b"yours")
    assert home.get("lock") == b"mine"
    assert home.list() == {"lock": 4}


def test_create_without_hard_links(home, monkeypatch):
    def no_links(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(module.os, "link", no_links)
    assert home.create("lock", b"mine")
    assert not home.create("lock", b"yours")
    assert home.get("lock") == b"mine"


@pytest.mark.parametrize(
    "key", ["../x", "a/../../x", "/etc/passwd", "a//b", "", "a/./b", "a\\b", "a\0b", "a/", ".."]
)
@pytest.mark.parametrize("method", ["get", "put", "create", "delete", "exists"])
def test_keys_cannot_leave_the_root(home, method, key):
    arguments = (key, b"x") if method in ("put", "create") else (key,)
    with pytest.raises(StoreError, match="not a key"):
        getattr(home, method)(*arguments)


def test_list_refuses_to_leave_the_root(home):
    with pytest.raises(StoreError, match="not a key"):
        home.list("../")


def test_links_cannot_leave_the_root(home, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    home.put("a", b"x")
    (home.root / "door").symlink_to(outside)
    (home.root / "window").symlink_to(outside / "secret")
    for key in ("door/secret", "window"):
        with pytest.raises(StoreError, match="leads out of the store"):
            home.get(key)
        with pytest.raises(StoreError, match="leads out of the store"):
            home.put(key, b"y")
    assert "door/secret" not in home.list()
    assert (outside / "secret").read_bytes() == b"secret"


def test_a_store_may_itself_be_behind_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    LocalObjects(tmp_path / "link").put("a/b", b"x")
    assert (tmp_path / "real/a/b").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("number", "text"), [(28, "No space left on device"), (30, "Read-only file system")]
)
def test_a_failed_write_leaves_the_old_object(home, monkeypatch, number, text):
    home.put("a", b"old")

    def fail(path, data):
        path.write_bytes(data[:1])
        raise OSError(number, text)

    monkeypatch.setattr(module, "_write", fail)
    with pytest.raises(StoreError, match=f"a: cannot write it .{text}"):
        home.put("a", b"new")
    assert home.get("a") == b"old"
    assert home.sweep() == 0


def test_sweep_removes_what_killed_writers_left(home):
    home.put("a/b", b"x")
    (home.root / "a/.c.123-0.partial").write_bytes(b"half")
    assert list(home.list()) == ["a/b"]
    assert home.sweep() == 1
    assert [p.name for p in (home.root / "a").iterdir()] == ["b"]


def test_a_folder_that_cannot_be_listed(home, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    home.put("a/b", b"x")
    monkeypatch.setattr(module.os, "scandir", refuse)
    with pytest.raises(StoreError, match=r"a: cannot list it \(Permission denied\)"):
        home.list("a/")


def test_open_objects_refuses_urls_and_files(tmp_path):
    with pytest.raises(StoreError, match="local folders only"):
        open_objects("s3://bucket/store.zarr")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="is a file, wanted a folder"):
        open_objects(tmp_path / "file")
    assert open_objects(tmp_path / "new").list() == {}
