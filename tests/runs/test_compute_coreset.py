"""The brain run: what is written, for whom, and what happens to it later."""

from __future__ import annotations

import json
import os

import fiftyone_coreset as fc
import numpy as np
import pytest


def test_fields_hold_the_scores_of_the_numpy_layer(embedded, quick):
    dataset = embedded()
    results = fc.compute_coreset(dataset, "emb", **quick)

    expected = fc.zcore_scores(np.stack(dataset.values("emb")), n_draws=2_000, seed=0)
    np.testing.assert_array_equal(dataset.values("coreset_score"), expected.score)
    np.testing.assert_array_equal(dataset.values("coreset_coverage"), expected.coverage)
    np.testing.assert_array_equal(dataset.values("coreset_redundancy"), expected.redundancy)
    ranks = np.array(dataset.values("coreset_rank"))
    assert sorted(ranks) == list(range(40))
    assert (np.diff(expected.score[np.argsort(ranks)]) <= 0).all()
    assert results.config.n == 40
    assert results.config.n_missing == 0


@pytest.mark.parametrize(
    "asked",
    [
        {"k": 10},
        {"k": "95% coverage"},
        {"preselected": [3]},
        {"excluded": [5, 6]},
        {"groups": "gt"},
        {"groups": "gt", "min_per_group": 3, "k": 20},
        {"weights": np.arange(1, 41)},
        {"deduplicate": True},
        {"outlier_guard": 0.1},
    ],
    ids=lambda asked: "-".join(asked),
)
def test_a_run_keeps_all_figures_and_facts_whatever_was_asked(embedded, quick, asked):
    dataset = embedded()
    rows = {name: np.isin(np.arange(40), asked[name]) for name in ("preselected", "excluded") if name in asked}
    plain = fc.compute_coreset(dataset, "emb", "plain", **quick)
    some = fc.compute_coreset(dataset, "emb", "some", time_budget=60, **quick | asked | rows)
    assert list(some.columns) == list(plain.columns) == ["score", "coverage", "redundancy"]
    assert {"n_draws", "draws_per_row", "reliability", "expected_overlap"} <= set(plain.config.facts)
    assert set(plain.config.facts) <= set(some.config.facts)
    if "excluded" not in asked:
        np.testing.assert_array_equal(some.score, plain.score[np.isin(plain.ids, some.ids)])
    with pytest.raises(fc.CoresetError, match="method 'zcore' has no parameter 'n_drwas'; its parameters are: n_draws"):
        fc.compute_coreset(dataset, "emb", "other", n_drwas=3, **quick | asked | rows)


def test_samples_without_embeddings_keep_none_and_are_counted(embedded, quick):
    dataset = embedded()
    vectors = dataset.values("emb")
    vectors[3] = None
    vectors[17] = np.full(6, np.nan, dtype=np.float32)
    dataset.set_values("emb", vectors)

    results = fc.compute_coreset(dataset, "emb", **quick)

    ranks = dataset.values("coreset_rank")
    assert [row for row, rank in enumerate(ranks) if rank is None] == [3, 17]
    assert results.config.n_missing == 2
    kept = [row for row in range(40) if row not in (3, 17)]
    alone = fc.zcore_scores(np.stack([vectors[row] for row in kept]), n_draws=2_000, seed=0)
    np.testing.assert_array_equal([dataset.values("coreset_score")[row] for row in kept], alone.score)
    # In MongoDB's order None is less than any number: the unranked must not slip into a view.
    assert set(results.view(38).values("coreset_rank")) == set(range(38))


def test_a_view_leaves_other_samples_alone(embedded, quick):
    dataset = embedded()
    results = fc.compute_coreset(dataset.skip(10).limit(20), "emb", **quick)
    ranked = [rank is not None for rank in dataset.values("coreset_rank")]
    assert ranked == [False] * 10 + [True] * 20 + [False] * 10
    assert set(results.ids) == set(dataset.skip(10).limit(20).values("id"))


