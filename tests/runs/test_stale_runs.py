"""What a run answers after the dataset changed: it counts what is there, and says what changed."""

from __future__ import annotations

import logging

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest


@pytest.fixture
def stale(embedded, quick):
    """40 images ranked by 'coreset', of which the first 3, the 8th and the last were deleted since, and 2 added."""
    made = embedded()
    results = fc.compute_coreset(made, "emb", label_field="gt", **quick)
    gone = results.ids[results.ranking[[0, 1, 2, 7, 39]]].tolist()
    made.delete_samples(gone)
    made.add_samples([fo.Sample(filepath=f"/nowhere/new{row}.png") for row in range(2)], progress=False)
    made.clear_cache()
    return made, fc.load_run(made, "coreset"), [i for i in results.ids[results.ranking].tolist() if i not in gone]


WORDS = "5 of the 40 ranked images were deleted, 2 images were added and are not ranked"


def test_budgets_and_views_count_what_is_left(stale, caplog):
    dataset, run, left = stale
    assert [run.budget(b) for b in (10, "20%", 1.0)] == [10, 7, 35]
    with pytest.raises(fc.CoresetError, match="budget 36 exceeds the 35 images"):
        run.budget(36)
    assert set(run.view(10).values("id")) == set(left[:10])
    view = fc.create_coreset_view(dataset, "coreset", "20%")
    assert set(view.values("id")) == set(left[:7])
    assert "7 of 35 images" in dataset.get_saved_view_info(view.name)["description"]
    said = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(said) == 1
    assert WORDS in said[0]


def test_a_coverage_budget_covers_what_is_left(stale):
    dataset, run, left = stale
    k = run.budget("70% coverage")
    vectors = dict(zip(*dataset.values(["id", "emb"]), strict=True))
    unit = np.array([vectors[i] / np.linalg.norm(vectors[i]) for i in left], dtype=float)
    near = np.linalg.norm(unit[:, None] - unit[None], axis=2) <= run.curve().coverage_radius
    covered = [near[:, :size].any(axis=1).mean() for size in range(1, len(left) + 1)]
    assert k == 1 + next(row for row, share in enumerate(covered) if share >= 0.7)


def test_a_report_says_what_changed(stale):
    _, run, _ = stale
    report = run.report(10)
    assert (report.kept, report.n) == (10, 35)
    assert WORDS in report.warnings[0]
    assert "overwrite=True" in report.warnings[0]


def test_every_image_that_is_left_is_explained(stale):
    dataset, run, left = stale
    files = dict(zip(*dataset.values(["id", "filepath"]), strict=True))
    for place, row_id in enumerate(left):
        found = run.explain(row_id, 10)
        assert (found.rank, found.kept, found.n_ranked) == (place, place < 10, 35)
        assert run.ids[found.nearest] in left[:10]
        said = str(found)
        assert said.startswith(files[row_id].rsplit("/", 1)[1])
        assert files[run.ids[found.nearest]].rsplit("/", 1)[1] in said
    with pytest.raises(fc.CoresetError, match="was deleted after the run"):
        run.explain(next(i for i in run.ids if i not in left), 10)
    with pytest.raises(fc.CoresetError, match="did not rank"):
        run.explain(dataset.last().id, 10)


@pytest.mark.parametrize("fresh", [True, False])
def test_embeddings_that_changed_are_noticed(embedded, quick, fresh):
    dataset = embedded()
    run = fc.compute_coreset(dataset, "emb", **quick)
    assert run.changes() is None
    vectors = dataset.values("emb")
    vectors[3:6] = [-vector for vector in vectors[3:6]]
    dataset.set_values("emb", vectors)
    if fresh:
        dataset.clear_cache()
        run = fc.load_run(dataset, "coreset")
    assert "3 images have other embeddings in emb" in run.report(10).warnings[0]
    assert np.array_equal(run.embeddings()[3], vectors[3]), "figures are of the embeddings there are"


