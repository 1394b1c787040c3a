from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models import train as train_module
from models.data import open_data
from models.plan import TrainOptions, plan_run, training_blocks
from models.run import Run, RunConfig
from models.train import train
from prep.errors import JointcloudError, OptionError, StoreError
from prep.progress import Silent
from prep.store import open_store
from tests.tiny_store import build_tiny_store


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    build_tiny_store(folder)
    return folder


@pytest.fixture
def options(folder, tmp_path):
    return TrainOptions(
        system="vanilla",
        backbone="pointnet",
        store=folder / "tiny.zarr",
        fold="b",
        out=tmp_path / "run",
        epochs=2,
        batch_size=4,
        device="cpu",
        seed=5,
        cache=folder / "cache",
    )


class Recorder:
    def __init__(self):
        self.total = self.done = 0
        self.notes, self.messages = [], []

    def start(self, task, total, unit):
        self.total, self.done = total, 0

    def advance(self, steps=1, note=""):
        self.done += steps
        self.notes.append(note)

    def finish(self):
        pass

    def message(self, text):
        self.messages.append(text)


def weights(out: Path) -> bytes:
    return (out / "checkpoints" / "last.safetensors").read_bytes()


def test_the_loss_falls_and_everything_is_recorded(options):
    progress = Recorder()
    report = train(replace(options, epochs=5, lr=2e-3, checkpoint_every=2), progress)
    run = Run(options.out)
    history = run.read_history()
    losses = [row["loss"]["total"] for row in history]
    assert losses[-1] < 0.75 * losses[0]
    assert [row["epoch"] for row in history] == list(range(1, 6))
    assert [row["samples"] for row in history] == [12 * e for e in range(1, 6)]
    assert {"total", "semantic", "instance"} <= history[0]["loss"].keys()
    assert 0 <= history[0]["accuracy"] <= 1
    assert history[0]["lr"] == 2e-3
    assert history[0]["bn_momentum"] == 0.5
    assert (report.epochs, report.trained_epochs, report.samples) == (5, 5, 60)
    assert report.loss == losses[-1]
    assert progress.done == progress.total == 15
    assert progress.notes[-1].startswith("epoch 5, loss ")
    kept = sorted(p.name for p in (options.out / "checkpoints").glob("*.safetensors"))
    assert kept == [f"{n}.safetensors" for n in ("epoch_002", "epoch_004", "epoch_005", "last")]
    assert list(run.tensorboard.iterdir())


def test_the_same_seed_gives_the_same_weights_and_another_does_not(options, tmp_path):
    options = replace(options, epochs=1)
    train(options)
    train(replace(options, out=tmp_path / "again"))
    train(replace(options, out=tmp_path / "other", seed=6))
    assert weights(options.out) == weights(tmp_path / "again")
    assert weights(options.out) != weights(tmp_path / "other")


KILLED = """
import os, sys, torch
from pathlib import Path
from models import train as module
from models.plan import TrainOptions

torch.set_num_threads(1)
folder, out = sys.argv[1:]
steps, step = [0], module._Training._step

def dying(self, batch):
    if steps[0] == 4:
        os._exit(9)
    steps[0] += 1
    return step(self, batch)

module._Training._step = dying
module.SAVE_SECONDS = 0.0
module.train(TrainOptions(
    system="asis", backbone="pointnet", store=Path(folder) / "tiny.zarr", fold="b", out=Path(out),
    epochs=2, batch_size=4, device="cpu", seed=5, cache=Path(folder) / "cache"))
"""


def test_a_run_killed_in_an_epoch_continues_to_the_same_weights(options, folder, tmp_path):
    options = replace(options, system="asis")
    root = str(Path(__file__).parents[2])
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder), str(options.out)],
        env={**os.environ, "PYTHONPATH": root},
        check=False,
    )
    assert killed.returncode == 9
    progress = Recorder()
    report = train(options, progress)
    assert "continue after epoch 1, step 1" in progress.messages
    assert progress.done == progress.total == 6
    assert report.trained_epochs == 1
    train(replace(options, out=tmp_path / "whole"))
    assert weights(options.out) == weights(tmp_path / "whole")
    histories = [Run(out).read_history() for out in (options.out, tmp_path / "whole")]
    for row in (row for history in histories for row in history):
        del row["seconds"]
    assert histories[0] == histories[1]


def test_a_run_that_fails_between_two_epochs_continues_to_the_same_weights(
    options, tmp_path, monkeypatch
):
    def fail(self, writer):
        if self.state.epoch == 1:
            raise RuntimeError("power cut")
        epoch(self, writer)

    epoch = train_module._Training._epoch
    with monkeypatch.context() as patch:
        patch.setattr(train_module._Training, "_epoch", fail)
        with pytest.raises(RuntimeError, match="power cut"):
            train(options)
    assert train(options).trained_epochs == 1
    train(replace(options, out=tmp_path / "whole"))
    assert weights(options.out) == weights(tmp_path / "whole")