def test_objects_are_ranked_in_place(dataset, quick):
    import fiftyone as fo

    made = dataset(["/nowhere/a.png", "/nowhere/b.png"])
    rng = np.random.default_rng(0)
    boxes = [[fo.Detection(label="x", bounding_box=[0, 0, 0.5, 0.5], emb=rng.normal(size=4)) for _ in range(n)]
             for n in (5, 3)]  # fmt: skip
    made.set_values("objects", [fo.Detections(detections=detections) for detections in boxes])
    made.add_sample_field("objects.detections.emb", fo.VectorField)

    results = fc.compute_coreset(made.to_patches("objects"), "emb", **quick)

    ranks = made.values("objects.detections.coreset_rank", unwind=True)
    assert sorted(ranks) == list(range(8))
    view = fc.create_coreset_view(made, "coreset", 3)
    chosen = [row_id for row_id, rank in zip(results.ids, results.rank, strict=True) if rank < 3]
    assert sorted(view.values("id")) == sorted(chosen)
    made.delete_brain_run("coreset")
    assert not made.has_field("objects.detections.coreset_rank")


def test_embeddings_from_an_array_and_from_a_file_agree(embedded, quick, tmp_path):
    dataset = embedded()
    array = np.random.default_rng(5).normal(size=(40, 3)).astype(np.float32)
    np.save(tmp_path / "vectors.npy", array)
    from_array = fc.compute_coreset(dataset, array, brain_key="one", **quick)
    from_file = fc.compute_coreset(dataset, str(tmp_path / "vectors.npy"), brain_key="two", **quick)
    np.testing.assert_array_equal(from_array.score, from_file.score)


def test_several_fields_count_the_same_whatever_their_scale(embedded, quick):
    dataset = embedded()
    small = np.random.default_rng(7).normal(size=(40, 6)).astype(np.float32)
    dataset.set_values("other", list(small))
    plain = fc.compute_coreset(dataset, ["emb", "other"], brain_key="plain", **quick)
    dataset.set_values("other", list(small * np.float32(1024)))
    scaled = fc.compute_coreset(dataset, ["emb", "other"], brain_key="scaled", **quick)
    np.testing.assert_allclose(plain.score, scaled.score, rtol=1e-4, atol=1e-3)


def test_results_load_in_another_process(embedded, quick, in_new_process):
    dataset = embedded()
    dataset.persistent = True
    results = fc.compute_coreset(dataset, "emb", label_field="gt", **quick)
    program = (
        "import json, sys, fiftyone as fo; ds = fo.load_dataset(sys.argv[1]); r = ds.load_brain_results('coreset');"
        "print(json.dumps([type(r).__module__, r.rank.tolist(), r.score.tolist(), list(r.ids), r.points.tolist(),"
        " r.curve().smallest_budget_for(0.9), r.config.seed, r.view(0.25).values('id'), r.report(9).kept]))"
    )
    printed = in_new_process(program, dataset.name).splitlines()[-1]
    module, rank, score, ids, points, budget, seed, view, kept = json.loads(printed)
    assert module == "fiftyone_coreset.plugin.results"
    assert rank == results.rank.tolist()
    assert score == results.score.tolist()
    assert ids == list(results.ids)
    np.testing.assert_array_equal(np.array(points, dtype=np.float32), results.points)
    assert budget == results.curve().smallest_budget_for(0.9)
    assert (seed, kept) == (0, 9)
    assert view == results.view(10).values("id")