@pytest.mark.parametrize("fields", ["emb", ["emb", "second"]])
def test_images_deleted_while_one_asks_are_no_images_with_other_embeddings(embedded, quick, monkeypatch, fields):
    dataset = embedded()
    dataset.set_values("second", dataset.values("emb"))
    run = fc.compute_coreset(dataset, fields, **quick)
    before = run.alive()
    monkeypatch.setattr(run, "alive", lambda: before)  # somebody deletes images after this was asked
    first, second = run.ranking[:2]
    dataset.delete_samples([run.ids[first]])
    assert run.changes() is None
    names = run.explain(run.ids[second], 1).names  # the one that is kept lies nearest, and has no file any more
    assert names[first] == "deleted after the run"
    assert names[second].endswith(".png")


def test_several_fields_are_all_watched(embedded, quick):
    dataset = embedded()
    dataset.set_values("other", [np.float64(row) + np.arange(3.0) for row in range(40)])
    run = fc.compute_coreset(dataset, ["emb", "other"], **quick)
    assert run.changes() is None
    sample = dataset.first()
    sample["other"] = np.zeros(3)
    sample.save()
    assert "1 images have other embeddings in emb + other" in run.changes()
    dataset.delete_sample_field("other")
    assert "40 images have other embeddings" in run.changes()


def test_a_view_that_was_ranked_may_change_what_it_shows(embedded, quick):
    dataset = embedded()
    dataset[:20].tag_samples("pool")
    run = fc.compute_coreset(dataset.match_tags("pool"), "emb", **quick)
    dataset[:5].untag_samples("pool")
    dataset.clear_cache()
    run = fc.load_run(dataset, "coreset")
    assert run.budget("50%") == 10, "nothing was deleted"
    assert np.isfinite(run.embeddings()).all()
    assert run.changes() is None
    dataset[30:33].tag_samples("pool")
    assert "3 images were added" in run.changes()


def _delete_ranks(dataset):
    dataset.delete_sample_field("coreset_rank")


def _overwrite_ranks(dataset):
    dataset.set_values("coreset_rank", list(range(1, 41)))


def _lose_ranks(dataset):
    dataset.set_values("coreset_rank", [None] * 40)


@pytest.mark.parametrize("spoil", [_delete_ranks, _overwrite_ranks, _lose_ranks])
def test_a_view_that_cannot_hold_the_coreset_is_refused(embedded, quick, spoil):
    dataset = embedded()
    run = fc.compute_coreset(dataset, "emb", **quick)
    spoil(dataset)
    remedy = r"load_run\(\) .* must be computed again" if spoil is _delete_ranks else "overwrite=True"
    with pytest.raises(fc.CoresetError, match=f"'coreset_rank'.*{remedy}"):
        run.view(5)
    with pytest.raises(fc.CoresetError, match="coreset_rank"):
        fc.create_coreset_view(dataset, "coreset", 5, tag="keep", field="member")
    assert dataset.list_saved_views() == []
    assert not dataset.has_field("member")
    assert len(dataset.match_tags("keep")) == 0


def test_objects_that_were_deleted_do_not_count(dataset, quick):
    made = dataset([f"/nowhere/{row}.png" for row in range(6)])
    rng = np.random.default_rng(0)
    boxes = [
        [fo.Detection(label="x", bounding_box=[0, 0, 0.5, 0.5], emb=rng.normal(size=4)) for _ in range(3)]
        for _ in range(6)
    ]
    made.set_values("objects", [fo.Detections(detections=detections) for detections in boxes])
    made.add_sample_field("objects.detections.emb", fo.VectorField)
    fc.compute_coreset(made.to_patches("objects"), "emb", **quick)
    made.delete_samples(made.values("id")[:2])
    made.clear_cache()
    run = fc.load_run(made, "coreset")
    assert run.budget(1.0) == 12
    left = set(made.values("objects.detections.id", unwind=True))
    assert set(run.view(12).values("id")) == left
    assert run.report(4).n == 12
    assert "6 of the 18 ranked objects were deleted" in run.changes()
    some = next(iter(left))
    assert f"object {some} in " in str(run.explain(some, 4))