def test_more_epochs_continue_a_finished_run(options, tmp_path):
    train(replace(options, epochs=1))
    train(options)
    train(replace(options, out=tmp_path / "whole"))
    assert weights(options.out) == weights(tmp_path / "whole")
    assert Run(options.out).read_config().epochs == 2


def test_a_finished_run_is_left_alone(options):
    train(options)
    before = weights(options.out)
    progress = Recorder()
    report = train(options, progress)
    assert report.trained_epochs == 0
    assert not math.isnan(report.loss)
    assert weights(options.out) == before
    assert "2 epochs are trained already" in progress.messages[-1]


def test_fewer_epochs_than_there_are_are_refused(options):
    train(options)
    with pytest.raises(OptionError, match="has 2 epochs already"):
        train(replace(options, epochs=1))
    assert Run(options.out).read_config().epochs == 2


def test_other_settings_are_refused_by_name(options):
    train(options)
    with pytest.raises(OptionError, match=r"batch_size 4 there, 2 now.*schedule\.lr 0\.001 there"):
        train(replace(options, batch_size=2, lr=2e-3))
    with pytest.raises(OptionError, match=r"seed 5 there, 6 now"):
        train(replace(options, seed=6))


def test_a_checkpoint_of_other_settings_is_refused(options, tmp_path):
    train(options)
    train(replace(options, out=tmp_path / "other", seed=6))
    source = tmp_path / "other" / "checkpoints" / "last.safetensors"
    source.replace(options.out / "checkpoints" / "last.safetensors")
    with pytest.raises(OptionError, match=r"settings other than those of config\.json"):
        train(options)


def test_a_loss_that_is_not_finite_names_the_scenes_and_keeps_the_checkpoint(options, monkeypatch):
    train(replace(options, epochs=1))
    before = weights(options.out)
    real = train_module.joint_loss

    def broken(*arguments):
        losses = real(*arguments)
        return {**losses, "total": losses["total"] * float("nan")}

    monkeypatch.setattr(train_module, "joint_loss", broken)
    with pytest.raises(JointcloudError, match=r"loss is not finite .* in a batch of a/room_"):
        train(options)
    assert weights(options.out) == before


def test_weights_that_are_not_finite_are_not_saved(options, monkeypatch):
    train(replace(options, epochs=1))
    before = weights(options.out)
    real = train_module._Training._step

    def spoiling(self, batch):
        values = real(self, batch)
        with torch.no_grad():
            next(self.model.parameters())[0] = float("inf")
        return values

    monkeypatch.setattr(train_module._Training, "_step", spoiling)
    with pytest.raises(JointcloudError, match="not finite"):
        train(options)
    assert weights(options.out) == before


def test_operations_that_depend_on_timing_are_refused_while_training(options, monkeypatch):
    seen = []

    def step(self, batch):
        seen.append(torch.are_deterministic_algorithms_enabled())
        return {"total": 1.0, "accuracy": 0.0}

    monkeypatch.setattr(train_module._Training, "_step", step)
    train(replace(options, epochs=1))
    assert seen == [True] * 3
    assert not torch.are_deterministic_algorithms_enabled()


def test_two_trainings_in_one_folder_are_refused(options):
    with (
        Run(options.out).locked(),
        pytest.raises(OptionError, match="another process is training"),
    ):
        train(options)


def test_no_test_scene_reaches_the_training(folder):
    store = open_store(folder / "tiny.zarr")
    data = open_data(store, cache=folder / "cache")
    fold = store.fold("b")
    for water_filling in (False, True):
        blocks = training_blocks(fold, data, water_filling=water_filling)
        assert set(data.block_scene[blocks].tolist()) == set(fold.train.tolist())
        assert not set(data.block_scene[blocks].tolist()) & set(fold.test.tolist())


def test_water_filling_adds_the_listed_blocks(folder):
    store = open_store(folder / "tiny.zarr")
    data = open_data(store, cache=folder / "cache")
    fold = store.fold("b")
    plain = training_blocks(fold, data, water_filling=False)
    extended = training_blocks(fold, data, water_filling=True)
    np.testing.assert_array_equal(extended[: len(plain)], plain)
    added = [int(data.scene_blocks(s)[b]) for s, b in fold.resampled.tolist()]
    assert extended[len(plain) :].tolist() == added
    assert len(added) > 0


