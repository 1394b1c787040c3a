from __future__ import annotations

import numpy as np
import pytest
import torch

from models.geometry import Geometry
from models.infer import InferOptions, Predictor, choose_device
from models.votes import cover_scene, mean_cell_points, predict_points
from prep.errors import JointcloudError, OptionError
from prep.kernels.grid import sort_by_cell
from prep.progress import Silent
from prep.recipe import Recipe
from tests.oracle import Oracle
from tests.tiny_store import RECIPE, make_room


def features_of(rng, blocks: int, points: int = 40) -> np.ndarray:
    features = rng.random((blocks, points, 9)).astype(np.float32)
    colors = np.array([(90, 90, 90), (200, 60, 40), (40, 80, 200)]) / 255
    features[:, :, 3:6] = colors[rng.integers(0, 3, (blocks, points))]
    return features


def run_all(features, **options):
    predictor = Predictor(Oracle(), InferOptions(device="cpu", **options))
    found = list(
        predictor.run(lambda a, b: (features[a:b], Geometry()), len(features), where="a room")
    )
    return predictor, found


def test_blocks_come_in_order_whatever_the_batch():
    features = features_of(np.random.default_rng(0), 7)
    _, single = run_all(features, batch_size=1)
    predictor, batched = run_all(features, batch_size=3)
    assert [rows for rows, _ in batched] == [slice(0, 3), slice(3, 6), slice(6, 7)]
    for name in ("probability", "semantic", "cluster"):
        one = np.concatenate([getattr(blocks, name) for _, blocks in single])
        many = np.concatenate([getattr(blocks, name) for _, blocks in batched])
        np.testing.assert_array_equal(one, many, err_msg=name)
    assert predictor.seconds["network"] > 0
    assert predictor.seconds["clustering"] > 0


def test_clusters_are_those_of_the_embedding():
    features = features_of(np.random.default_rng(1), 2)
    _, [(_, blocks)] = run_all(features)
    for b in range(2):
        truth = blocks.semantic[b] * 2 + ((features[b, :, 6] > 0.5) & (blocks.semantic[b] == 1))
        pairs = set(zip(truth.tolist(), blocks.cluster[b].tolist(), strict=True))
        assert len(pairs) == len(set(truth.tolist())) == blocks.cluster[b].max() + 1
    np.testing.assert_allclose(blocks.probability.sum(-1), 1, rtol=1e-5)


def test_no_block_is_no_prediction():
    assert run_all(np.empty((0, 5, 9), np.float32))[1] == []


def test_numbers_that_are_not_finite_name_the_scene():
    model = Oracle()
    with torch.no_grad():
        model.weight.fill_(float("nan"))
    predictor = Predictor(model, InferOptions(device="cpu"))
    features = features_of(np.random.default_rng(0), 1)
    with pytest.raises(JointcloudError, match="a room: the network gives numbers"):
        list(predictor.run(lambda a, b: (features[a:b], Geometry()), 1, where="a room"))


@pytest.mark.parametrize(
    "change",
    [
        {"bandwidth": 0.0},
        {"bandwidth": float("inf")},
        {"bandwidth": float("nan")},
        {"batch_size": 0},
        {"threads": 0},
    ],
)
def test_senseless_options_are_refused(change):
    with pytest.raises(OptionError, match=next(iter(change)).replace("_", " ")):
        InferOptions(**change)


def test_devices_are_checked():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in ("cpu", "cuda")
    for name in ("gpu", "cuda:99", "mps", "meta"):
        with pytest.raises(OptionError, match=name):
            choose_device(name)


def in_cell_order(xyz: np.ndarray, recipe: Recipe = RECIPE) -> np.ndarray:
    xyz = xyz - xyz.min(axis=0)
    return xyz[sort_by_cell(xyz, recipe.stride_m)]


def clouds() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    grid = np.stack(np.meshgrid(np.arange(7) * 0.5, np.arange(7) * 0.5, [0.0]), -1)
    return {
        "one point": np.zeros((1, 3)),
        "two equal points": np.zeros((2, 3)),
        "a line": np.c_[np.linspace(0, 3.3, 50), np.zeros((50, 2))],
        "a dense room": rng.random((3000, 3)) * [1.7, 2.3, 2],
        "sparse and wide": rng.random((60, 3)) * [9, 7, 1],
        "uneven": np.r_[rng.random((500, 3)) * 0.9, rng.random((9, 3)) * [5, 5, 1]],
        "exact multiples of the stride": grid.reshape(-1, 3),
    }


