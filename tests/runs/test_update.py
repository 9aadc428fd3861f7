"""``results.update()``: what came is ranked behind what was there, and nothing that was there moves."""

from __future__ import annotations

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone_coreset.panels.grid import notices, shown_rows
from fiftyone_coreset.panels.runs import find_run
from fiftyone_coreset.plugin.diagnostics.coverage import coverage_curve
from fiftyone_coreset.plugin.selection.registry import get_method, list_methods


def add(made, vectors, **fields):
    """Adds images with these vectors; returns their ids."""
    samples = [fo.Sample(filepath=f"/nowhere/new{len(made)}_{row}.png") for row in range(len(vectors))]
    ids = made.add_samples(samples, progress=False)
    made.select(ids).set_values("emb", [None if vector is None else np.float32(vector) for vector in vectors])
    for name, values in fields.items():
        made.select(ids).set_values(name, values)
    return ids


def fresh(made, key="coreset"):
    made.clear_cache()
    return fc.load_run(made, key)


def new_vectors(m, seed=9, dim=6):
    return list(np.random.default_rng(seed).normal(size=(m, dim)).astype(np.float32))


@pytest.fixture
def grown(embedded):
    """40 images ranked by kcenter, and 8 that came since: four near an image that was there, one of them twice."""
    made = embedded()
    results = fc.compute_coreset(made, "emb", method="kcenter", projection="pca", label_field="gt", progress=False)
    near = [np.asarray(vector) * 1.001 for vector in made.values("emb")[:3]]
    ids = add(made, [*near, near[0], *new_vectors(4)])
    return made, results, ids


def test_what_came_is_ranked_behind_and_old_budgets_keep_their_images(grown):
    made, results, ids = grown
    saved = fc.create_coreset_view(made, "coreset", 10)
    before = {k: set(results.view(k).values("id")) for k in (1, 10, 40)}
    ranking, points, scores = results.ids[results.ranking].tolist(), results.points.copy(), made.values("coreset_rank")
    done = results.update()
    assert set(done.ids) == set(ids)
    assert results is not done.results
    for run in (results, fresh(made)):
        assert run.ids[run.ranking].tolist() == ranking + done.ids
        assert {k: set(run.view(k).values("id")) for k in before} == before
        np.testing.assert_array_equal(run.points[:40], points)
        assert run.points.shape == (48, 2)
        assert run.changes() is None
        assert run.config.n == 48
    assert made.values("coreset_rank")[:40] == scores[:40]
    assert sorted(made.values("coreset_rank")) == list(range(48))
    assert set(made.load_saved_view(saved.name).values("id")) == before[10]
    assert made.load_brain_results("coreset_umap").total_index_size == 48
    assert "coreset_umap_staged" not in made.list_brain_runs()
    assert (len(results.labels()), len(results.embeddings())) == (48, 48)


def test_the_order_is_the_methods_own_continuation(grown):
    made, results, _ = grown
    order = results.ranking
    done = results.update()
    X = np.stack(made.values("emb"))
    expected = get_method("kcenter").select(X, 1.0, preselected=order, deduplicate=False).indices[40:]
    found = [row_id for row_id in np.array(made.values("id"))[expected] if row_id in done.ids]
    novel = set(done.view("new").values("id"))
    assert [row_id for row_id in done.ids if row_id in novel] == [row_id for row_id in found if row_id in novel]


def test_each_is_new_or_a_look_alike(grown):
    made, results, ids = grown
    radius = results.curve().near_duplicate_radius
    done = results.update()
    kinds = dict(zip(done.ids, done.kinds, strict=True))
    unit = np.stack(made.values("emb")).astype(float)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    for place, row_id in enumerate(ids):
        nearest = np.linalg.norm(unit[: 40 + place] - unit[40 + place], axis=1).min()
        assert kinds[row_id] == ("look-alike" if nearest <= radius else "new")
    assert [kinds[row_id] for row_id in ids[:4]] == ["look-alike"] * 4
    count = list(kinds.values()).count("new")
    assert f"{count} new, {8 - count} look-alikes" in done.summary()
    (record,) = results.config.updates
    assert (record["first_rank"], record["added"], record["removed"]) == (40, 8, 0)
    assert (record["new"], record["look_alike"], record["near_copy"]) == (count, 8 - count, 0)
    with pytest.raises(fc.CoresetError, match="kind must be one of new, look-alike, near-copy, got 'old'"):
        done.view("old")


