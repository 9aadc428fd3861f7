"""What becomes of a campaign that is renamed, deleted, cloned, or killed while it is written."""

from __future__ import annotations

import fiftyone_coreset as fc
import pytest
from fiftyone_coreset.plugin.dataset.lock import run_lock
from fiftyone_coreset.plugin.rounds import campaign, write
from labelling import label

COLUMNS = ("round", "order", "uncertainty", "outcome")


def fields_of(dataset, key="rounds"):
    return {column: dataset.values(f"{key}_{column}") for column in COLUMNS}


def test_rename_takes_fields_and_views_along(pool, ask):
    label(pool[:9])
    batch, before = ask(), fields_of(pool)
    pool.rename_brain_run("rounds", "cars")
    assert fields_of(pool, "cars") == before
    assert pool.list_saved_views() == ["cars round 1"]
    assert set(pool.load_saved_view("cars round 1").values("id")) == set(batch.ids)
    assert not [name for name in pool.get_field_schema() if name.startswith("rounds_")]
    label(fc.load_rounds(pool, "cars").view(1))
    fc.record_round(pool, "cars")
    assert ask(brain_key="cars").number == 2


def test_a_rename_without_this_package_is_mended(pool, ask, monkeypatch):
    batch = ask()
    with monkeypatch.context() as patched:
        patched.setattr(campaign.Rounds, "rename", lambda *args: None)
        pool.rename_brain_run("rounds", "cars")
    rounds = fc.load_rounds(pool, "cars")
    assert set(rounds.view(1).values("id")) == set(batch.ids)
    assert pool.list_saved_views() == ["cars round 1"]
    assert pool.has_field("cars_round")
    assert not pool.has_field("rounds_round")


def test_delete_removes_fields_views_and_nothing_else(pool, ask):
    batch = ask()
    label(batch.view)
    pool.delete_brain_run("rounds")
    assert pool.list_saved_views() == []
    assert not [name for name in pool.get_field_schema() if name.startswith("rounds_")]
    assert pool.count("gt") == 6


def test_leftovers_of_a_delete_without_this_package_are_orphans(pool, ask, monkeypatch):
    ask()
    with monkeypatch.context() as patched:
        patched.setattr(campaign.Rounds, "cleanup", lambda *args: None)
        pool.delete_brain_run("rounds")
    found = fc.find_orphans(pool)
    assert found["fields"] == sorted(f"rounds_{column}" for column in COLUMNS)
    assert found["views"] == ["rounds round 1"]
    fc.remove_orphans(pool)
    assert ask().number == 1


def test_a_clone_has_the_campaign_too(pool, ask):
    batch = ask()
    label(batch.view)
    other = pool.clone()
    fc.record_round(other)
    assert fc.load_rounds(pool).last.is_open
    assert not fc.load_rounds(other).last.is_open
    assert len(fc.load_rounds(other).view(1)) == 6
    pool.clear_cache()  # what is stored, not what is in memory
    assert len(fc.load_rounds(pool).view(1)) == 6


STEPS = ["declare_fields", "write_columns", "store_results", "commit_run"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("is_killed", [False, True], ids=["error", "kill"])
def test_a_fault_leaves_the_old_round_or_the_new_one(pool, ask, monkeypatch, step, when, is_killed):
    label(ask().view)
    fc.record_round(pool)
    old = fields_of(pool)
    original = getattr(write, step)

    def fails(*args, **kwargs):
        if when == "after":
            original(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(write, step, fails)
        if is_killed:  # nothing is tidied up
            patched.setattr(write, "_undo", lambda *args: None)
        with pytest.raises(KeyboardInterrupt):
            ask()
    rounds = fc.load_rounds(pool)
    if step == "commit_run" and when == "after":
        assert len(rounds) == 2
    else:
        assert len(rounds) == 1
        assert {c: v for c, v in fields_of(pool).items() if c != "uncertainty"} == {
            c: v for c, v in old.items() if c != "uncertainty"
        }
        assert ask().number == 2


@pytest.mark.parametrize("step", STEPS[:3])
def test_a_fault_in_the_first_round_leaves_nothing_or_says_so(pool, ask, monkeypatch, step):
    def fails(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(write, step, fails)
        with pytest.raises(KeyboardInterrupt):
            ask()
    assert not pool.list_brain_runs()
    assert not [name for name in pool.get_field_schema() if name.startswith("rounds_")]
    with monkeypatch.context() as patched:
        patched.setattr(write, step, fails)
        patched.setattr(write, "_undo", lambda *args: None)
        with pytest.raises(KeyboardInterrupt):
            ask()
    with pytest.raises(fc.CoresetError, match="'rounds' was interrupted in its first round"):
        fc.load_rounds(pool)
    assert ask().number == 1


def test_round_numbers_that_somebody_spoilt_are_mended(pool, ask):
    batch = ask()
    pool.set_values("rounds_round", [7] * len(pool))
    assert set(fc.load_rounds(pool).view(1).values("id")) == set(batch.ids)
    pool.delete_sample_field("rounds_order")
    assert fc.load_rounds(pool).backend.path(pool, "rounds", "order") == "rounds_order"
    assert sorted(filter(lambda value: value is not None, pool.values("rounds_order"))) == list(range(6))


def test_two_clicks_at_once_make_one_batch(pool, ask):
    with (
        run_lock(pool, "rounds"),
        pytest.raises(fc.CoresetError, match=r"run 'rounds' .* by process \d+ on .+ since \d"),
    ):
        ask()
    assert pool.list_brain_runs() == []


def test_a_campaign_of_a_newer_version_is_refused(pool, ask):
    ask()
    config = pool.get_brain_info("rounds").config
    config.format_version, config.package_version = 99, "9.9"
    campaign.Rounds.update_run_config(pool, "rounds", config)
    with pytest.raises(fc.CoresetError, match=r"'rounds' was written by fiftyone-coreset 9.9; update the package"):
        fc.load_rounds(pool)


def test_a_batch_whose_view_was_not_saved_gets_it_with_the_next_call(pool, ask, monkeypatch):
    def fails(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("fiftyone_coreset.plugin.rounds.batch.save_batch_view", fails)
        with pytest.raises(KeyboardInterrupt):
            ask()
    assert pool.list_saved_views() == []
    with pytest.raises(fc.CoresetError, match="round 1 of 'rounds' is open"):
        ask()
    assert len(pool.load_saved_view("rounds round 1")) == 6