@pytest.mark.parametrize("name", clouds())
def test_every_point_is_fresh_in_some_sample(name):
    coord = in_cell_order(clouds()[name])
    cover = cover_scene(coord, RECIPE, 11)
    votes = np.zeros(len(coord), int)
    for row, fresh in zip(cover.sample, cover.fresh, strict=True):
        assert 1 <= fresh <= RECIPE.n_points
        assert len(set(row[:fresh].tolist())) == fresh
        votes[row[:fresh]] += 1
        ends = coord[row, :2]
        assert (ends.max(0) - ends.min(0) <= RECIPE.block_m + 1e-5).all()
    assert votes.min() >= 1
    assert votes.max() <= 9


def test_each_block_deals_each_of_its_points_once():
    coord = in_cell_order(np.random.default_rng(0).random((1000, 3)))
    cover = cover_scene(coord, RECIPE, 0)
    assert len(cover.sample) == -(-1000 // 96)
    dealt = np.concatenate([s[:f] for s, f in zip(cover.sample, cover.fresh, strict=True)])
    assert sorted(dealt.tolist()) == list(range(1000))
    last = cover.sample[-1]
    assert len(set(last.tolist())) == RECIPE.n_points


def test_a_cover_is_a_function_of_its_seed():
    coord = in_cell_order(np.random.default_rng(0).random((500, 3)))
    first, again, other = (cover_scene(coord, RECIPE, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.sample, again.sample)
    assert (first.sample != other.sample).any()


def test_small_blocks_serve_only_points_that_no_larger_one_holds():
    rng = np.random.default_rng(0)
    # a full block, and five points that lie only in sparse ones
    xyz = np.r_[[[0, 0, 0]], rng.random((300, 3)) * 0.99, rng.random((5, 3)) * 0.2 + [2, 0.2, 0]]
    coord = in_cell_order(xyz)
    cover = cover_scene(coord, RECIPE, 0)
    sparse = [set(s[:f].tolist()) for s, f in zip(cover.sample, cover.fresh, strict=True) if f < 9]
    assert len(sparse) == 1
    assert len(sparse[0]) == 5


def room(seed: int = 0):
    columns = make_room(seed)
    xyz = np.stack([columns[c] for c in "xyz"], 1)
    color = np.stack([columns[c] for c in ("red", "green", "blue")], 1)
    return xyz, color, columns["semantic"], columns["instance"]


def predict(xyz, color, **options):
    predictor = Predictor(Oracle(), InferOptions(device="cpu", **options))
    return predict_points(
        predictor,
        Oracle.geometry_spec,
        (xyz - xyz.min(0)).astype(np.float32),
        color,
        name="room",
        recipe=RECIPE,
        n_classes=3,
        instance_points=np.array([450.0, 112.0, 225.0]),
        cell_points=900 / 12,
        seed=0,
        progress=Silent(),
    )


def test_votes_and_merging_find_the_things_of_a_room():
    xyz, color, semantic, instance = room()
    found = predict(xyz, color)
    known = semantic >= 0
    assert (found.semantic[known] == semantic[known]).mean() > 0.99
    assert found.confidence.min() > 0.3
    assert found.confidence.max() <= 1
    for truth in range(4):
        mine = found.instance[instance == truth]
        values, counts = np.unique(mine, return_counts=True)
        assert values[counts.argmax()] >= 0
        assert counts.max() / len(mine) > 0.9


def test_the_answer_follows_the_points_whatever_the_batch():
    xyz, color, _, _ = room()
    one, many = predict(xyz, color, batch_size=1), predict(xyz, color, batch_size=64)
    np.testing.assert_array_equal(one.semantic, many.semantic)
    np.testing.assert_array_equal(one.instance, many.instance)
    np.testing.assert_array_equal(one.confidence, many.confidence)


@pytest.mark.parametrize("points", [450, 900, 7200])
def test_instances_survive_the_size_filter_at_any_density(points):
    columns = make_room(0, points=points)
    xyz = np.stack([columns[c] for c in "xyz"], 1)
    color = np.stack([columns[c] for c in ("red", "green", "blue")], 1)
    found = predict(xyz, color)
    for truth in range(4):
        values, counts = np.unique(found.instance[columns["instance"] == truth], return_counts=True)
        assert values[counts.argmax()] >= 0, truth


def test_density_counts_the_points_of_the_cells_that_hold_any():
    # cells (0, 0) twice, (0, 3), (2, 0)
    coord = np.array([[0, 0, 0], [0.4, 0.4, 9], [0.1, 1.6, 0], [1.2, 0, 0]], np.float32)
    assert mean_cell_points(coord, 0.5) == pytest.approx(4 / 3)
    assert mean_cell_points(coord[:1], 0.5) == 1
