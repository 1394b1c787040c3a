from __future__ import annotations

import json
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from models.checkpoint import FORMAT, HEADER, TrainState, load_checkpoint, save_checkpoint
from models.schedule import Schedule
from prep.errors import JointcloudError, OptionError

STATE = TrainState(3, 1, 120, {"total": 0.5}, 2.5, "store", "config")


def make(width: int = 4, seed: int = 0) -> tuple[nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, 2))
    return model, torch.optim.Adam(model.parameters(), lr=1e-2)


def step(model: nn.Module, optimizer: torch.optim.Optimizer, seed: int = 1) -> None:
    torch.manual_seed(seed)
    optimizer.zero_grad()
    model(torch.randn(8, 3)).square().sum().backward()
    optimizer.step()


def test_a_loaded_pair_goes_on_exactly_as_the_saved_one(tmp_path):
    model, optimizer = make()
    step(model, optimizer)
    save_checkpoint(tmp_path / "last.safetensors", model, optimizer, STATE)
    other, other_optimizer = make(seed=9)
    assert load_checkpoint(tmp_path / "last.safetensors", other, other_optimizer) == STATE
    step(model, optimizer, 2)
    step(other, other_optimizer, 2)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_weights_alone_can_be_loaded(tmp_path):
    model, optimizer = make()
    step(model, optimizer)
    save_checkpoint(tmp_path / "a.safetensors", model, optimizer, STATE)
    other, _ = make(seed=9)
    load_checkpoint(tmp_path / "a.safetensors", other)
    assert torch.equal(model[0].weight, other[0].weight)
    assert json.loads((tmp_path / "a.json").read_text())["samples"] == 120
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.json", "a.safetensors"]


def test_the_sidecar_is_never_read(tmp_path):
    model, optimizer = make()
    save_checkpoint(tmp_path / "a.safetensors", model, optimizer, STATE)
    (tmp_path / "a.json").write_text("garbage")
    assert load_checkpoint(tmp_path / "a.safetensors", model) == STATE


def test_a_weight_that_is_not_finite_is_not_saved(tmp_path):
    model, optimizer = make()
    save_checkpoint(tmp_path / "a.safetensors", model, optimizer, STATE)
    before = (tmp_path / "a.safetensors").read_bytes()
    with torch.no_grad():
        model[2].bias[0] = float("nan")
    with pytest.raises(JointcloudError, match=r"weight 2\.bias is not finite after 120 samples"):
        save_checkpoint(tmp_path / "a.safetensors", model, optimizer, STATE)
    assert (tmp_path / "a.safetensors").read_bytes() == before


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("the checkpoint ran code",))


def test_a_pickled_checkpoint_is_refused_unread(tmp_path):
    path = tmp_path / "evil.safetensors"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(OptionError, match="not a readable safetensors file"):
        load_checkpoint(path, make()[0])


def test_a_torch_checkpoint_is_refused_unread(tmp_path):
    torch.save({"model": Bomb()}, tmp_path / "evil.safetensors")
    with pytest.raises(OptionError, match="not a readable safetensors file"):
        load_checkpoint(tmp_path / "evil.safetensors", make()[0])


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(OptionError, match="no such file"):
        load_checkpoint(tmp_path / "none.safetensors", make()[0])


def test_a_file_cut_short_is_refused(tmp_path):
    model, optimizer = make()
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, model, optimizer, STATE)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(OptionError, match="not a readable safetensors file"):
        load_checkpoint(path, model)


