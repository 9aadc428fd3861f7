"""Saved coreset views: small, live, described, never overwritten by accident."""

from __future__ import annotations

import bson
import fiftyone_coreset as fc
import pytest


@pytest.fixture
def run(embedded, quick):
    dataset = embedded()
    return dataset, fc.compute_coreset(dataset, "emb", **quick)


def _first(results, k):
    return {row_id for row_id, rank in zip(results.ids, results.rank, strict=True) if rank < k}


@pytest.mark.parametrize(("budget", "k"), [(1, 1), (40, 40), (0.25, 10), ("30%", 12), ("7", 7), (1.0, 40)])
def test_budgets(run, budget, k):
    dataset, results = run
    assert set(fc.create_coreset_view(dataset, "coreset", budget).values("id")) == _first(results, k)


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        (0, "at least 1 image, got 0"),
        (41, "budget 41 exceeds the 40 images that can be kept; give at most 40"),
        (-3, "at least 1 image"),
        ("abc", "budget must be a count"),
        (float("nan"), "fraction must lie in"),
        (None, "budget must be a count"),
        ("0%", "above 0 %"),
    ],
)
def test_impossible_budgets(run, budget, message):
    dataset, _ = run
    with pytest.raises(fc.CoresetError, match=message):
        fc.create_coreset_view(dataset, "coreset", budget)
    assert dataset.list_saved_views() == []


def test_a_coverage_budget_is_the_smallest_that_covers(run):
    _, results = run
    k = results.budget("80% coverage")
    assert set(results.view("80% coverage").values("id")) == _first(results, k)
    covered = [results.curve().coverage_at(budget) for budget in range(1, len(results) + 1)]
    assert k == 1 + next(row for row, share in enumerate(covered) if share >= 0.8)


def test_a_report_is_about_the_images_that_are_left(run):
    dataset, results = run
    dataset.delete_samples([results.ids[results.ranking[0]]])
    report = fc.load_run(dataset.clone(), "coreset").report(10)
    assert (report.kept, report.n) == (10, 39)
    assert report.metrics["stability"].value == fc.load_run(dataset, "coreset").expected_overlap(10)


def test_description_says_how_the_view_was_made(run):
    dataset, _ = run
    view = fc.create_coreset_view(dataset, "coreset", 4)
    assert view.name == "coreset 4"
    description = dataset.get_saved_view_info("coreset 4")["description"]
    for fact in ("4 of 40", "zcore", "run 'coreset'", "embeddings emb", "seed 0"):
        assert fact in description


def test_a_view_of_the_default_method_is_described(embedded):
    dataset = embedded()
    fc.compute_coreset(dataset, "emb", projection="pca", progress=False)
    fc.create_coreset_view(dataset, "coreset", 4)
    assert "4 of 40 images by auto; run 'coreset'" in dataset.get_saved_view_info("coreset 4")["description"]


def test_a_taken_name_is_an_error_unless_asked(run):
    dataset, results = run
    fc.create_coreset_view(dataset, "coreset", 4, name="mine")
    with pytest.raises(fc.CoresetError, match=r"saved view 'mine' exists .* pass overwrite=True"):
        fc.create_coreset_view(dataset, "coreset", 9, name="mine")
    assert len(dataset.load_saved_view("mine")) == 4
    fc.create_coreset_view(dataset, "coreset", 9, name="mine", overwrite=True)
    assert set(dataset.load_saved_view("mine").values("id")) == _first(results, 9)


def test_tag_and_field_mark_what_is_kept(run):
    dataset, results = run
    fc.create_coreset_view(dataset, "coreset", 6, tag="keep", field="in_coreset")
    assert set(dataset.match_tags("keep").values("id")) == _first(results, 6)
    assert dataset.count_values("in_coreset") == {True: 6, False: 34}
    with pytest.raises(fc.CoresetError, match="field 'in_coreset' exists"):
        fc.create_coreset_view(dataset, "coreset", 7, field="in_coreset")


def test_the_saved_document_stays_small_at_any_size(run):
    """Ids of 600,000 samples would not fit a document; a rank condition has the same size for 7 and for 700,000."""
    dataset, _ = run
    from fiftyone_coreset.plugin.rank_views import rank_view

    fc.create_coreset_view(dataset, "coreset", 7)
    dataset.save_view("large", rank_view(dataset, None, "coreset_rank", 700_000))
    documents = [len(bson.encode(view.to_mongo())) for view in dataset._doc.get_saved_views()]
    assert len(documents) == 2
    assert max(documents) < 2_000


def test_views_open_in_a_fresh_process_and_in_a_clone(run, in_new_process):
    dataset, results = run
    dataset.persistent = True
    view = fc.create_coreset_view(dataset, "coreset", 11, name="eleven")
    program = "import sys, fiftyone as fo; print(*fo.load_dataset(sys.argv[1]).load_saved_view('eleven').values('id'))"
    assert in_new_process(program, dataset.name).split() == view.values("id")
    clone = dataset.clone()
    assert clone.load_saved_view("eleven").values("filepath") == view.values("filepath")
    assert fc.load_run(clone, "coreset").rank.tolist() == results.rank.tolist()
    fc.adjust_coreset(clone, "coreset", add=[clone.last().id])  # written anew
    dataset.clear_cache()
    assert fc.load_run(dataset, "coreset").rank.tolist() == results.rank.tolist()


