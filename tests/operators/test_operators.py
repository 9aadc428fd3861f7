"""Operators called from Python: defaults, effects, errors, forms, delegation."""

from __future__ import annotations

import inspect
import json
import re
import signal
from concurrent.futures import ThreadPoolExecutor

import fiftyone as fo
import fiftyone_coreset as fc
import forked
import images
import numpy as np
import pytest
from fiftyone_coreset.plugin.dataset.decisions import decide_apart
from PIL import Image

QUICK = {"projection": "pca", "method": "zcore", "n_draws": 2_000}


def test_scores_with_defaults_then_a_view_with_defaults(execute, embedded):
    execute("compute_coreset_scores", embedded, **QUICK)
    expected = fc.compute_coreset(
        embedded, brain_key="sdk", method="zcore", n_draws=2_000, projection=None, progress=False
    )
    assert embedded.values("coreset_rank") == embedded.values("sdk_rank")

    saved = execute("create_coreset_view", embedded, brain_key="coreset")
    assert saved["message"] == "Saved the view 'coreset 10%': 3 of 30."
    assert (saved["brain_key"], saved["view"], saved["kept"], saved["ranked"]) == ("coreset", "coreset 10%", 3, 30)
    assert saved["description"].startswith("Coreset: 3 of 30 images by zcore; budget 10%; run 'coreset'")
    assert embedded.load_saved_view("coreset 10%").values("id") == expected.view(3).values("id")


def test_a_ranking_is_settled_at_the_sizes_asked_for(execute, embedded):
    asked = {"method": "zcore", "projection": "none", "budgets": "5, 50%"}
    message = execute("compute_coreset_scores", embedded, **asked)["message"]
    agreement = fc.load_run(embedded, "coreset").config.facts["agreement"]
    assert (agreement["measure"], agreement["kept"]) == ("overlap", [5, 15])
    assert f"Another seed would keep {agreement['reached']:.0%} of the same at the sizes asked for." in message


def test_only_the_target_view_is_scored(execute, embedded):
    execute("compute_coreset_scores", embedded, view=embedded.limit(9), **QUICK)
    assert embedded.count("coreset_rank") == 9


def test_embeddings_of_real_images(execute, dataset, image_folder):
    made = dataset(image_folder(5))
    execute("compute_embeddings", made, model="coreset-mini")
    assert all(abs((vector**2).sum() - 1) < 1e-5 for vector in made.values("clip_embeddings"))


def test_errors_reach_the_caller(execute, embedded):
    from fiftyone.operators.executor import ExecutionError

    with pytest.raises(ExecutionError, match=r"'nope' is not an embeddings field or .* of this dataset; choose from"):
        execute("compute_coreset_scores", embedded, embeddings="nope", **QUICK)
    with pytest.raises(ExecutionError, match="This dataset has no coreset run yet"):
        execute("create_coreset_view", embedded)


def test_every_operator_answers_what_it_did(execute, dataset, image_folder):
    made = dataset(image_folder(6))
    answer = execute("compute_embeddings", made, model="coreset-mini")
    assert (answer["embeddings_field"], answer["total"], answer["embedded"]) == ("clip_embeddings", 6, 6)
    assert (answer["failed"], answer["failures"]) == (0, [])
    answer = execute("compute_fingerprints", made)
    assert (answer["total"], answer["taken"], answer["present"], answer["failed"]) == (6, 0, 6, 0)
    answer = execute("compute_coreset_scores", made, method="random", projection="none")
    assert (answer["brain_key"], answer["method"], answer["ranked"], answer["left_out"]) == ("coreset", "random", 6, 0)
    assert set(answer["fields"]) == {"coreset_score", "coreset_rank"}
    assert answer["message"].startswith("Ranked 6 by random as run 'coreset'.")
    json.dumps(answer)


def test_near_duplicates_are_counted_by_kind(execute, dataset, tmp_path):
    paths = images.write_images(tmp_path, 10, size=(96, 72))
    for number in range(2):
        for copy in ("a", "b"):
            paths.append(tmp_path / f"{number}{copy}.jpg")
            Image.open(paths[number]).convert("RGB").save(paths[-1], quality=80 if copy == "a" else 60)
    made = dataset(paths)
    vectors = np.random.default_rng(0).normal(size=(14, 8)).astype(np.float32)
    vectors[10:14] = vectors[[0, 0, 1, 1]] + 0.01 * vectors[2:6]
    made.set_values("clip_embeddings", list(vectors))
    without = execute("find_near_duplicates", made, kinds="copies")
    assert (without["groups"], without["shown"], without["false_alarm_rate"]) == (0, 0, None)
    assert "Without fingerprints" in without["message"]
    fc.compute_fingerprints(made, num_workers=0, progress=False)
    found = execute("find_near_duplicates", made)
    assert (found["groups"], found["redundant"], found["shown"]) == (2, 4, 6)
    ids = made.values("id")
    decide_apart(made, [[ids[0]], [ids[10], ids[11]]])
    again = execute("find_near_duplicates", made, kinds="all", prefer="largest")
    assert again["message"].startswith("Of 14 images,")
    assert (again["groups"], again["redundant"]) == (2, 3), "what a person told apart stays so"
    run = fc.compute_coreset(made, brain_key="cs", method="random", projection=None, progress=False)
    group = dict(zip(run.ids, run.near_copies, strict=True))
    assert group[ids[0]] != group[ids[10]] == group[ids[11]], "in a run too"


