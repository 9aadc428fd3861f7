"""Quotas: exact sums, bounds, largest remainder, and turns that stay in proportion."""

import numpy as np
import pytest
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.selection.apportion import apportion, take_turns
from fiftyone_coreset.plugin.selection.quotas import factorize, resolve_quota
from fiftyone_coreset.plugin.selection.registry import get_method
from hypothesis import given, settings
from hypothesis import strategies as st


def test_largest_remainder_by_hand():
    # Exact shares of 10: 4.7, 2.9, 1.6, 0.8. Floors 4, 2, 1, 0; the three left go to .9, .8, .7.
    shares = np.array([47.0, 29, 16, 8])
    assert apportion(shares, 10, np.zeros(4, int), np.full(4, 100)).tolist() == [5, 3, 1, 1]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.01, 100), st.integers(0, 20), st.integers(0, 30)), min_size=1, max_size=12),
    st.data(),
)
def test_apportionment_adds_up_within_its_bounds(groups, data):
    shares = np.array([share for share, _, _ in groups])
    lower = np.array([low for _, low, _ in groups])
    upper = lower + np.array([room for _, _, room in groups])
    k = data.draw(st.integers(int(lower.sum()), int(upper.sum())))
    quota = apportion(shares, k, lower, upper)
    assert quota.sum() == k
    assert (quota >= lower).all()
    assert (quota <= upper).all()
    # Between groups at no bound, shares are followed to within one image.
    free = (quota > lower) & (quota < upper)
    rate = quota[free] / shares[free]
    slack = 1 / shares[free]
    assert (rate[:, None] - rate[None] <= slack[:, None] + slack[None] + 1e-6).all()


def test_rules():
    names, sizes = ["a", "b", "c"], np.array([64, 16, 4])

    def quota(rule, k):
        return resolve_quota(rule, names, sizes, k).tolist()

    assert quota("proportional", 21) == [16, 4, 1]
    assert quota("sqrt", 14) == [8, 4, 2]
    assert quota("uniform", 12) == [4, 4, 4]
    assert quota("uniform", 24) == [10, 10, 4]  # what a small group lacks goes to the others
    assert quota({"a": 2, "c": 3}, 5) == [2, 0, 3]
    assert quota({"a": 0.5, "b": 0.5}, 10) == [5, 5, 0]


@pytest.mark.parametrize(
    ("rule", "k", "says"),
    [
        ("cube", 5, "proportional, sqrt, uniform"),
        ({"d": 5}, 5, "'d'"),
        ({"c": 9}, 9, "has only 4"),
        ({"a": 3}, 5, "add up to 3 but the budget is 5"),
        ({"a": -1, "b": 6}, 5, ">= 0"),
    ],
)
def test_infeasible_quotas_say_what_is_feasible(rule, k, says):
    with pytest.raises(CoresetError) as error:
        resolve_quota(rule, ["a", "b", "c"], np.array([64, 16, 4]), k)
    assert says in str(error.value)


def test_groups_are_numbered_by_name_and_missing_ones_are_one_group():
    numbers, names = factorize(["b", None, "a", float("nan"), "b", 3])
    assert len(names) == 4
    assert [names[number] for number in numbers] == ["b", None, "a", None, "b", 3]
    assert factorize(["b", "a"])[1] == factorize(["a", "b"])[1]


def test_turns_follow_websters_method():
    groups = np.array([0] * 6 + [1] * 3 + [2])
    order = take_turns(np.arange(10), groups, np.array([6.0, 3.0, 1.0]))
    for k in range(1, 11):
        counts = np.bincount(groups[order[:k]], minlength=3)
        # Webster: no group's next claim (count + 1/2) / size is below another's last one.
        last = np.where(counts > 0, (counts - 0.5) / [6, 3, 1], -1)
        claims = np.where(counts < [6, 3, 1], (counts + 0.5) / [6, 3, 1], np.inf)
        assert last.max() <= claims.min() + 1e-12
    assert [row for row in order if row < 6] == list(range(6))


def test_a_least_count_beyond_every_group_keeps_all_of_them():
    chosen = get_method("random").select(np.eye(6), 6, groups=[*"aabbbc"], min_per_group=2**63)
    assert sorted(chosen.indices) == [*range(6)]