def test_a_run_explains_its_images(embedded, quick):
    dataset = embedded()
    vectors = dataset.values("emb")
    vectors[1] = vectors[0]
    dataset.set_values("emb", vectors)
    results = fc.compute_coreset(dataset, "emb", **quick)
    twins = dataset.limit(2).values("id")
    kept, dropped = sorted(twins, key=lambda row_id: results.rank[list(results.ids).index(row_id)])
    rank = int(results.rank[list(results.ids).index(kept)])

    explanation = results.explain(dropped, rank + 1)

    assert not explanation.kept
    assert results.ids[explanation.nearest] == kept
    assert explanation.distance == 0
    assert kept in explanation.summary(results.ids)
    assert results.explain(kept, rank + 1).kept
    with pytest.raises(fc.CoresetError, match="run 'coreset' did not rank 'nobody'"):
        results.explain("nobody", 5)


def test_the_map_is_a_standard_visualization_too(embedded, quick):
    dataset = embedded()
    results = fc.compute_coreset(dataset, "emb", **quick)
    visualization = dataset.load_brain_results("coreset_umap")
    np.testing.assert_allclose(visualization.points, results.points)
    np.testing.assert_allclose(np.array(dataset.values("coreset_xy")), results.points, rtol=1e-6)


def test_rename_takes_fields_views_and_map_along(embedded, quick):
    dataset = embedded()
    fc.compute_coreset(dataset, "emb", **quick)
    ids = fc.create_coreset_view(dataset, "coreset", 8, name="eight").values("id")

    dataset.rename_brain_run("coreset", "second")

    fields = set(dataset.get_field_schema())
    assert {"second_score", "second_rank", "second_xy"} <= fields
    assert not any(field.startswith("coreset_") for field in fields)
    assert dataset.list_brain_runs() == ["second", "second_umap"]
    assert dataset.load_saved_view("eight").values("id") == ids
    assert len(fc.load_run(dataset, "second").view(5)) == 5


def test_delete_takes_fields_views_and_map_along(embedded, quick):
    dataset = embedded()
    before = set(dataset.get_field_schema())
    fc.compute_coreset(dataset, "emb", **quick)
    fc.create_coreset_view(dataset, "coreset", 8)
    dataset.save_view("unrelated", dataset.limit(3))

    dataset.delete_brain_run("coreset")

    assert set(dataset.get_field_schema()) == before
    assert dataset.list_brain_runs() == []
    assert dataset.list_saved_views() == ["unrelated"]


def test_overwrite_replaces_every_value_and_keeps_saved_views(embedded, quick):
    dataset = embedded()
    fc.compute_coreset(dataset, "emb", **quick)
    fc.create_coreset_view(dataset, "coreset", 8, name="eight")
    with pytest.raises(fc.CoresetError, match="run 'coreset' exists; choose another brain_key or pass overwrite=True"):
        fc.compute_coreset(dataset, "emb", **quick)

    results = fc.compute_coreset(dataset.limit(12), "emb", overwrite=True, **quick | {"seed": 4})

    assert [rank is not None for rank in dataset.values("coreset_rank")] == [True] * 12 + [False] * 28
    view = dataset.load_saved_view("eight")
    assert sorted(view.values("coreset_rank")) == list(range(8))
    assert set(view.values("id")) == {i for i, rank in zip(results.ids, results.rank, strict=True) if rank < 8}


def test_a_failed_run_leaves_the_dataset_as_it_was(embedded, quick, monkeypatch):
    dataset = embedded()
    fc.compute_coreset(dataset, "emb", **quick)
    ranks = dataset.values("coreset_rank")

    def fail(*args, **kwargs):
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patched:
        patched.setattr("fiftyone_coreset.plugin.selection.method.Method.select", fail)
        with pytest.raises(RuntimeError, match="out of memory"):
            fc.compute_coreset(dataset, "emb", overwrite=True, **quick)
    assert dataset.values("coreset_rank") == ranks

    with monkeypatch.context() as patched:
        patched.setattr("fiftyone_coreset.plugin.runs.write._write_map", fail)
        with pytest.raises(RuntimeError, match="out of memory"):
            fc.compute_coreset(dataset, "emb", brain_key="other", **quick)
    assert dataset.list_brain_runs() == ["coreset", "coreset_umap"]
    assert not dataset.has_field("other_rank")


