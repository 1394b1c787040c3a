from __future__ import annotations

import numpy as np
import pytest
import torch

from models.losses import Margins, discriminative_loss, semantic_loss
from tests import reference_nets as slow


def _close(found, wanted):
    assert found.keys() == wanted.keys()
    for name in wanted:
        assert found[name].item() == pytest.approx(wanted[name], rel=1e-9, abs=1e-12), name


class TestByHand:
    def test_two_instances_in_one_dimension(self):
        # means 0 and 2; the first has points at ±1: (1 − 0.5)² each; 2·1.5 − 2 = 1 for both pairs
        e = torch.tensor([[[-1.0], [1.0], [2.0]]], dtype=torch.float64)
        found = discriminative_loss(e, torch.tensor([[7, 7, 3]]), Margins())
        var, dist, reg = (0.25 + 0) / 2, 1.0, (0 + 2) / 2
        wanted = {"instance": var + dist + 0.001 * reg, "var": var, "dist": dist, "reg": reg}
        _close(found, wanted)

    def test_one_instance_pushes_nothing(self):
        e = torch.tensor([[[0.0, 2.0], [0.0, 4.0]]], dtype=torch.float64)
        found = discriminative_loss(e, torch.tensor([[5, 5]]), Margins(reg_weight=0))
        _close(found, {"instance": 0.25, "var": 0.25, "dist": 0.0, "reg": 3.0})

    def test_norms_are_l1(self):
        e = torch.tensor([[[1.0, 1.0], [-1.0, -1.0]]], dtype=torch.float64)
        found = discriminative_loss(e, torch.tensor([[0, 0]]), Margins())
        assert found["var"].item() == pytest.approx((2 - 0.5) ** 2)

    def test_cross_entropy_of_the_labelled_points(self):
        logits = torch.zeros(1, 4, 2, dtype=torch.float64)
        logits[0, 0, 1] = 100.0  # right, loss 0; the others are undecided or ignored
        found = semantic_loss(logits, torch.tensor([[1, 0, -1, -1]]))
        assert found.item() == pytest.approx(np.log(2) / 2)


@pytest.mark.parametrize("seed", range(6))
def test_equals_twin(seed):
    rng = np.random.default_rng(seed)
    e = rng.normal(0, 1.5, (4, 40, 5))
    ids = rng.integers(-1, [[1], [2], [9], [40]], (4, 40)) * 1000
    ids[ids < 0] = -1
    margins = Margins(delta_var=0.7, delta_dist=1.1, reg_weight=0.3)
    found = discriminative_loss(torch.from_numpy(e), torch.from_numpy(ids), margins)
    _close(found, slow.discriminative_loss(e, ids, 0.7, 1.1, 0.3))


BLOCKS = {
    "several": [0, 0, 1, 1, 4, 4, 9, 9],
    "one instance": [3] * 8,
    "no instance": [-1] * 8,
    "one point each": list(range(8)),
    "mostly none": [-1, -1, -1, -1, -1, -1, -1, 2],
    "uint8 and int32 limits": [255, 256, 255, 256, 2**31 - 1, 2**31 - 1, -1, -1],
}


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("kind", ["random", "zero", "duplicates"])
def test_finite_losses_and_gradients(name, kind):
    torch.manual_seed(0)
    e = torch.randn(2, 8, 5, dtype=torch.float64)
    if kind == "zero":
        e = e * 0
    if kind == "duplicates":
        e = e[:, :1].repeat(1, 8, 1)
    e.requires_grad_()
    ids = torch.tensor([BLOCKS[name], BLOCKS["several"]])
    found = discriminative_loss(e, ids, Margins())
    _close(found, slow.discriminative_loss(e.detach(), ids))
    found["instance"].backward()
    assert torch.isfinite(e.grad).all()
    assert (e.grad[ids == -1] == 0).all()


def test_a_block_without_instances_counts_zero():
    e = torch.randn(2, 8, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ids = torch.tensor([BLOCKS["several"], BLOCKS["no instance"]])
    both = discriminative_loss(e, ids, Margins())
    alone = discriminative_loss(e[:1], ids[:1], Margins())
    for name in both:
        assert both[name].item() == pytest.approx(alone[name].item() / 2)


@pytest.mark.parametrize("name", ["several", "one instance", "mostly none"])
def test_gradient(name):
    e = torch.randn(2, 8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) * 2
    ids = torch.tensor([BLOCKS[name], BLOCKS["several"]])
    assert torch.autograd.gradcheck(
        lambda x: discriminative_loss(x, ids, Margins(reg_weight=0.5))["instance"],
        e.requires_grad_(),
    )


def test_semantic_gradient():
    logits = torch.randn(2, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    labels = torch.tensor([[0, 1, 2, -1], [-1, -1, -1, -1]])
    assert torch.autograd.gradcheck(lambda x: semantic_loss(x, labels), logits.requires_grad_())


def test_unlabelled_blocks_cost_nothing():
    logits = torch.randn(2, 4, 3, requires_grad=True)
    found = semantic_loss(logits, torch.full((2, 4), -1))
    found.backward()
    assert found.item() == 0
    assert (logits.grad == 0).all()


class TestInvariance:
    e = torch.randn(2, 30, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    ids = torch.randint(0, 4, (2, 30), generator=torch.Generator().manual_seed(5))

    def test_order_of_points(self):
        shuffle = torch.randperm(30, generator=torch.Generator().manual_seed(6))
        one = discriminative_loss(self.e, self.ids, Margins())
        other = discriminative_loss(self.e[:, shuffle], self.ids[:, shuffle], Margins())
        torch.testing.assert_close(one, other)

    def test_names_of_instances(self):
        one = discriminative_loss(self.e, self.ids, Margins())
        other = discriminative_loss(self.e, 70_000 - self.ids * 17, Margins())
        torch.testing.assert_close(one, other)

    def test_duplicated_points_count_with_multiplicity(self):
        one = discriminative_loss(self.e, self.ids, Margins())
        other = discriminative_loss(self.e.repeat(1, 2, 1), self.ids.repeat(1, 2), Margins())
        torch.testing.assert_close(one, other)
