"""The recipe is parsed once, and every fault of it is told at once."""

from __future__ import annotations

import pytest

from prep.errors import OptionError
from prep.recipe import Recipe


def test_round_trip():
    recipe = Recipe(block_m=2.0, stride_m=1.0, msa_radii_m=(0.1, 0.4), seed=7)
    assert Recipe.from_dict(recipe.to_dict()) == recipe


def test_defaults_are_those_of_the_papers():
    recipe = Recipe()
    assert (recipe.block_m, recipe.stride_m, recipe.min_points) == (1.0, 0.5, 100)
    assert (recipe.n_points, recipe.draw) == (4096, "with_replacement")
    assert recipe.msa_radii_m == (0.2, 0.3, 0.5)
    assert recipe.wfs_delta == 1e-4


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("block_m", float("inf"), "block_m inf is not a number"),
        ("stride_m", float("nan"), "stride_m nan is not a number"),
        ("n_points", float("inf"), "n_points inf is not a whole number"),
        ("n_points", 10.5, "n_points 10.5 is not a whole number"),
        ("n_points", True, "n_points True is not a whole number"),
        ("draw", 3, "draw 3 is not text"),
        ("msa_radii_m", [0.2, float("nan")], "is not a list of numbers"),
        ("msa_radii_m", "0.2", "msa_radii_m '0.2' is not a list of numbers"),
        ("msa_radii_m", [0.3, 0.2], r"\[0.3, 0.2\] must be positive and ascending"),
        ("msa_radii_m", [k / 10 for k in range(1, 34)], "holds 33 radii, at most 32"),
        ("stride_m", 2.0, "stride_m 2.0 must lie in"),
        ("draw", "twice", "draw 'twice' must be one of with_replacement, without_replacement"),
        ("seed", -1, "seed -1 must lie in"),
        ("blokc_m", 1.0, "unknown key 'blokc_m'"),
    ],
)
def test_a_wrong_value_is_named(key, value, said):
    with pytest.raises(OptionError, match=said):
        Recipe.from_dict({key: value})


def test_all_faults_at_once():
    with pytest.raises(OptionError, match=r"unknown key 'x'.*n_points 'many' is not"):
        Recipe.from_dict({"x": 1, "n_points": "many"})
    with pytest.raises(OptionError, match=r"min_points 0 .*; part_points 0 "):
        Recipe(min_points=0, part_points=0)