def test_clips_views_are_refused_before_anything_is_written(dataset):
    made = dataset(["/nowhere/a.mp4"])
    sample = made.first()
    sample.frames.update({n: fo.Frame(filepath=f"/nowhere/{n}.png") for n in (1, 2, 3)})
    sample["events"] = fo.TemporalDetections(detections=[fo.TemporalDetection(label="e", support=[1, 2])])
    sample.save()
    fields = set(made.get_field_schema()), set(made.get_frame_field_schema())
    view = made.to_clips("events")
    vectors = np.random.default_rng(0).normal(size=(len(view), 4))
    with pytest.raises(fc.CoresetError, match=r"no fields of a clips view; .* with to_clips\(...\).clone\(\)"):
        fc.compute_coreset(view, vectors, projection=None, progress=False)
    assert (set(made.get_field_schema()), set(made.get_frame_field_schema())) == fields
    assert made.list_brain_runs() == []


def test_a_budget_belongs_to_the_view(embedded):
    with pytest.raises(fc.CoresetError, match=r"create_coreset_view\(dataset, 'coreset', budget\), or k="):
        fc.compute_coreset(embedded(), "emb", budget="10%", progress=False)


def test_a_run_prints_in_a_line(embedded, quick):
    dataset = embedded()
    run = fc.compute_coreset(dataset, "emb", **quick)
    assert str(run).startswith("Coreset run 'coreset': ranked 40 images by zcore; embeddings emb; seed 0")
    assert repr(run) == str(run)
    assert len(str(run)) < 200
    assert "<td>40 images by zcore</td>" in run._repr_html_()
    assert repr(run.report(4)) == "<CoresetReport: 4 of 40 kept (10.0%); print it to read it>"
    assert len(repr(run.curve())) < 100


@pytest.mark.parametrize(
    ("budget", "words"),
    [(4, "4"), ("4", "4"), (0.25, "25%"), ("12.5%", "12.5%"), ("80 % Coverage", "80% coverage"), ("redundancy",) * 2],
)
def test_a_view_is_called_by_its_budget(embedded, quick, budget, words):
    dataset = embedded()
    run = fc.compute_coreset(dataset, "emb", **quick)
    view = fc.create_coreset_view(dataset, "coreset", budget)
    assert view.name == f"coreset {words}"
    description = dataset.get_saved_view_info(view.name)["description"]
    assert f"{run.budget(budget)} of 40 images" in description
    assert (f"budget {words}" in description) == (not words.isdigit())


def test_names_that_share_an_address_in_the_app_are_refused(embedded, quick):
    dataset = embedded()
    fc.compute_coreset(dataset, "emb", **quick)
    fc.create_coreset_view(dataset, "coreset", "30%")
    with pytest.raises(fc.CoresetError, match="'coreset 30' and the saved view 'coreset 30%'"):
        fc.create_coreset_view(dataset, "coreset", 30)
    assert fc.create_coreset_view(dataset, "coreset", 30, name="thirty").name == "thirty"


@pytest.mark.parametrize("step", ["read_labels", "find_near_copies", "_build_results"])
def test_images_that_come_and_go_while_a_run_is_computed_shift_nothing(embedded, monkeypatch, step):
    """Three are deleted and as many added, so that counts stay equal: the others are ranked by their own vectors."""
    from fiftyone_coreset.plugin.runs import compute

    dataset = embedded()
    arguments = {"method": "kcenter", "projection": None, "progress": False}
    undisturbed = fc.compute_coreset(dataset, "emb", "undisturbed", **arguments)
    expected = dict(zip(undisturbed.ids.tolist(), undisturbed.rank.tolist(), strict=True))
    gone = dataset.values("id")[5:8]
    original = getattr(compute, step)

    def disturbed(*given, **named):
        if gone[0] in dataset.values("id"):
            dataset.delete_samples(gone)
            came = [fo.Sample(filepath=f"/nowhere/{row}.png", emb=np.full(6, 9.0 + row)) for row in range(3)]
            dataset.add_samples(came, progress=False)
        return original(*given, **named)

    monkeypatch.setattr(compute, step, disturbed)
    fc.compute_coreset(dataset, "emb", "disturbed", **arguments)
    ranks = dict(zip(*dataset.values(["id", "disturbed_rank"]), strict=True))
    there = {row_id: rank for row_id, rank in ranks.items() if rank is not None}
    assert there == {row_id: rank for row_id, rank in expected.items() if row_id not in gone}
    assert "3 of the" in fc.load_run(dataset, "disturbed").changes()
