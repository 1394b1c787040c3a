from __future__ import annotations

import hashlib

from prep.seeding import scene_seed


def test_is_the_head_of_a_hash():
    head = hashlib.blake2b(b"3:Area_5/office_1").hexdigest()[:16]
    assert scene_seed(3, "Area_5/office_1") == int.from_bytes(bytes.fromhex(head), "little")


def test_differs_by_seed_and_by_name_and_fits_64_bits():
    seeds = {scene_seed(s, f"Area_{k}/ünïcode") for s in range(20) for k in range(20)}
    assert len(seeds) == 400
    assert all(0 <= seed < 2**64 for seed in seeds)


def test_never_changes():
    assert scene_seed(0, "a") == 12103398068997009335
