"""Quotas of a run: what each group gives is what it gives on one machine, by cells and by scores alike."""

from __future__ import annotations

import shutil
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fiftyone_coreset import cli
from fiftyone_coreset.plugin import scale
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.selection.registry import get_method

from .test_select import SMALL

LABELS = np.random.default_rng(3).choice(["ape", "bee", "cat", "dog"], len(SMALL), p=[0.6, 0.25, 0.1, 0.05])
GIVEN = [700, 3, 12, 250, 14, 899, 31, 33]
BY_CELLS = ["facility_location", "maxherding", "stratified", "auto"]
QUOTAS = ["proportional", "sqrt", "uniform", {"ape": 50, "cat": 30, "dog": 10}, {"bee": 0.7, "cat": 0.3}]


@pytest.fixture
def labelled_run(tmp_path):
    """A factory ``labelled_run(labels, vectors=SMALL, rows_per_unit=200)`` of runs of a table with labels."""

    def make(labels=LABELS, vectors=SMALL, rows_per_unit=200):
        column = pa.array([None if row is None else list(map(float, row)) for row in vectors], pa.list_(pa.float32()))
        table = pa.table({"id": np.arange(len(vectors)), "label": pa.array(labels), "vector": column})
        pq.write_table(table, tmp_path / "source.parquet", row_group_size=170)
        columns = {"id_column": "id", "vector_column": "vector"}
        run = scale.plan(tmp_path / "source.parquet", tmp_path / "run", rows_per_unit=rows_per_unit, **columns)
        scale.embed(run.folder)
        return run

    return make


def chosen(run, method, keep=90, shares=(None,), **arguments):
    """The rows that a selection keeps, made anew."""
    shutil.rmtree(run.folder / "select" / arguments.get("name", method), ignore_errors=True)
    for share in shares:
        state = scale.select(run.folder, method, keep, units=share, **arguments)
    assert state.complete
    rows = scale.read_ranking(run.folder, arguments.get("name", method))["row"].to_numpy()
    assert len(set(rows.tolist())) == len(rows) == keep
    return rows


def on_one_machine(method, keep=90, vectors=SMALL, **arguments):
    groups = arguments.pop("groups", LABELS)
    return get_method(method).select(vectors, keep, groups=groups, seed=5, **arguments)


@pytest.mark.parametrize("method", BY_CELLS)
def test_one_cell_is_one_machine(labelled_run, method):
    run = labelled_run()
    for quota in QUOTAS[1:4]:
        expected = on_one_machine(method, quota=quota, preselected=GIVEN[:3], deduplicate=True).indices
        arguments = {"groups": "label", "quota": quota, "preselected": GIVEN[:3], "deduplicate": True}
        assert np.array_equal(chosen(run, method, seed=5, **arguments), expected)


@pytest.mark.parametrize("method", [*BY_CELLS, "random", "zcore"])
@pytest.mark.parametrize("quota", QUOTAS, ids=str)
def test_groups_give_what_they_give_on_one_machine(labelled_run, method, quota):
    run = labelled_run()
    scale.score(run.folder, n_draws=2_000, n_neighbors=50)
    expected = on_one_machine("random", quota=quota).details["quota"]
    rows = chosen(run, method, groups="label", quota=quota, rows_per_cell=200)
    assert Counter(LABELS[rows].tolist()) == {name: count for name, count in expected.items() if count}


def test_the_split_does_not_show_and_groups_take_turns(labelled_run):
    run = labelled_run()
    arguments = {"groups": "label", "quota": "sqrt", "min_per_group": 12, "rows_per_cell": 200, "preselected": GIVEN}
    expected = chosen(run, "facility_location", keep=120, **arguments)
    assert expected[: len(GIVEN)].tolist() == GIVEN
    counts = on_one_machine("random", 120, quota="sqrt", min_per_group=12, preselected=GIVEN).details["quota"]
    assert Counter(LABELS[expected].tolist()) == counts
    for k in (30, 60, 90):
        for name, count in counts.items():
            assert abs(np.sum(LABELS[expected[:k]] == name) - count * k / 120) <= 2
    shares = ["2/3", "1/3", "3/3"] * 2
    again = chosen(run, "facility_location", keep=120, shares=shares, num_workers=1, **arguments)
    assert np.array_equal(again, expected)