def test_an_operator_is_called_with_typed_arguments(execute, embedded):
    import fiftyone.operators as foo

    operator = foo.get_operator("@fiftyone-coreset/coreset/compute_coreset_scores")
    taken = inspect.signature(type(operator).__call__).parameters
    assert {"samples", "delegate", "embeddings", "method", "brain_key", "seed"} <= set(taken)
    assert taken["seed"].default == 0
    with ThreadPoolExecutor(1) as executor:  # beside a running event loop FiftyOne would only schedule it
        called = executor.submit(operator, embedded.limit(9), brain_key="nine", method="random", projection="none")
        assert called.result().result["ranked"] == 9
    with pytest.raises(fc.CoresetError, match="no parameter 'brainkey'; it takes rows, embeddings"):
        operator(embedded, brainkey="x")
    with pytest.raises(fc.CoresetError, match="'Seed' must be a whole number, got 'a'"):
        operator(embedded, seed="a")


def test_manage_runs(execute, form, embedded):
    execute("compute_coreset_scores", embedded, **QUICK)
    info = execute("manage_coreset_runs", embedded)["info"]
    for fact in ("| Method | zcore |", "| Ranked | 30 images |", "| Draws | 2,000 |"):
        assert fact in info
    assert not re.search(r"\d\.\d{4}|None|n_draws|False", info)
    execute("manage_coreset_runs", embedded, action="rename", new_name="second")
    assert embedded.has_field("second_rank")
    fc.create_coreset_view(embedded, "second", 3)
    fc.create_coreset_view(embedded, "second", "95% coverage")
    fc.create_coreset_view(embedded, "second", 3, name="second 3 for the client")
    (notice,) = form("manage_coreset_runs", embedded, action="delete", brain_key="second")
    assert notice == "deleting run 'second' cannot be undone; tick 'Yes, delete all of this'"
    with pytest.raises(Exception, match="cannot be undone"):
        execute("manage_coreset_runs", embedded, action="delete", brain_key="second")
    assert embedded.has_field("second_rank")
    answer = execute("manage_coreset_runs", embedded, action="delete", brain_key="second", confirm=True)
    assert "the saved views that you named second 3 for the client; the saved views second" in answer["message"]
    assert set(answer["views"]) == {"second 3 for the client", "second 3", "second 95% coverage"}
    assert not embedded.has_field("second_rank")
    assert embedded.list_brain_runs() == []
    assert embedded.list_saved_views() == []


def test_a_view_counts_what_is_alive(execute, embedded):
    fc.compute_coreset(embedded, brain_key="cs", method="random", projection=None, progress=False)
    embedded.delete_samples(embedded.sort_by("cs_rank").limit(10))
    saved = execute("create_coreset_view", embedded, budget="50%")
    assert saved["message"] == "Saved the view 'cs 50%': 10 of 20."
    assert "| Since then | 10 of the 30 ranked images were deleted" in execute("manage_coreset_runs", embedded)["info"]


def test_what_deleted_runs_left_is_cleaned_up(execute, form, embedded, monkeypatch):
    from fiftyone_coreset.plugin import brain

    fc.compute_coreset(embedded, brain_key="cs", method="random", projection=None, progress=False)
    fc.create_coreset_view(embedded, "cs", 5)
    assert form("manage_coreset_runs", embedded, action="clean_up") == ["no deleted run left anything behind"]
    with monkeypatch.context() as patched:
        patched.setattr(brain.Coreset, "cleanup", lambda *args: None)  # as where this plugin is not installed
        embedded.delete_brain_run("cs")
    assert "cannot be undone" in form("manage_coreset_runs", embedded, action="clean_up")[0]
    with pytest.raises(Exception, match="cannot be undone"):
        execute("manage_coreset_runs", embedded, action="clean_up")
    answer = execute("manage_coreset_runs", embedded, action="clean_up", confirm=True)
    assert (answer["fields"], answer["views"]) == (["cs_rank", "cs_score"], ["cs 5"])
    embedded.reload()
    assert not embedded.has_field("cs_rank")
    assert embedded.list_saved_views() == []