def test_the_configuration_survives_its_file_and_holds_what_prediction_needs(options, folder):
    store = open_store(options.store)
    data = open_data(store, cache=folder / "cache")
    config = plan_run(replace(options, decay_samples=1000, lr=5e-6), store, data)
    again = RunConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert again == config
    assert again.digest == config.digest
    assert config.schedule.decay_samples == 1000
    assert config.schedule.lr_min == 5e-6
    assert config.class_names == ("floor", "box", "pole")
    assert config.common_class == 0
    assert config.colored
    assert config.scenes == 2
    fold = store.fold("b")
    rows = [data.scene_rows(s) for s in fold.train.tolist()]
    for klass, size in enumerate(config.instance_points):
        counts = [
            int(((data.instance[r] == i) & (data.semantic[r] == klass)).sum())
            for r in rows
            for i in range(4)
        ]
        assert size == pytest.approx(np.mean([c for c in counts if c]))
    assert config.cell_points == pytest.approx(900 / 12, rel=0.01)  # 1.6 x 1.3 m, cells of 0.5 m


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"system": "none"}, "system 'none'"),
        ({"fold": "area9"}, "no fold 'area9'"),
        ({"backbone": "none"}, "backbone 'none'"),
        ({"model": {"nothing": 1}}, "option 'nothing'"),
        ({"epochs": 0}, "epochs 0"),
        ({"batch_size": 0}, "batch size 0"),
        ({"checkpoint_every": 0}, "checkpoint every 0"),
        ({"device": "tpu"}, "device 'tpu'"),
        ({"lr": -1.0}, "lr -1.0"),
        ({"lr": math.inf}, "lr inf"),
        ({"level": 2}, "level 2"),
        ({"seed": -1}, "seed -1"),
    ],
)
def test_wrong_options_are_one_line_before_anything_is_read(options, change, message, monkeypatch):
    monkeypatch.setattr(train_module, "open_data", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(OptionError, match=message) as caught:
        train(replace(options, **change))
    assert "\n" not in str(caught.value)
    assert not options.out.exists()


def test_a_folder_that_cannot_be_a_run_is_one_line(options, tmp_path):
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(OptionError, match="cannot be used as the folder of a run"):
            train(replace(options, out=out))


def test_the_model_goes_to_the_device_that_was_asked_for(options, monkeypatch):
    config = plan_run(options, *_open(options))
    made = train_module._Training(
        Run(options.out), config, _open(options)[1], np.arange(2), torch.device("meta"), Silent()
    )
    assert {p.device.type for p in made.model.parameters()} == {"meta"}


def _open(options):
    store = open_store(options.store)
    return store, open_data(store, cache=options.cache)


def test_a_store_that_is_not_there_is_one_line(options, tmp_path):
    with pytest.raises(StoreError, match=r"none\.zarr"):
        train(replace(options, store=tmp_path / "none.zarr"))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 1, "system": 3}'])
def test_a_damaged_configuration_is_one_line(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(OptionError, match=r"config\.json"):
        Run(tmp_path).read_config()


def test_a_value_of_a_wrong_type_is_named(options, folder):
    store = open_store(options.store)
    config = plan_run(options, store, open_data(store, cache=folder / "cache")).to_dict()
    with pytest.raises(OptionError, match="seed '5' is not a int"):
        RunConfig.from_dict({**config, "seed": "5"})
    with pytest.raises(OptionError, match=r"unknown keys \['more'\]"):
        RunConfig.from_dict({**config, "more": 1})
    with pytest.raises(OptionError, match="cannot be read"):
        RunConfig.from_dict({**config, "schedule": {"speed": 1}})
    for change, message in (
        ({"common_class": 3}, "commonest class 3; the labels have 3 classes"),
        ({"instance_points": [1.0]}, "instance sizes of 1"),
        ({"model": {**config["model"], "backbone": "none"}}, "backbone 'none'"),
        ({"model": {**config["model"], "n_points": "96"}}, "n_points '96' is not an int"),
        ({"model": {**config["model"], "n_classes": 4}}, "model of 4 classes"),
        ({"model": {**config["model"], "options": {}}}, "train again"),
    ):
        with pytest.raises(OptionError, match=message):
            RunConfig.from_dict({**config, **change})


def test_a_folder_without_a_run_is_one_line(tmp_path):
    with pytest.raises(OptionError, match=r"no config\.json"):
        Run(tmp_path).read_config()


def test_a_history_line_that_was_cut_off_is_left_out(tmp_path):
    (tmp_path / "history.jsonl").write_text('{"epoch": 1}\n{"epo')
    assert Run(tmp_path).read_history() == [{"epoch": 1}]


@pytest.mark.parametrize("name", ["../x", "/x", "", "a/../../x"])
def test_scene_names_cannot_leave_the_run(tmp_path, name):
    with pytest.raises(JointcloudError, match="not a name"):
        Run(tmp_path).prediction("full", name)


def test_the_momentum_of_an_epoch_is_that_of_its_last_step(options):
    # steps begin at 0, 4 and 8 blocks; the second and third staircase begin at 5 and 10
    train(replace(options, epochs=1, decay_samples=5))
    (row,) = Run(options.out).read_history()
    assert (row["lr"], row["bn_momentum"]) == (5e-4, 0.25)