def test_every_cell_gives_its_share_of_a_group(labelled_run):
    run = labelled_run()
    chosen(run, "facility_location", groups="label", quota={"ape": 100}, keep=100, rows_per_cell=200)
    cells = scale.read_ranking(run.folder, "facility_location")["cell"].to_numpy()
    everything = chosen(run, "facility_location", keep=900, groups="label", rows_per_cell=200)
    cell_of = np.empty(900, dtype=np.int64)
    cell_of[everything] = scale.read_ranking(run.folder, "facility_location")["cell"].to_numpy()
    apes = np.bincount(cell_of[LABELS == "ape"])
    assert len(apes) >= 4
    assert np.abs(np.bincount(cells, minlength=len(apes)) - apes / apes.sum() * 100).max() <= 1


def test_a_ranking_of_all_is_divided_by_the_rule_at_every_budget(labelled_run):
    run = labelled_run()
    for method in ("random", "stratified"):
        rows = chosen(run, method, keep=900, groups="label", quota="uniform", rows_per_cell=200)
        expected = LABELS[on_one_machine("random", 900, quota="uniform").indices]
        assert LABELS[rows].tolist() == expected.tolist()


def test_the_highest_scores_of_each_group_are_kept(labelled_run):
    run = labelled_run()
    scale.score(run.folder, n_draws=5_000)
    from fiftyone_coreset.plugin.scale.scoring import read_scores

    scores = read_scores(run)["score"].to_numpy()
    rows = chosen(run, "zcore", keep=80, groups="label", quota="uniform")
    for name in set(LABELS):
        best = np.sort(scores[name == LABELS])[::-1][:20]
        assert scores[rows[LABELS[rows] == name]].tolist() == best.tolist()


def test_copies_wait_in_their_groups(labelled_run):
    vectors = np.concatenate([SMALL[:300], SMALL[:300], SMALL[:300]])
    labels = np.tile(LABELS[:300], 3)
    run = labelled_run(labels, vectors)
    n_dogs = int(np.sum(LABELS[:300] == "dog"))
    quota = {"ape": 60, "dog": n_dogs}
    arguments = {"groups": "label", "quota": quota, "deduplicate": True, "rows_per_cell": 200}
    rows = chosen(run, "stratified", keep=60 + n_dogs, **arguments)
    assert len(scale.read_ranking(run.folder, "stratified")["cell"].unique()) >= 3
    assert sorted(Counter(labels[rows]).items()) == sorted(quota.items())
    assert len(set((rows % 300).tolist())) == len(rows)  # one of each three copies


def test_candidates_are_divided_as_on_one_machine(labelled_run):
    run = labelled_run()
    candidates = np.sort(chosen(run, "stratified", keep=300, rows_per_cell=300))
    for quota, least in (("uniform", 0), ({"ape": 30, "bee": 10}, 0), (None, 5)):
        rows = chosen(run, "kcenter", 40, among="stratified", groups="label", quota=quota, min_per_group=least, seed=5)
        arguments = {"groups": LABELS[candidates], "quota": quota, "min_per_group": least}
        expected = on_one_machine("kcenter", 40, SMALL[candidates].astype(np.float32), **arguments)
        assert np.array_equal(rows, candidates[expected.indices])
    with pytest.raises(CoresetError, match="quota asks for 300 images of group 'dog', which has only"):
        scale.select(run.folder, "auto", 300, among="stratified", groups="label", quota={"dog": 300})
    assert not (run.folder / "select" / "auto" / "stage.json").exists()


def test_rows_without_a_label_are_a_group_and_those_without_a_vector_are_not_counted(labelled_run):
    labels = [None if row % 9 == 4 else 7 + row % 3 for row in range(900)]
    vectors = [None if row % 3 == 0 else vector for row, vector in enumerate(SMALL)]
    run = labelled_run(labels, vectors)
    rows = chosen(run, "stratified", 60, groups="label", quota="uniform", rows_per_cell=200)
    assert Counter(labels[row] for row in rows) == {None: 20, 8: 20, 9: 20}
    with pytest.raises(CoresetError, match=r"quota names 1 group that no image has, e\.g\. .7.; remove it"):
        scale.select(run.folder, "stratified", 60, name="other", groups="label", quota={"7": 60})
    rows = chosen(run, "stratified", 60, groups="label", quota={"8": 50, "9": 10}, rows_per_cell=200)
    assert Counter(labels[row] for row in rows) == {8: 50, 9: 10}


