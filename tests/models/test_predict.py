from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.infer import InferOptions
from models.plan import TrainOptions
from models.predict import predict_scene
from models.train import train
from prep.errors import OptionError
from prep.scene import Scene
from tests.tiny_store import build_tiny_store, make_room

OPTIONS = InferOptions(device="cpu", batch_size=8)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predict")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    for name, colored in (("run", True), ("plain", False)):
        (folder / name).mkdir()
        train(
            TrainOptions(
                system="vanilla",
                backbone="pointnet2",
                store=build_tiny_store(folder / name, colored=colored),
                fold="b",
                out=folder / name,
                epochs=6 if colored else 1,
                lr=4e-3,
                batch_size=4,
                device="cpu",
                cache=folder / "cache",
            )
        )
    torch.set_num_threads(before)
    return folder


class Messages:
    def __init__(self):
        self.texts = []

    def start(self, task, total, unit):
        self.total, self.done = total, 0

    def advance(self, steps=1, note=""):
        self.done += steps

    def finish(self):
        pass

    def message(self, text):
        self.texts.append(text)


def scene_of(xyz, color=None) -> Scene:
    xyz = np.asarray(xyz, np.float64).reshape(-1, 3)
    n = len(xyz)
    none = np.full((n, 1), -1)
    return Scene(
        name="cloud",
        group="all",
        xyz=xyz,
        color=color,
        normal=None,
        semantic=none.astype(np.int16),
        instance=none.astype(np.int32),
        source=np.arange(n),
        n_read=n,
    )


def room(seed: int = 2) -> tuple[Scene, np.ndarray]:
    columns = make_room(seed)
    color = np.stack([columns[c] for c in ("red", "green", "blue")], 1)
    return scene_of(np.stack([columns[c] for c in "xyz"], 1), color), columns["semantic"]


def check(scene: Scene, found) -> None:
    n = scene.n_points
    assert (found.semantic.dtype, found.semantic.shape) == (np.int16, (n,))
    assert (found.instance.dtype, found.instance.shape) == (np.int32, (n,))
    assert (found.confidence.dtype, found.confidence.shape) == (np.float32, (n,))
    assert ((found.semantic >= 0) & (found.semantic < 3)).all()
    assert (found.instance >= -1).all()
    assert ((found.confidence >= 1 / 3 - 1e-5) & (found.confidence <= 1)).all()


def test_a_trained_model_labels_a_room_that_it_has_not_seen(folder):
    scene, truth = room()
    progress = Messages()
    found = predict_scene(folder / "run", scene, options=OPTIONS, progress=progress)
    check(scene, found)
    known = truth >= 0
    accuracy = (found.semantic[known] == truth[known]).mean()
    commonest = np.bincount(truth[known]).max() / known.sum()
    assert accuracy > commonest + 0.1
    assert progress.texts == []
    assert progress.done == progress.total > 0
    assert {"network", "clustering", "merging"} <= found.seconds.keys()


def test_the_answer_follows_the_order_of_the_points(folder):
    # distinct cells of one point leave no order to depend on
    grid = np.stack(np.meshgrid(np.arange(6), np.arange(5)), -1).reshape(-1, 2) * 0.5 + 0.1
    xyz = np.c_[grid, np.linspace(0, 1, len(grid))]
    order = np.random.default_rng(0).permutation(len(xyz))
    straight = predict_scene(folder / "run", scene_of(xyz), options=OPTIONS)
    shuffled = predict_scene(folder / "run", scene_of(xyz[order]), options=OPTIONS)
    np.testing.assert_array_equal(straight.semantic[order], shuffled.semantic)


def test_predicting_twice_gives_the_same(folder):
    scene, _ = room()
    first = predict_scene(folder / "run", scene, options=OPTIONS)
    second = predict_scene(folder / "run", scene, options=OPTIONS)
    np.testing.assert_array_equal(first.semantic, second.semantic)
    np.testing.assert_array_equal(first.instance, second.instance)
    np.testing.assert_array_equal(first.confidence, second.confidence)


@pytest.mark.parametrize(
    "xyz",
    [
        [[1.0, 2.0, 3.0]],
        np.zeros((5, 3)),
        np.random.default_rng(0).random((50, 3)),
        np.random.default_rng(0).random((300, 3)) * [1, 1, 0],
        np.random.default_rng(0).random((40, 3)) * [30, 20, 3] - 1e6,
    ],
    ids=["one point", "one place", "fewer than a block wants", "flat", "sparse and far away"],
)
def test_any_cloud_gets_an_answer_for_every_point(folder, xyz):
    scene = scene_of(xyz)
    progress = Messages()
    check(scene, predict_scene(folder / "run", scene, options=OPTIONS, progress=progress))
    assert progress.texts == [
        "cloud: has no colour, but the model was trained with colour; expect worse labels"
    ]


def test_far_from_the_origin_nothing_changes(folder):
    scene, _ = room()
    # whole steps of a sixteenth keep the differences exact
    xyz = np.round((scene.xyz - scene.xyz.min(0)) * 1024) / 1024
    near = predict_scene(folder / "run", replace(scene, xyz=xyz), options=OPTIONS)
    far = predict_scene(folder / "run", replace(scene, xyz=xyz + 2.0**22), options=OPTIONS)
    np.testing.assert_array_equal(near.semantic, far.semantic)
    np.testing.assert_array_equal(near.instance, far.instance)


def test_points_that_are_not_finite_get_no_label_and_harm_no_other(folder):
    scene, _ = room()
    xyz = scene.xyz.copy()
    xyz[3, 1] = np.nan
    xyz[5, 0] = np.inf
    progress = Messages()
    found = predict_scene(
        folder / "run", replace(scene, xyz=xyz), options=OPTIONS, progress=progress
    )
    assert found.semantic[[3, 5]].tolist() == found.instance[[3, 5]].tolist() == [-1, -1]
    assert (np.delete(found.semantic, [3, 5]) >= 0).all()
    assert progress.texts == ["cloud: 2 points are not finite and get no label"]


def test_an_empty_cloud_is_an_empty_answer(folder):
    found = predict_scene(folder / "run", scene_of(np.empty((0, 3))), options=OPTIONS)
    assert found.semantic.shape == found.instance.shape == found.confidence.shape == (0,)


def test_a_model_without_colour_ignores_colours(folder):
    scene, _ = room()
    progress = Messages()
    with_colors = predict_scene(folder / "plain", scene, options=OPTIONS, progress=progress)
    without = predict_scene(folder / "plain", replace(scene, color=None), options=OPTIONS)
    np.testing.assert_array_equal(with_colors.semantic, without.semantic)
    assert progress.texts == ["cloud: its colours are ignored, the model was trained without"]


def test_neither_store_nor_cache_is_needed(folder, tmp_path):
    scene, _ = room()
    for name in ("config.json", "checkpoints/last.safetensors"):
        target = tmp_path / "run" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((folder / "run" / name).read_bytes())
    check(scene, predict_scene(tmp_path / "run", scene, options=OPTIONS))


def test_a_stray_point_is_an_error_with_its_remedy(folder):
    scene, _ = room()
    xyz = scene.xyz.copy()
    xyz[0] += 1e9
    with pytest.raises(OptionError, match=r"cloud: .*remove stray points"):
        predict_scene(folder / "run", replace(scene, xyz=xyz), options=OPTIONS)


def test_a_folder_that_is_no_run_is_one_line(tmp_path):
    with pytest.raises(OptionError, match=r"no config\.json"):
        predict_scene(tmp_path, scene_of(np.zeros((3, 3))))
