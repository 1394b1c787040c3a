from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from models import evaluate as module
from models.asis_files import score_asis_folder
from models.checkpoint import TrainState
from models.data import open_data
from models.evaluate import evaluate_run
from models.infer import InferOptions
from models.plan import TrainOptions
from models.train import train
from prep.errors import OptionError, StoreError
from prep.store import open_store
from tests.oracle import Oracle
from tests.tiny_store import RECIPE, build_tiny_store, make_room

OPTIONS = InferOptions(device="cpu", batch_size=4)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluate")
    train(
        TrainOptions(
            system="asis",
            backbone="pointnet",
            store=build_tiny_store(folder),
            fold="b",
            out=folder / "run",
            epochs=1,
            batch_size=4,
            device="cpu",
            cache=folder / "cache",
        )
    )
    return folder


@pytest.fixture
def oracle(monkeypatch):
    monkeypatch.setattr(module, "build_model", lambda config: Oracle())
    state = TrainState(1, 0, 1, {}, 0.0, "", "")
    monkeypatch.setattr(module, "load_checkpoint", lambda *_, **__: state)


class Recorder:
    def __init__(self):
        self.total = self.done = 0
        self.notes = []

    def start(self, task, total, unit):
        self.total, self.done = total, 0

    def advance(self, steps=1, note=""):
        self.done += steps
        self.notes.append(note)

    def finish(self):
        pass

    def message(self, text):
        pass


def evaluate(folder, protocol, **changes):
    settings = {"options": OPTIONS, "cache": folder / "cache", **changes}
    return evaluate_run(folder / "run", protocol, **settings)


def arrays_of(folder, protocol):
    path = folder / "run" / "evaluation" / protocol / "b" / "room_2.npz"
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


@pytest.mark.parametrize("protocol", ["paper", "full"])
def test_the_result_says_what_was_measured(folder, protocol):
    result = evaluate(folder, protocol)
    stored = (folder / "run" / "evaluation" / f"{protocol}.json").read_text()
    assert json.loads(stored) == result
    assert "NaN" not in stored
    store = open_store(folder / "tiny.zarr")
    assert result["protocol"] == protocol
    assert result["system"] == "asis"
    assert result["backbone"] == "pointnet"
    assert result["fold"] == "b"
    assert result["seed"] == 0
    assert result["store_digest"] == store.digest
    assert result["scenes"] == 1
    assert result["class_names"] == ["floor", "box", "pole"]
    assert set(result["mean"]) >= {"oAcc", "mAcc", "mIoU", "mCov", "mWCov", "mPrec", "mRec"}
    assert {"network", "clustering", "merging", "scoring"} <= result["seconds"].keys()
    assert result["checkpoint"] == {"name": "last", "epoch": 1, "samples": 12}
    confusion = np.array(result["confusion"])
    assert confusion.shape == (3, 3)
    assert confusion.sum() == result["scored_points"] < result["points"]
    arrays = arrays_of(folder, protocol)
    known = arrays["semantic_true"] >= 0
    assert known.sum() == result["scored_points"]
    right = (arrays["semantic"] == arrays["semantic_true"])[known].mean()
    assert result["mean"]["oAcc"] == pytest.approx(right)


def test_the_baseline_is_the_commonest_class_on_the_same_points(folder):
    result = evaluate(folder, "full")
    truth = make_room(2)["semantic"]
    share = (truth == 0).sum() / (truth >= 0).sum()
    assert result["baseline"] == {
        "class": "floor",
        "oAcc": pytest.approx(share),
        "mAcc": pytest.approx(1 / 3),
        "mIoU": pytest.approx(share / 3),
    }


def test_full_holds_every_point_once_in_the_order_of_the_source(folder):
    result = evaluate(folder, "full")
    arrays, source = arrays_of(folder, "full"), make_room(2)
    xyz = np.stack([source[c] for c in "xyz"], 1)
    assert result["points"] == len(xyz)
    np.testing.assert_allclose(arrays["coord"], xyz - xyz.min(0), atol=1e-5)
    np.testing.assert_array_equal(arrays["semantic_true"], source["semantic"])
    np.testing.assert_array_equal(arrays["color"][:, 0], source["red"])
    assert (arrays["semantic"] >= 0).all()
    assert ((arrays["confidence"] > 0) & (arrays["confidence"] <= 1)).all()


def test_paper_holds_the_stored_samples(folder):
    result = evaluate(folder, "paper")
    store = open_store(folder / "tiny.zarr")
    scene = store.scenes.index("b/room_2")
    part = store.part(int(store.scenes.part[scene]))
    mine = part.blocks.scene == part.blocks.scene.max()
    sample = part.blocks.sample[mine].reshape(-1)
    rows = part.coord[int(store.scenes.first[scene]) :]
    assert result["points"] == len(sample) == result["samples"] * RECIPE.n_points
    np.testing.assert_array_equal(arrays_of(folder, "paper")["coord"], rows[sample])