def test_what_no_operator_takes_is_refused(execute, embedded):
    with pytest.raises(Exception, match="compute_coreset_scores has no parameter 'methd'; it takes rows, embeddings"):
        execute("compute_coreset_scores", embedded, methd="random")
    assert not embedded.list_brain_runs()
    fc.compute_coreset(embedded, brain_key="cs", progress=False, **QUICK)
    answer = execute("create_coreset_view", embedded, brain_key="cs", budget=2, view_target="DATASET")
    assert "2 of 30" in answer["message"]


@pytest.mark.parametrize(
    ("operator", "params", "notice"),
    [
        ("compute_coreset_scores", {}, None),
        ("compute_coreset_scores", {"embeddings": "nope"}, "'nope' is not an embeddings field"),
        ("compute_coreset_scores", {"brain_key": "not a name"}, "must be a valid variable name"),
        ("compute_coreset_scores", {"brain_key": "taken"}, "run 'taken' exists"),
        ("compute_coreset_scores", {"n_draws": 1e308, "method": "zcore"}, "'Draws' must be a whole number, got 1e+308"),
        ("compute_coreset_scores", {"n_draws": 10**9}, "'Draws' must be at most 100,000,000, got 1000000000"),
        ("compute_coreset_scores", {"seed": -1}, "'Seed' must be at least 0, got -1"),
        ("compute_coreset_scores", {"method": "nope"}, "there is no method 'nope' here; choose from"),
        ("compute_coreset_scores", {"rows": "nope"}, "'nope' holds no objects of this dataset"),
        ("compute_embeddings", {"checkpoint": "/etc/passwd"}, "a checkpoint file is given in Python only"),
        ("create_coreset_view", {"budget": "9" * 400}, "budget must be a count"),
        ("create_coreset_view", {"name": "a\0b"}, "must not hold control characters"),
        ("create_coreset_view", {"name": "é😀"}, "must hold a letter or a digit"),
        ("compute_coreset_scores", {"brain_key": "taken", "overwrite": True}, None),
        ("create_coreset_view", {"budget": "12"}, None),
        ("create_coreset_view", {"budget": "31"}, "budget 31 exceeds the 30 images that can be kept; give at most 30"),
        ("create_coreset_view", {"budget": "abc"}, "budget must be"),
        ("create_coreset_view", {"budget": "5", "name": "mine"}, "a saved view 'mine' exists"),
        ("create_coreset_view", {"budget": "5", "name": "mine", "overwrite": True}, None),
        ("manage_coreset_runs", {"action": "rename", "new_name": "taken"}, "'taken' is taken"),
        ("manage_coreset_runs", {"action": "rename", "new_name": "1st"}, "must be a valid variable name"),
    ],
)
def test_forms_refuse_what_cannot_work(form, embedded, operator, params, notice):
    fc.compute_coreset(embedded, brain_key="taken", progress=False, **QUICK)
    fc.create_coreset_view(embedded, "taken", 2, name="mine")
    notices = form(operator, embedded, **params)
    if notice is None:
        assert notices == []
    else:
        assert len(notices) == 1
        assert notice in notices[0]


def test_an_empty_form_offers_the_next_step(form, embedded, dataset):
    assert "Run 'Compute coreset scores' first" in form("create_coreset_view", embedded)[0]
    assert "run 'Compute CLIP embeddings' first" in form("compute_coreset_scores", dataset(["/nowhere/a.png"]))[0]


def test_missing_packages_are_named_before_work_starts(form, embedded, monkeypatch):
    import importlib.util

    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "umap" else find_spec(name, *a))
    assert form("compute_coreset_scores", embedded) == ["umap-learn must be installed first: pip install umap-learn"]


def test_a_delegated_run_completes_and_a_failed_one_says_why(execute, embedded):
    import fiftyone.operators.delegated as food

    execute("compute_coreset_scores", embedded, delegate=True, projection="pca")
    execute("compute_coreset_scores", embedded, delegate=True, brain_key="bad", label_field="nope", **QUICK)
    service = food.DelegatedOperationService()
    queued = [operation.id for operation in service.list_operations(dataset_name=embedded.name)]
    assert len(queued) == 2
    program = "import fiftyone.operators.delegated as d; d.DelegatedOperationService().execute_queued_operations()"
    done = forked.run(program)
    assert done.returncode == 0, done.stderr

    states = {str(operation.run_state): operation for operation in map(service.get, queued)}
    assert set(states) == {"completed", "failed"}
    assert "label field 'nope' does not exist" in states["failed"].result.error
    assert states["completed"].status.progress == 1.0
    assert states["completed"].label == "auto on embeddings as 'coreset'"
    message = states["completed"].result.result["message"]
    assert message.startswith("Ranked 30 by auto as run 'coreset'.")
    assert "No bursts stand out" in message  # what the default read and chose
    embedded.reload()
    assert len(fc.load_run(embedded, "coreset")) == 30