def test_the_old_coreset_and_the_best_of_the_new(grown):
    made, results, _ = grown
    old = results.ids[results.kept("25%")].tolist()
    first = results.update()
    second_ids = add(made, new_vectors(5, seed=3))
    second = results.update()
    assert set(second.ids) == set(second_ids)
    for run in (results, fresh(made)):
        assert run.ids[run.kept("25%", new=[3, 2])].tolist() == old + first.ids[:3] + second.ids[:2]
        assert set(run.view("25%", new=[3, "40%"]).values("id")) == {*old, *first.ids[:3], *second.ids[:2]}
        assert set(run.view(48, new=5).values("id")) == set(made.values("id"))
        assert set(run.view("95% coverage", new=1).values("id")) > set(second.ids[:1])
    view = fc.create_coreset_view(made, "coreset", "25%", new=[3, 2])
    assert view.name == "coreset 25% and 3 new and 2 new"
    assert set(view.values("id")) == {*old, *first.ids[:3], *second.ids[:2]}
    assert (
        "15 of 53 images by kcenter; budget 25% and 3 new and 2 new"
        in made.get_saved_view_info(view.name)["description"]
    )
    for new, words in [
        ([1, 1, 1], "new= gives 3 budgets, but run 'coreset' was updated 2 times"),
        ([], "new= gives 0 budgets"),
        ("saturation", "new= takes a count or a share"),
        (9, "budget 9 exceeds the 5 images"),
    ]:
        with pytest.raises(fc.CoresetError, match=words):
            results.view(5, new=new)


def test_figures_are_those_of_the_whole(grown):
    made, results, _ = grown
    done = results.update()
    X, order = results.embeddings(), results.ranking
    before = results.curve()
    whole = coverage_curve(
        X, order, coverage_radius=before.coverage_radius, near_duplicate_radius=before.near_duplicate_radius
    )
    for k in (1, 7, 40, 44, 48):
        assert before.coverage_at(k) == whole.coverage_at(k)
        assert before.near_duplicate_rate_at(k) == pytest.approx(whole.near_duplicate_rate_at(k))
    assert before.at(48)["coverage"].value == 1
    assert before.at(40)["distance_95"].value == pytest.approx(whole.at(40)["distance_95"].value, abs=2e-3)
    cover, again = results.first_cover(), None
    results._first_cover = None
    again = results.first_cover()
    np.testing.assert_array_equal(cover.covered_at, again.covered_at)
    np.testing.assert_array_equal(cover.duplicate_at, again.duplicate_at)
    report = fresh(made).report(20)
    assert (report.n, report.warnings[:1]) == (48, report.warnings[:1])
    assert not any("since run" in warning for warning in report.warnings)
    assert fresh(made).explain(done.ids[0], 48).kept


def test_what_was_deleted_is_let_go_and_no_rank_is_given_twice(grown):
    made, results, _ = grown
    last, middle = results.ids[results.ranking[[39, 12]]].tolist()
    whole = set(results.view(40).values("id"))
    saved = fc.create_coreset_view(made, "coreset", 40, name="all")
    made.delete_samples([last, middle])
    done = results.update()
    assert done.removed == 2
    assert "2 that were deleted are let go" in str(done)
    assert set(made.load_saved_view(saved.name).values("id")) == whole - {last, middle}
    for run in (results, fresh(made)):
        assert len(run) == 46
        assert run.changes() is None
        assert run.rank.min() == 0
        assert run.rank.max() == 47
        assert set(run.view(38).values("id")) == whole - {last, middle}
        assert run.curve().max_budget == 46
    made.delete_samples(done.ids[-2:])
    again = results.update()
    assert (again.ids, again.removed) == ([], 2)
    third = add(made, new_vectors(1, seed=5))
    results.update()
    assert made[third[0]]["coreset_rank"] == 48
    assert fresh(made).changes() is None