def test_views_live_with_the_dataset(run):
    """New samples are not in the coreset; deleted ones leave it."""
    import fiftyone as fo

    dataset, results = run
    view = fc.create_coreset_view(dataset, "coreset", 5)
    dataset.add_sample(fo.Sample(filepath="/nowhere/new.png"))
    dataset.delete_samples([results.ids[results.ranking[0]]])
    assert set(view.values("coreset_rank")) == {1, 2, 3, 4}


def test_a_missing_run_names_those_that_exist(run):
    dataset, _ = run
    with pytest.raises(fc.CoresetError, match="has no coreset run 'other' \\(runs: 'coreset'\\)"):
        fc.create_coreset_view(dataset, "other", 5)


def test_grouped_datasets_keep_slices_apart(dataset, quick):
    import fiftyone as fo
    import numpy as np

    made = dataset()
    made.add_group_field("group", default="left")
    rng = np.random.default_rng(0)
    samples = []
    for number in range(8):
        group = fo.Group()
        for side in ("left", "right"):
            path = f"/nowhere/{side}{number}.png"
            samples.append(fo.Sample(filepath=path, group=group.element(side), emb=rng.normal(size=4)))
    made.add_samples(samples, progress=False)

    results = fc.compute_coreset(made.select_group_slices("right"), "emb", **quick)

    view = fc.create_coreset_view(made, "coreset", 3)
    description = made.get_saved_view_info("coreset 3")["description"]
    assert "ranks and coreset views hold images of slice 'right', not whole groups" in description
    assert set(view.values("id")) == _first(results, 3)
    assert all("right" in path for path in view.values("filepath"))


def test_a_view_is_true_after_members_were_deleted(embedded, quick):
    dataset = embedded()
    results = fc.compute_coreset(dataset, "emb", **quick)
    first = results.ids[results.ranking].tolist()
    fc.create_coreset_view(dataset, "coreset", 8, name="eight")
    dataset.delete_samples(first[2:5])

    assert set(dataset.load_saved_view("eight").values("id")) == {*first[:2], *first[5:8]}
    again = fc.create_coreset_view(dataset, "coreset", 8, name="again")
    assert set(again.values("id")) == {*first[:2], *first[5:11]}
    for name in ("eight", "again"):
        held = len(fc.create_coreset_view(dataset, "coreset", 8, name=name, overwrite=True))
        assert dataset.get_saved_view_info(name)["description"].startswith(f"Coreset: {held} of 37 images")
    fc.compute_coreset(dataset, "emb", overwrite=True, **quick | {"seed": 7})
    for name in ("eight", "again"):
        held = len(dataset.load_saved_view(name))
        assert dataset.get_saved_view_info(name)["description"].startswith(f"Coreset: {held} of 37 images")


def test_a_view_is_replaced_and_never_gone(embedded, quick, monkeypatch):
    from fiftyone.core.odm import SavedViewDocument

    dataset = embedded()
    fc.compute_coreset(dataset, "emb", **quick)
    fc.create_coreset_view(dataset, "coreset", 8, name="eight")

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(SavedViewDocument, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            fc.create_coreset_view(dataset, "coreset", 5, name="eight", overwrite=True)
    dataset.reload()
    assert len(dataset.load_saved_view("eight")) == 8
    fc.create_coreset_view(dataset, "coreset", 5, name="eight", overwrite=True)
    dataset.reload()
    assert len(dataset.load_saved_view("eight")) == 5
    assert dataset.list_saved_views() == ["eight"]


@pytest.mark.parametrize("lost", [1, 3])
def test_membership_that_the_database_loses_is_written_again_or_refused(embedded, quick, monkeypatch, lost):
    from fiftyone_coreset.plugin.dataset.rows import Rows

    dataset = embedded()
    results = fc.compute_coreset(dataset, "emb", **quick)
    original, calls = Rows.set_values, []

    def losing(self, field, values):
        calls.append(field)
        original(self, field, values if len(calls) > lost else dict(list(values.items())[:-3]))

    monkeypatch.setattr(Rows, "set_values", losing)
    if lost == 3:
        with pytest.raises(fc.CoresetError, match=r"field 'keep' lacks 3 of 40 values after 3 attempts"):
            fc.create_coreset_view(dataset, "coreset", 8, field="keep")
        assert dataset.list_saved_views() == []
        return
    fc.create_coreset_view(dataset, "coreset", 8, field="keep")
    assert dataset.match({"keep": True}).values("id") == dataset.select(results.ids[results.rank < 8]).values("id")
    assert dataset.count("keep") == 40


def test_plain_fields_take_their_turn(embedded, quick):
    """Another process adds a field in between: FiftyOne alone would write its old list of fields over it."""
    import fiftyone as fo
    from fiftyone.core.odm import get_db_conn

    dataset = embedded()
    fc.compute_coreset(dataset, "emb", **quick)
    results = fc.load_run(dataset, "coreset")
    dataset.add_sample_field("theirs", fo.IntField)
    theirs = next(f for f in get_db_conn().datasets.find_one({"_id": dataset._doc.id})["sample_fields"]
                  if f["name"] == "theirs")  # fmt: skip
    dataset.delete_sample_field("theirs")
    get_db_conn().datasets.update_one({"_id": dataset._doc.id}, {"$push": {"sample_fields": theirs}})
    from fiftyone_coreset.plugin.runs.views import _write_membership

    _write_membership(results, results.kept(5), "keep")
    dataset.reload()
    assert {"theirs", "keep"} <= set(dataset.get_field_schema())