def test_a_field_of_a_dataset_divides_its_samples(dataset, image_folder, tmp_path):
    paths = image_folder(n=24)
    samples = dataset(paths)
    samples.set_values("camera", ["left" if number % 4 else "right" for number in range(24)])
    out = tmp_path / "run"
    scale.plan(samples, out, rows_per_unit=10)
    scale.embed(out, model="coreset-mini")
    scale.select(out, "random", 8, groups="camera", quota="uniform")
    kept = scale.read_ranking(out, "random")["id"].to_pylist()
    quota = {"left": 2, "right": 1}
    scale.select(out, "stratified", 3, groups="camera", quota=quota)
    results = scale.import_coreset(out, "stratified", samples.name, only="pool", projection=None, progress=False)
    assert results.config.facts["scale"]["quota"] == [["left", 2], ["right", 1]]
    assert Counter(samples.select(kept).values("camera")) == {"left": 4, "right": 4}
    with pytest.raises(CoresetError, match=r"has no field 'lens'"):
        scale.select(out, "random", 8, name="other", groups="lens")


def test_what_is_refused(labelled_run, tmp_path):
    run = labelled_run()
    for arguments, message in (
        ({"quota": "uniform"}, "quota and min_per_group need groups, the name of the column"),
        ({"groups": "label", "min_per_group": 3}, "min_per_group alone works among= the rows"),
        ({"groups": "species"}, "'species' is no column of .*source.parquet; its columns are id, label, vector"),
        ({"groups": "vector"}, "column 'vector' does not hold texts, numbers or truths"),
        ({"groups": "label", "quota": "fair"}, "quota must be one of proportional, sqrt, uniform"),
        ({"groups": "label", "quota": {"ape": 3}}, "quota counts add up to 3 but the budget is 90"),
        ({"groups": "label", "quota": {"dog": 90}}, "quota asks for 90 images of group 'dog', which has only"),
        ({"groups": "label", "quota": "uniform", "min_per_group": 40}, "needs 1.. images but the budget is 90"),
    ):
        with pytest.raises(CoresetError, match=message):
            scale.select(run.folder, "stratified", 90, **arguments)
    assert not (run.folder / "select").exists()
    scale.select(run.folder, "random", 90, groups="label", quota="uniform")
    with pytest.raises(CoresetError, match="random was made with quota='uniform', not 'sqrt'"):
        scale.select(run.folder, "random", 90, groups="label", quota="sqrt")
    scale.plan("synthetic://clusters?n=60&dim=4", tmp_path / "other")
    scale.embed(tmp_path / "other")
    with pytest.raises(CoresetError, match=r"synthetic.* has no columns; plan a run of a table that has one"):
        scale.select(tmp_path / "other", "random", 9, groups="label")


def test_more_groups_than_can_be_divided(labelled_run, monkeypatch):
    run = labelled_run()
    monkeypatch.setattr("fiftyone_coreset.plugin.scale.quotas._MOST_GROUPS", 3)
    with pytest.raises(CoresetError, match="column 'label' has more than 3 values"):
        scale.select(run.folder, "random", 90, groups="label")


def test_the_command(labelled_run, capsys):
    out = str(labelled_run().folder)
    arguments = ["scale", "select", out, "--method", "random", "--groups", "label", "--quota"]
    assert cli.main([*arguments, "ape=0.25", "dog=0.75", "--keep", "40"]) == 0
    assert cli.main([*arguments, "ape=10", "dog=30", "--keep", "40", "--name", "counts"]) == 0
    assert cli.main([*arguments, "uniform", "--keep", "40", "--min-per-group", "10", "--name", "rule"]) == 0
    for name, expected in (
        ("random", {"ape": 10, "dog": 30}),
        ("counts", {"ape": 10, "dog": 30}),
        ("rule", dict.fromkeys(("ape", "bee", "cat", "dog"), 10)),
    ):
        assert Counter(LABELS[scale.read_ranking(out, name)["row"].to_numpy()].tolist()) == expected
    assert cli.main([*arguments, "ape", "dog"]) == 1
    assert "--quota takes one rule, or NAME=NUMBER of each group, got 'ape'" in capsys.readouterr().err