def test_whatever_comes_and_goes_old_budgets_keep_what_is_left_of_their_images(embedded):
    made, rng = embedded(30), np.random.default_rng(4)
    results = fc.compute_coreset(made, "emb", method="random", projection="pca", progress=False)
    kept = {k: results.ids[results.ranking[:k]].tolist() for k in (1, 8, 30)}
    saved = {k: fc.create_coreset_view(made, "coreset", k).name for k in kept}
    for step in range(4):
        add(made, new_vectors(int(rng.integers(1, 4)), seed=step))
        gone = rng.permutation(made.values("id"))[: rng.integers(0, 3)].tolist()
        made.delete_samples(gone)
        kept = {k: [row_id for row_id in ids if row_id not in gone] for k, ids in kept.items()}
        before = [row_id for row_id in results.ids[results.ranking].tolist() if row_id not in gone]
        done = results.update()
        assert results.ids[results.ranking].tolist() == before + done.ids
        assert sorted(results.ids.tolist()) == sorted(made.values("id")), "every image exactly once"
        for k, name in saved.items():
            assert set(made.load_saved_view(name).values("id")) == set(kept[k])
        kept[len(results)] = results.ids[results.ranking].tolist()
        saved[len(results)] = fc.create_coreset_view(made, "coreset", len(results), name=f"all {step}").name


def test_nothing_to_do_writes_nothing(embedded, quick):
    made = embedded()
    results = fc.compute_coreset(made, "emb", **quick)
    stamp = made.get_brain_info("coreset").timestamp
    done = results.update()
    assert (done.ids, done.removed, results.config.updates) == ([], 0, [])
    assert "0 images were added to run 'coreset'." in str(done)
    assert made.get_brain_info("coreset").timestamp == stamp


def test_images_without_a_vector_wait(grown):
    made, results, ids = grown
    made.select(ids).set_values("emb", [None] * 8)
    done = results.update()
    assert (done.ids, done.without_embedding) == ([], 8)
    vectors = [*new_vectors(3), *[None] * 5]
    made.select(ids).set_values("emb", vectors)
    done = results.update()
    assert set(done.ids) == set(ids[:3])
    assert "5 have no usable embedding" in str(done)
    assert results.config.n_missing == results.config.n_unranked == 5
    assert fresh(made).changes() is None


def test_what_a_run_left_out_stays_out(embedded):
    made = embedded()
    made.limit(4).tag_samples("bad")
    options = {"method": "random", "projection": None, "progress": False}
    results = fc.compute_coreset(made, "emb", excluded="bad", **options)
    some = fc.compute_coreset(made, "emb", "some", k=10, **options)
    ids = add(made, new_vectors(3))
    made.select(ids[:1]).tag_samples("bad")
    assert set(results.update().ids) == set(ids[1:])
    assert set(some.update().ids) == set(ids)
    assert (len(fresh(made)), len(fresh(made, "some"))) == (38, 13)
    assert fresh(made).changes() is fresh(made, "some").changes() is None
    assert fresh(made).update().ids == []


def _can_rank(name):
    method = get_method(name)
    return not (method.needs_text or method.needs_model or "target" in method.required)


@pytest.mark.parametrize("method", sorted(filter(_can_rank, list_methods())))
def test_every_method_goes_on(embedded, method):
    made = embedded(20)
    fixed = {} if get_method(method).nested else {"k": 20}
    fixed |= dict.fromkeys(get_method(method).required, "worth")
    made.set_values("worth", [float(row) for row in range(20)])
    results = fc.compute_coreset(made, "emb", method=method, label_field="gt", projection=None, progress=False, **fixed)
    ids = add(made, new_vectors(3), gt=[fo.Classification(label="a") for _ in range(3)], worth=[1.0, 3.0, 2.0])
    assert set(results.update().ids) == set(ids)


def test_images_that_are_all_left_out_change_no_figure(embedded):
    made = embedded(21)
    made.limit(1).tag_samples("bad")
    results = fc.compute_coreset(made, "emb", method="random", projection="pca", excluded="bad", progress=False)
    curve = results.curve().to_arrays()
    made.select(add(made, new_vectors(3))).tag_samples("bad")
    done = results.update()
    assert (done.ids, len(results), len(results.left_out)) == ([], 20, 4)
    for name, before in curve.items():
        np.testing.assert_array_equal(results.curve().to_arrays()[name], before)


def test_one_vector_of_another_length_is_counted_once(embedded, quick):
    made = embedded()
    results = fc.compute_coreset(made, "emb", **quick)
    add(made, new_vectors(1, dim=5))
    with pytest.raises(fc.CoresetError, match="the 1 image to add have 5 numbers, those of run 'coreset' have 6"):
        results.update()