def test_an_interrupted_run_leaves_no_trace(embedded):
    """Ctrl-C during scoring: nothing written, no thread or process left, the run can be computed at once."""
    program = (
        "import signal, sys, fiftyone as fo, fiftyone_coreset as fc\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs ignore it
        "ds = fo.load_dataset(sys.argv[1])\n"
        "say = lambda fraction, message: print('at', fraction, flush=True)\n"
        "fc.compute_coreset(ds, method='zcore', n_draws=10**9, progress=say)\n"
    )
    process = forked.Program(program, embedded.name)
    for line in process.stdout:
        if line.startswith("at 0.0") and line.strip() != "at 0.0":
            break
    process.send_signal(signal.SIGINT)
    errors = process.stderr.read()
    assert process.wait() != 0
    assert "KeyboardInterrupt" in errors
    assert embedded.list_brain_runs() == []
    fc.compute_coreset(embedded, progress=False, **QUICK)


def test_compare_coresets(execute, form, embedded):
    for key, seed in (("one", 0), ("two", 1)):
        fc.compute_coreset(embedded, brain_key=key, seed=seed, progress=False, **QUICK)
    embedded.limit(4).tag_samples("mine")

    answer = execute("compare_coresets", embedded, first="one", second="mine", budget="4")
    text = answer["comparison"]

    kept = set(fc.load_run(embedded, "one").view(4).values("id"))
    shared = len(kept & set(embedded.limit(4).values("id")))
    compared = fc.compare_coresets(embedded, ["one", "mine"], budget=4, progress=False)
    assert compared.shared_counts[0, 1] == shared
    assert text == compared.to_markdown()
    assert answer["report"] == compared.to_dict()
    assert f"| {shared / 4:.0%}" in text
    assert form("compare_coresets", embedded, first="one", second="one") == ["choose two different coresets"]
    assert form("compare_coresets", embedded, budget="abc")[0].startswith("budget must be")


def test_update_coreset_run(execute, form, embedded):
    assert form("update_coreset_run", embedded) == [
        "This dataset has no coreset run yet. Run 'Compute coreset scores' first."
    ]
    fc.compute_coreset(embedded, brain_key="cs", method="random", projection="pca", progress=False)
    embedded.add_samples([fo.Sample(filepath=f"/nowhere/new{row}.png") for row in range(2)], progress=False)
    embedded.skip(30).set_values("clip_embeddings", list(np.eye(5, dtype=np.float32)[:2]))
    result = execute("update_coreset_run", embedded)
    assert (result["brain_key"], result["added"], result["removed"]) == ("cs", 2, 0)
    assert "2 images were added to run 'cs'" in result["message"]
    embedded.reload()
    assert sorted(embedded.values("cs_rank")) == list(range(32))


def test_compare_two_sets(execute, form, embedded):
    embedded.limit(20).tag_samples("train")
    embedded.set_values("place", ["lab"] * 20 + ["street"] * 10)
    assert form("compare_two_sets", embedded) == ["choose two sets: a saved view, a tag, or the value of a field each"]
    assert form("compare_two_sets", embedded, first="train", second="train") == ["choose two different sets"]
    assert form("compare_two_sets", embedded, first="train", second="nope") == [
        "there is no saved view, tag or field value 'nope' on this dataset"
    ]
    assert form("compare_two_sets", embedded, first="train", second="place = street") == []
    result = execute("compare_two_sets", embedded, first="train", second="place = street")
    assert "Of 10 images of place = street" in result["message"]
    assert result["report"]["sizes"] == [20, 10]
    assert result["uncovered"] == round((1 - result["report"]["coverage_of_b"]["value"]) * 10)
    assert "Regions of place = street" in result["comparison"]


def test_split_by_coverage(execute, form, embedded):
    assert form("split_by_coverage", embedded) == []
    for given, words in [
        ({"train": 70}, "the parts add up to 90 percent; they must add up to 100"),
        ({"train": 100, "val": 0, "test": 0}, "a split has two parts at least; give another one more than 0 percent"),
        ({"tag": False}, "the split would be written nowhere; tick the tags, or name a field"),
        ({"field": "clip_embeddings"}, "field 'clip_embeddings' exists; choose another name or pass overwrite=True"),
    ]:
        assert form("split_by_coverage", embedded, **given) == [words]
    result = execute("split_by_coverage", embedded, train=60, val=40, test=0, field="part")
    assert result["train"] + result["val"] == 30
    assert len(embedded.match_tags("train")) == result["train"]
    embedded.reload()
    assert embedded.count_values("part") == {"train": result["train"], "val": result["val"]}
