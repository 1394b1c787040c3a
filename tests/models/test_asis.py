from __future__ import annotations

import numpy as np
import pytest
import torch

from models.fusions.asis import ASIS
from models.fusions.neighbourhood import embedding_neighbours, neighbour_max
from models.fusions.vanilla import Vanilla
from models.nets import operators
from models.nets.layers import Branches
from tests import reference_nets as slow


@pytest.fixture(params=["kernels", "torch"])
def body(request, monkeypatch):
    """Run a test on the numba loops and on the operations that a GPU uses."""
    if request.param == "torch":
        monkeypatch.setattr(operators, "has_kernels", lambda x: False)
    return request.param


def _embeddings(kind: str, n: int, seed: int = 0) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    e = rng.normal(0, 0.4, (2, n, 5))
    if kind == "lattice":  # many exact ties, distances of exactly 0.5 among them
        e = np.round(e * 4) / 4
    if kind == "duplicates":
        e = e[:, rng.integers(0, min(n, 4), n)]
    if kind == "equal":
        e = np.zeros_like(e)
    if kind == "dropped":  # as dropout makes them: exact zeros
        e = e * (rng.random((2, n, 5)) < 0.5)
    if kind == "far":
        e = e * 100
    return torch.from_numpy(e.astype(np.float32))


class TestNeighbours:
    def test_by_hand(self, body):
        # in one dimension; 0.5 away is still near, 0.75 is not
        e = torch.tensor([[[0.0], [0.5], [0.25], [1.25], [0.25]]])
        wanted = [[0, 2, 4, 1], [1, 2, 4, 0], [2, 4, 0, 1], [3, 3, 3, 3], [2, 4, 0, 1]]
        np.testing.assert_array_equal(embedding_neighbours(e, 4, 0.5)[0], wanted)

    def test_a_point_can_miss_its_own_list_when_many_are_equal(self, body):
        e = torch.zeros(1, 6, 5)
        np.testing.assert_array_equal(embedding_neighbours(e, 3, 0.5)[0], [[0, 1, 2]] * 6)

    @pytest.mark.parametrize("kind", ["random", "lattice", "duplicates", "equal", "dropped", "far"])
    @pytest.mark.parametrize(("n", "k"), [(1, 3), (30, 30), (64, 5), (130, 30)])
    def test_equals_twin(self, kind, n, k, body):
        e = _embeddings(kind, n)
        wanted = slow.embedding_neighbours(e, k, 0.5)
        np.testing.assert_array_equal(embedding_neighbours(e, k, 0.5), wanted)

    @pytest.mark.parametrize("width", [1, 2, 8])
    def test_other_widths(self, width, body):
        e = _embeddings("lattice", 90).repeat(1, 1, 2)[..., :width]
        wanted = slow.embedding_neighbours(e, 6, 0.5)
        np.testing.assert_array_equal(embedding_neighbours(e, 6, 0.5), wanted)


class TestMaximum:
    def test_equals_twin_with_gradients(self, body):
        x = torch.randn(2, 70, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
        index = torch.randint(0, 70, (2, 70, 9), generator=torch.Generator().manual_seed(1)).int()
        found, wanted = neighbour_max(x, index), slow.neighbour_max(x, index)
        torch.testing.assert_close(found, wanted, rtol=0, atol=0)
        g = torch.randn(2, 70, 6, generator=torch.Generator().manual_seed(2))
        one, other = (torch.autograd.grad(y, x, g)[0] for y in (found, wanted))
        torch.testing.assert_close(one, other)

    def test_gradient(self, body):
        x = torch.randn(2, 6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
        index = torch.tensor([[[0, 1], [1, 1], [5, 2]], [[3, 4], [0, 5], [2, 2]]]).int()
        assert torch.autograd.gradcheck(lambda a: neighbour_max(a, index), x.requires_grad_())


def _branches(n: int = 50, width: int = 16, seed: int = 0) -> Branches:
    g = torch.Generator().manual_seed(seed)
    return Branches(
        torch.rand(2, n, width, generator=g, requires_grad=True),
        torch.rand(2, n, width, generator=g, requires_grad=True),
        torch.rand(2, n, 3, generator=g),
    )


def test_order_of_operations_in_evaluation():
    """models' ASIS against the equations, layer by layer."""
    torch.manual_seed(0)
    net = ASIS(16, 13, 5, neighbours=8)
    branches = _branches()
    for _ in range(3):
        net(branches)
    net.eval()
    out = net(branches)

    def layer(fbr, x):
        norm = fbr.norm
        y = torch.nn.functional.linear(x, fbr.linear.weight, fbr.linear.bias)
        y = (y - norm.running_mean) / torch.sqrt(norm.running_var + 1e-3)
        return torch.relu(y * norm.weight + norm.bias)

    f_sem, f_ins = layer(net.semantic, branches.semantic), layer(net.instance, branches.instance)
    e = net.embed(f_ins + layer(net.adapt, f_sem))
    fused = slow.neighbour_max(
        f_sem, torch.from_numpy(slow.embedding_neighbours(out.embedding.detach(), 8, 0.5))
    )
    torch.testing.assert_close(out.embedding, e, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(out.logits, net.classify(fused), rtol=1e-4, atol=1e-5)


class TestGradientFlow:
    def test_instance_loss_reaches_the_semantic_branch_through_sa(self):
        for sa in (True, False):
            branches = _branches()
            ASIS(16, 13, 5, sa=sa)(branches).embedding.square().sum().backward()
            assert branches.instance.grad.abs().sum() > 0
            assert (branches.semantic.grad is not None) == sa

    def test_semantic_loss_never_reaches_the_instance_branch(self):
        branches = _branches()
        ASIS(16, 13, 5)(branches).logits.square().sum().backward()
        assert branches.semantic.grad.abs().sum() > 0
        assert branches.instance.grad is None


class TestSwitches:
    def test_without_both_it_is_the_baseline(self):
        torch.manual_seed(0)
        asis, vanilla = ASIS(16, 13, 5, sa=False, if_=False).eval(), Vanilla(16, 13, 5).eval()
        names = {
            "semantic.": "semantic.0.",
            "instance.": "instance.0.",
            "embed.": "instance.2.",
            "classify.": "semantic.2.",
        }
        state = {}
        for name, value in asis.state_dict().items():
            first = name.split(".")[0] + "."
            state[name.replace(first, names[first], 1)] = value
        vanilla.load_state_dict(state)
        one, other = asis(_branches()), vanilla(_branches())
        torch.testing.assert_close(vars(one), vars(other), rtol=0, atol=0)

    def test_sa_adds_one_layer_and_if_none(self):
        counts = {
            (sa, if_): sum(p.numel() for p in ASIS(128, 13, 5, sa=sa, if_=if_).parameters())
            for sa in (True, False)
            for if_ in (True, False)
        }
        base = 2 * (128 * 128 + 3 * 128) + 128 * 13 + 13 + 128 * 5 + 5
        assert counts[False, False] == counts[False, True] == base
        assert counts[True, False] == counts[True, True] == base + 128 * 128 + 3 * 128

    def test_fusion_changes_the_logits_only(self):
        torch.manual_seed(0)
        net = ASIS(16, 13, 5).eval()
        with_fusion = net(_branches())
        net.fuse = False
        without = net(_branches())
        torch.testing.assert_close(with_fusion.embedding, without.embedding, rtol=0, atol=0)
        assert not torch.equal(with_fusion.logits, without.logits)