def test_an_interrupted_write_is_never_taken_for_a_result(embedded, quick, monkeypatch):
    """The state that a killed process leaves: registered, fields half written, no results."""
    dataset = embedded()
    results = fc.compute_coreset(dataset, "emb", **quick)
    results.backend.save_run_results(dataset, "coreset", None)
    with pytest.raises(fc.CoresetError, match="run 'coreset' is incomplete"):
        fc.create_coreset_view(dataset, "coreset", 5)
    assert len(fc.compute_coreset(dataset, "emb", overwrite=True, **quick).view(5)) == 5


def test_the_same_run_is_not_computed_twice_at_once(embedded, quick):
    from fiftyone_coreset.plugin.dataset.lock import run_lock

    dataset = embedded()
    message = (
        f"run 'coreset' of dataset '{dataset.name}' is being written by process {os.getpid()} on .* since 20.* UTC"
    )
    with run_lock(dataset, "coreset"), pytest.raises(fc.CoresetError, match=message):
        fc.compute_coreset(dataset, "emb", **quick)
    fc.compute_coreset(dataset, "emb", **quick)


@pytest.mark.parametrize("count", [2, 3])
def test_tiny_datasets(embedded, quick, count):
    results = fc.compute_coreset(embedded(count), "emb", **quick | {"projection": "umap"})
    assert sorted(results.rank) == list(range(count))
    assert results.config.projection == "pca"
    assert "UMAP failed" in results.config.projection_note


def _with_vectors(dataset, vectors):
    dataset.set_values("emb", vectors)
    return dataset


@pytest.mark.parametrize(
    ("spoil", "arguments", "message"),
    [
        (lambda ds: ds.limit(0), {}, "the collection has 0 samples"),
        (lambda ds: ds.limit(1), {}, "1 of 1 vectors are usable"),
        (lambda ds: ds, {"embeddings": "nope"}, "field 'nope' does not exist .* run compute_embeddings"),
        (lambda ds: _with_vectors(ds, [None] * 6), {}, "none of the 6 samples has an embedding"),
        (lambda ds: _with_vectors(ds, [np.ones(2 + row % 2) for row in range(6)]), {}, "6 vectors differ in shape"),
        (lambda ds: _with_vectors(ds, [np.full(4, np.inf)] * 6), {}, "holds no usable vector in any of the 6 images"),
        (lambda ds: _with_vectors(ds, [np.ones(4)] * 6), {}, "identical"),
        (lambda ds: ds, {"embeddings": np.ones((5, 2))}, "5 rows but the collection has 6 images"),
        (lambda ds: ds, {"embeddings": 7}, "must be a field name"),
        (lambda ds: ds, {"brain_key": "not a name"}, "must be a valid variable name"),
        (lambda ds: ds, {"brain_key": "taken"}, "field 'taken_rank' exists and belongs to no coreset run"),
        (lambda ds: ds, {"method": "magic"}, "magic"),
        (lambda ds: ds, {"label_field": "nope"}, "label field 'nope' does not exist"),
        (lambda ds: ds, {"label_field": "tags"}, "must be a Classification or a string field"),
        (lambda ds: ds, {"projection": "tsne"}, "projection 'tsne' is unknown; use one of umap, pca"),
    ],
)
def test_bad_input_gets_one_clear_sentence(embedded, quick, spoil, arguments, message):
    import fiftyone as fo

    dataset = embedded(6)
    dataset.add_sample_field("taken_rank", fo.IntField)
    fields = set(dataset.get_field_schema())
    options = quick if arguments.get("method") is None else quick | {"n_draws": None}
    with pytest.raises(fc.CoresetError, match=message):
        fc.compute_coreset(
            spoil(dataset), **{"embeddings": "emb"} | {k: v for k, v in options.items() if v} | arguments
        )
    assert set(dataset.get_field_schema()) == fields
    assert dataset.list_brain_runs() == []
