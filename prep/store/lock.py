"""One builder at a time: a lock among the store's objects."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prep.errors import StoreError
from prep.store.create import check_target
from prep.store.objects import Objects, open_objects
from prep.store.record import decode_group, encode_group
from prep.store.schema import LOCK_KEY


@contextlib.contextmanager
def hold_store(path: str | Path, *, objects: Objects | None = None) -> Iterator[None]:
    """Keep other builders away from a store.

    Everything from :func:`create_store` to :func:`finish_store` belongs inside; the workers of
    the same build do not take the lock themselves. A lock whose process is gone from this machine
    is taken over, and what killed writers left behind is swept away.

    Raises
    ------
    StoreError
        Another process builds the store (the line names it), or ``path`` holds something else.
    """
    objects = objects or open_objects(path)
    check_target(objects)
    mine = encode_group({"host": socket.gethostname(), "pid": os.getpid(), "start": _start_of()})
    while not objects.create(LOCK_KEY, mine):
        held = objects.get(LOCK_KEY)
        if held is None:
            continue
        holder = _parse(held)
        if _may_live(holder):
            raise StoreError(
                f"{objects.where}: is being built by process {holder.get('pid')} on "
                f"{holder.get('host')}; wait for it, or if it is gone delete "
                f"{objects.where}/{LOCK_KEY}"
            )
        if objects.get(LOCK_KEY) == held:  # or another process was faster to take it over
            objects.delete(LOCK_KEY)
    try:
        objects.sweep()
        yield
    finally:
        if objects.get(LOCK_KEY) == mine:
            objects.delete(LOCK_KEY)


def _parse(data: bytes) -> dict[str, Any]:
    try:
        return decode_group(data, "lock")
    except StoreError:
        return {}


def _may_live(holder: dict[str, Any]) -> bool:
    """Tell whether the holder of a lock may still be at work."""
    pid = holder.get("pid")
    if holder.get("host") != socket.gethostname():
        return bool(holder)  # an unreadable lock was never whole: its writer is gone
    if type(pid) is not int or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return holder.get("start") == _start_of(pid)


def _start_of(pid: int | None = None) -> str:
    """Return when a process began, so that a reused process id is no false holder.

    "" where the system does not say; "ended" for a process that was killed and that its parent
    has not collected yet.
    """
    try:
        stat = Path(f"/proc/{pid or os.getpid()}/stat").read_text()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "ended" if fields[0] in "ZX" else fields[19]