def test_a_file_of_another_format_is_refused(tmp_path):
    save_file({"x": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(OptionError, match="found format None"):
        load_checkpoint(tmp_path / "a.safetensors", make()[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "state cannot be read"),
        ("[]", "state cannot be read"),
        ("{}", "found format None"),
        (json.dumps({"format": FORMAT}), "state lacks 'epoch'"),
        (json.dumps({"format": FORMAT, **vars(STATE), "epoch": "3"}), "state holds epoch '3'"),
        (json.dumps({"format": FORMAT, **vars(STATE), "step": -1}), "state holds step -1"),
        (json.dumps({"format": FORMAT, **vars(STATE), "sums": [1]}), r"state holds sums \[1\]"),
    ],
)
def test_a_damaged_state_is_refused(tmp_path, text, message):
    save_file({}, tmp_path / "a.safetensors", metadata={HEADER: text})
    with pytest.raises(OptionError, match=message):
        load_checkpoint(tmp_path / "a.safetensors", make()[0])


def test_another_model_is_refused_and_left_alone(tmp_path):
    model, optimizer = make(width=4)
    step(model, optimizer)
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, model, optimizer, STATE)
    other, _ = make(width=5)
    before = other[0].weight.clone()
    with pytest.raises(OptionError, match=r"weight .* is float32 \(.*\), wanted float32"):
        load_checkpoint(path, other)
    assert torch.equal(before, other[0].weight)
    with pytest.raises(OptionError, match="another model"):
        load_checkpoint(path, nn.Linear(3, 4))


def test_optimizer_tensors_of_a_wrong_shape_are_refused(tmp_path):
    model, optimizer = make()
    step(model, optimizer)
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, model, optimizer, STATE)
    tensors = load_file(path)
    metadata = {HEADER: json.dumps({"format": FORMAT, **STATE.__dict__})}
    tensors["optimizer.0.exp_avg"] = torch.zeros(7)
    save_file(tensors, path, metadata=metadata)
    with pytest.raises(OptionError, match=r"optimizer\.0\.exp_avg is \(7,\)"):
        load_checkpoint(path, model, optimizer)
    del tensors["optimizer.0.exp_avg"]
    for name in ("optimizer.99.exp_avg", "optimizer.0", "optimizer.x.exp_avg"):
        save_file({**tensors, name: torch.zeros(1)}, path, metadata=metadata)
        with pytest.raises(OptionError, match=f"{name} belongs to no weight"):
            load_checkpoint(path, model, optimizer)


def test_the_staircases_are_those_of_the_published_code():
    schedule = Schedule()
    assert schedule.lr_at(0) == schedule.lr_at(299_999) == 1e-3
    assert schedule.lr_at(300_000) == 5e-4
    # 100 epochs of 697 steps of 24 blocks: five halvings
    assert schedule.lr_at(69_700 * 24 - 1) == pytest.approx(3.125e-5)
    assert schedule.bn_momentum_at(69_700 * 24 - 1) == pytest.approx(0.015625)
    # 824 steps: six halvings, and the momentum is clipped
    assert schedule.lr_at(82_400 * 24 - 1) == pytest.approx(1.5625e-5)
    assert schedule.bn_momentum_at(82_400 * 24 - 1) == 0.01
    assert schedule.lr_at(10**9) == 1e-5


def test_the_schedule_reaches_optimizer_and_batch_norm():
    model, optimizer = make()
    assert Schedule().apply(300_000, model, optimizer) == 5e-4
    assert optimizer.param_groups[0]["lr"] == 5e-4
    assert model[1].momentum == 0.25


def test_a_senseless_schedule_is_refused_with_all_its_faults():
    with pytest.raises(OptionError, match=r"lr .*decay .*decay_samples .*bn_momentum"):
        Schedule(lr=0, decay=2, decay_samples=0, bn_momentum=0)
    with pytest.raises(OptionError, match="lr inf must be finite"):
        Schedule(lr=float("inf"))


def test_equal_states_give_equal_bytes(tmp_path):
    model, optimizer = make()
    step(model, optimizer)
    for name in "abcd":
        save_checkpoint(tmp_path / f"{name}.safetensors", model, optimizer, STATE)
    found = {(tmp_path / f"{name}.safetensors").read_bytes() for name in "abcd"}
    assert len(found) == 1


def test_a_checkpoint_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    model, optimizer = make()
    with pytest.raises(JointcloudError, match="cannot be written"):
        save_checkpoint(tmp_path / "file" / "a.safetensors", model, optimizer, STATE)


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path):
    model, optimizer = make()
    save_checkpoint(tmp_path / "a.safetensors", model, optimizer, STATE)
    load_checkpoint(tmp_path / "a.safetensors", model, config_digest="config")
    with pytest.raises(OptionError, match="settings other than those"):
        load_checkpoint(tmp_path / "a.safetensors", model, config_digest="other")