def test_a_model_that_knows_the_answer_gets_full_marks(folder, oracle):
    result = evaluate(folder, "full")
    for name, value in result["mean"].items():
        assert value > 0.97, name
    # joining by 7 points in the cells of a grid of 201^3 is made for larger samples
    result = evaluate(folder, "paper")
    assert result["mean"]["mIoU"] > 0.97
    assert result["mean"]["mWCov"] > 0.7


def test_full_is_the_same_every_time(folder):
    first = evaluate(folder, "full")
    arrays = arrays_of(folder, "full")
    second = evaluate(folder, "full", options=replace(OPTIONS, batch_size=3))
    for result in (first, second):
        del result["seconds"]
    assert first == second
    for name, array in arrays_of(folder, "full").items():
        np.testing.assert_array_equal(array, arrays[name], err_msg=name)


def test_the_text_files_of_asis_give_the_same_scores(folder, tmp_path):
    result = evaluate(folder, "paper", asis_out=tmp_path / "asis")
    assert len(list((tmp_path / "asis").iterdir())) == 2
    again = score_asis_folder(tmp_path / "asis", tuple(result["class_names"])).to_dict()
    assert again["mean"] == pytest.approx(result["mean"])
    assert again["undefined"] == result["undefined"]


def test_an_unknown_protocol_is_refused(folder):
    with pytest.raises(OptionError, match="protocol 'best' must be one of paper, full"):
        evaluate(folder, "best")


def test_a_checkpoint_that_is_not_there_is_one_line(folder):
    with pytest.raises(OptionError, match="epoch_077"):
        evaluate(folder, "full", checkpoint="epoch_077")


def test_another_store_is_refused_unless_accepted(folder, tmp_path):
    other = build_tiny_store(tmp_path, recipe=replace(RECIPE, seed=8))
    with pytest.raises(StoreError, match="found digest"):
        evaluate(folder, "full", store=other)
    result = evaluate(folder, "full", store=other, any_digest=True)
    assert result["store_digest"] == open_store(other).digest


def test_a_scene_without_a_block_has_no_point_under_paper_and_all_under_full(folder, tmp_path):
    other = build_tiny_store(tmp_path, recipe=replace(RECIPE, min_points=10_000))
    with pytest.raises(StoreError, match="no labelled point in the 1 test scenes of fold b") as e:
        evaluate(folder, "paper", store=other, any_digest=True)
    assert "\n" not in str(e.value)
    assert arrays_of(folder, "paper")["coord"].shape == (0, 3)
    assert not (folder / "run" / "evaluation" / "paper.json").exists()
    result = evaluate(folder, "full", store=other, any_digest=True)
    assert result["points"] == len(make_room(2)["x"])


def test_a_store_of_other_blocks_is_refused_under_paper_and_does_under_full(folder, tmp_path):
    other = build_tiny_store(tmp_path, recipe=replace(RECIPE, n_points=32))
    with pytest.raises(StoreError, match="found blocks of n_points 32, wanted 96"):
        evaluate(folder, "paper", store=other, any_digest=True)
    assert evaluate(folder, "full", store=other, any_digest=True)["points"] > 0


def test_undefined_scores_are_null_in_the_file(folder, monkeypatch):
    truth = open_data(open_store(folder / "tiny.zarr"), cache=folder / "cache")
    no_pole = np.where(truth.semantic == 2, -1, truth.semantic)
    monkeypatch.setattr(module, "open_data", lambda *_, **__: replace(truth, semantic=no_pole))
    result = evaluate(folder, "full", zero_division="nan")
    assert result["zero_division"] == "nan"
    assert result["baseline"]["mAcc"] is None
    assert result["mean"]["mAcc"] is None
    stored = (folder / "run" / "evaluation" / "full.json").read_text()
    assert json.loads(stored, parse_constant=pytest.fail) == result
    assert evaluate(folder, "full")["baseline"]["mAcc"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("protocol", ["paper", "full"])
def test_the_progress_ends_with_all_points(folder, protocol):
    progress = Recorder()
    evaluate(folder, protocol, progress=progress)
    assert progress.done == progress.total == len(make_room(2)["x"])
    assert progress.notes[-1] == "b/room_2"


def test_a_failed_evaluation_leaves_no_scores_of_an_older_one(folder, monkeypatch):
    evaluate(folder, "full")

    def fail(*_):
        raise RuntimeError("killed")

    monkeypatch.setattr(module, "_write_scene", fail)
    with pytest.raises(RuntimeError, match="killed"):
        evaluate(folder, "full")
    assert not (folder / "run" / "evaluation" / "full.json").exists()
