"""The store: whole scenes in parts, each committed once, readable with plain Zarr.

::

    with hold_store(path):                   # one builder at a time
        create_store(path, header)           # begins, or goes on
        reports = [build_part(task) for task in tasks]   # in any order, anywhere
        finish_store(path)                   # table of scenes, folds
    store = open_store(path)
"""

from prep.store.build import PartReport, PartTask, build_part
from prep.store.create import create_store
from prep.store.finish import FinishReport, finish_store
from prep.store.header import StoreHeader
from prep.store.lock import hold_store
from prep.store.read import Store, open_store
from prep.store.status import StoreStatus, store_status
from prep.store.verify import VerifyReport, verify_store
from prep.store.views import Fold, Part, PartBlocks, Scenes

__all__ = [
    "FinishReport",
    "Fold",
    "Part",
    "PartBlocks",
    "PartReport",
    "PartTask",
    "Scenes",
    "Store",
    "StoreHeader",
    "StoreStatus",
    "VerifyReport",
    "build_part",
    "create_store",
    "finish_store",
    "hold_store",
    "open_store",
    "store_status",
    "verify_store",
]