def test_objects(dataset, quick):
    made = dataset([f"/nowhere/{row}.png" for row in range(6)])
    rng = np.random.default_rng(0)

    def boxes(count):
        box = [0, 0, 0.5, 0.5]
        return fo.Detections(
            detections=[fo.Detection(label="x", bounding_box=box, emb=rng.normal(size=4)) for _ in range(count)]
        )

    made.set_values("objects", [boxes(3) for _ in range(6)])
    made.add_sample_field("objects.detections.emb", fo.VectorField)
    results = fc.compute_coreset(made.to_patches("objects"), "emb", **quick)
    kept = set(results.view(7).values("id"))
    made.add_samples([fo.Sample(filepath="/nowhere/7.png", objects=boxes(2))], progress=False)
    done = results.update()
    assert set(done.ids) == {made.last().objects.detections[row].id for row in range(2)}
    assert set(fresh(made).view(7).values("id")) == kept
    assert set(fresh(made).view(7, new=1).values("id")) == {*kept, done.ids[0]}
    assert fresh(made).changes() is None


def test_given_vectors_and_several_fields(embedded, quick, caplog):
    made = embedded()
    results = fc.compute_coreset(made, np.stack(made.values("emb")), **quick)
    made.set_values("other", [np.float64(row) + np.arange(3.0) for row in range(40)])
    both = fc.compute_coreset(made, ["emb", "other"], "both", **quick)
    ids = add(made, new_vectors(2), other=[np.arange(3.0), -np.arange(3.0)])
    with pytest.raises(fc.CoresetError, match="given; pass those of the images to add as embeddings=, a dict"):
        results.update()
    with pytest.raises(fc.CoresetError, match="the 2 images to add have 5 numbers, those of run 'coreset' have 6"):
        results.update(embeddings=dict(zip(ids, new_vectors(2, dim=5), strict=True)))
    with pytest.raises(fc.CoresetError, match=r"the 2 vectors differ in shape \(\(5,\), \(6,\)\)"):
        results.update(embeddings={ids[0]: np.ones(5), ids[1]: np.ones(6)})
    with pytest.raises(fc.CoresetError, match=r"reads its vectors from emb \+ other"):
        both.update(embeddings={})
    given = dict(zip(made.values("id"), new_vectors(42), strict=True)) | {"0" * 24: np.ones(6)}  # ranked ones too
    assert set(results.update(embeddings=given).ids) == set(ids)
    assert "1 of the 4 vectors by id, e.g. that of '000000000000000000000000'" in caplog.text
    assert set(both.update().ids) == set(ids)
    assert fresh(made).embeddings().shape == (42, 6)
    assert fresh(made, "both").report(5).n == 42


def test_a_killed_update_leaves_the_old_run(grown, monkeypatch):
    made, results, ids = grown
    before = set(results.view(10).values("id"))
    written = {}

    def die(*args, **kwargs):
        written.update(zip(made.values("id"), made.values("coreset_rank"), strict=True))
        raise KeyboardInterrupt

    monkeypatch.setattr("fiftyone_coreset.plugin.runs.write.commit_run", die)
    monkeypatch.setattr("fiftyone_coreset.plugin.runs.write._undo", lambda *args: None)
    monkeypatch.setattr("fiftyone_coreset.plugin.runs.write._clear_from", lambda *args: None)
    with pytest.raises(KeyboardInterrupt):
        results.update()
    assert written[ids[0]] >= 40, "it died between the two writes"
    run = fresh(made)
    assert (len(run), set(run.view(10).values("id"))) == (40, before)
    assert "8 images were added and are not ranked" in run.changes()
    assert run.alive().all()
    made.delete_samples(ids[:4])
    monkeypatch.undo()
    made.delete_samples(run.ids[run.ranking[[5, 6, 7, 8]]].tolist())
    assert run.alive().sum() == 36, "leftover values are not taken for images that went"
    assert set(fresh(made).update().ids) == set(ids[4:])
    assert fresh(made).changes() is None


def test_the_panel_counts_rows_though_ranks_have_gaps(grown):
    made, results, _ = grown
    made.delete_samples(results.ids[results.ranking[[3, 20]]].tolist())
    results.update()
    (stray,) = add(made, new_vectors(1, seed=2))
    made.select(stray).set_values("coreset_rank", [99])  # an update is under way
    run = find_run(made, "coreset")
    assert (run.n, run.ids.tolist()) == (46, results.ids[results.ranking].tolist())
    whole, some = shown_rows(run, made), shown_rows(run, made.skip(20))
    assert (whole.mask.all(), whole.unranked, some.unranked) == (True, 1, 1)
    assert set(run.ids[some.mask]) == set(made.skip(20).values("id")) - {stray}
    assert any("Update coreset run" in notice for notice in notices(run, whole, whole, 47))
    assert run.kept_rows(10).tolist() == list(range(10))
