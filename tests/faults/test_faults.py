"""A database that pauses, restarts or dies, and workers that are killed: what is shown is whole, the next call ends it.

``CORESET_FAULTS=deep`` adds more points, and kills and suspensions at random moments.
"""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

#: (operation, point of the fault, calls before it): at the beginning, in the middle, before the last write, after it.
POINTS = [
    ("embed", "embeddings.compute:_embed", 0),
    ("embed", "embeddings.field:EmbeddingField.open", 0),
    ("embed", "embeddings.field:EmbeddingField.write", 2),
    ("embed", "embeddings.field:write_record", 1),
    ("score", "runs.compute:get_method", 0),
    ("score", "runs.compute:_build_results", 0),
    ("score", "runs.write:declare_fields", 0),
    ("score", "runs.write:_write_values", 0),
    ("score", "runs.write:commit_run", 0),
    ("score", "brain:retarget_views", 0),
    ("update", "runs.write:commit_run", 0),
    ("view", "runs.views:load_run", 0),
    ("view", "runs.views:write_field", 0),
    ("view", "runs.views:save_view", 0),
]
MIDDLE = [POINTS[2], POINTS[4], POINTS[7], POINTS[12]]
#: Those of every run of the tests: in the middle of what is written, before the last write, and after it.
ALWAYS = [POINTS[number] for number in (2, 3, 7, 8, 9, 10, 12, 13)]

#: Every further step that reads or writes, and some that compute.
MORE_POINTS = [
    ("embed", "embeddings.compute:image_rows", 0),
    ("embed", "embeddings.zoo:load_image_model", 0),
    ("embed", "embeddings.compute:batches", 0),
    ("embed", "embeddings.fingerprint_field:FingerprintField.write", 0),
    ("embed", "embeddings.fingerprint_field:FingerprintField.write", 3),
    ("embed", "embeddings.fingerprint_field:FingerprintField.close", 0),
    ("embed", "embeddings.field:write_record", 0),
    ("embed", "embeddings.field:write_record", 2),
    ("embed", "embeddings.field:EmbeddingField.write", 1),
    ("embed", "embeddings.field:EmbeddingField.write", 5),
    ("embed", "embeddings.field:EmbeddingField.close", 0),
    ("embed", "embeddings.field:EmbeddingField.close", 1),
    ("embed", "dataset.lock:Lock.release", 0),
    ("score", "dataset.embeddings:EmbeddingSource.load", 0),
    ("score", "runs.compute:_model_records", 0),
    ("score", "runs.compute:write_run", 0),
    ("score", "runs.write:_prepare", 0),
    ("score", "runs.write:count_values", 0),
    ("score", "runs.write:count_values", 1),
    ("score", "runs.write:journal", 0),
    ("score", "runs.write:_write_map", 0),
    ("score", "runs.write:point_map_at", 0),
    ("score", "runs.write:store_copy", 0),
    ("score", "runs.write:store_results", 0),
    ("score", "dataset.run_record:run_document", 0),
    ("score", "runs.write:delete_files", 0),
    ("score", "brain:Coreset.settle", 0),
    ("score", "brain:Coreset.drop_spare", 0),
    ("score", "dataset.lock:Lock.release", 2),
    ("update", "runs.update:load_run", 0),
    ("update", "runs.write:_clear_from", 0),
    ("update", "runs.write:_write_values", 0),
    ("update", "runs.write:_write_map", 0),
    ("update", "runs.write:store_copy", 0),
    ("update", "runs.write:store_results", 0),
    ("update", "runs.write:delete_files", 0),
    ("view", "runs.views:require_free_view", 0),
    ("view", "runs.views:write_tag", 0),
    ("view", "dataset.tags:journal", 0),
    ("view", "dataset.saved_views:journal", 0),
]

deep = pytest.mark.skipif(os.environ.get("CORESET_FAULTS") != "deep", reason="CORESET_FAULTS=deep runs it")


def _cases(points, *actions):
    """Each action at each point, beyond ALWAYS in the deep profile only."""
    return [
        pytest.param(*point, *action, marks=() if point in ALWAYS else deep)
        for action in actions or [()]
        for point in points
    ]


def _same(one, other):
    """Whether two states are equal; vectors that were computed in other batches differ in the last digits."""
    vectors, expected = one["clip"], other["clip"]
    assert vectors.keys() == expected.keys()
    for file, vector in vectors.items():
        assert (vector is None) == (expected[file] is None)
        if vector is not None:
            np.testing.assert_allclose(vector, expected[file], atol=1e-6)
    assert {key: value for key, value in one.items() if key != "clip"} == {
        key: value for key, value in other.items() if key != "clip"
    }


def _check_shown(shown, before, after):
    """Whatever happened: runs and views are the old or the new ones, and "complete" is only said of what is."""
    assert shown["run"] in (before["run"], after["run"])
    first = shown["run"][1][:8]
    assert shown["views"]["eight"] == sorted(first)
    assert set(shown["views"]) - {"eight"} <= {"five"}
    if "five" in shown["views"]:
        assert shown["views"]["five"] == after["views"]["five"]
        assert (shown["keep"], shown["tags"]) == (after["keep"], after["tags"])
    if shown["record"] == "complete":
        assert None not in shown["clip"].values()


def _ends_well(lab, operation, result):
    """What is shown after a fault is whole, and the next call gives what an undisturbed one gives."""
    before, after = lab.reference(operation)
    assert result["left"] == []
    shown, _, final = lab.done("state", operation, "state")
    _check_shown(shown, before, after)
    _same(final, after)
    return shown


def _disturbed(lab, operation, fault):
    lab.reference(operation)
    lab.done("prepare")
    result = lab.run(operation, fault=fault)
    if result["outcome"] is not None:
        assert result["reached"], f"{fault['point']} is never called"
    else:
        assert result["ended"] < 0, f"there is no {fault['point']}; see worker.log"
    return result


@pytest.mark.parametrize(
    ("operation", "point", "after", "action"),
    [
        *_cases(POINTS, ["kill"]),
        *_cases(MIDDLE, ["restart"], ["pause"], ["gone"]),
        *_cases(MORE_POINTS, ["restart"], ["kill"]),
        *(
            pytest.param(*point, action, marks=deep)
            for action, points in (
                ("restart", POINTS),
                ("pause", [*POINTS, *MORE_POINTS[::4]]),
                ("gone", [*POINTS, *MORE_POINTS[::4]]),
            )
            for point in points
            if point not in MIDDLE
        ),
    ],
)
def test_the_database_fails(lab, operation, point, after, action):
    result = _disturbed(lab, operation, {"point": point, "after": after, "action": action})
    (outcome,) = result["outcome"]
    assert list(outcome) in (["done"], ["refused"]), outcome
    shown = _ends_well(lab, operation, result)
    if "done" in outcome:
        _same(shown, lab.reference(operation)[1])
    else:
        assert "the database" in outcome["refused"]
        assert "call again" in outcome["refused"]


@pytest.mark.parametrize(("operation", "point", "after"), _cases([*POINTS, *MORE_POINTS]))
def test_a_worker_is_killed(lab, operation, point, after):
    result = _disturbed(lab, operation, {"point": point, "after": after, "action": "SIGKILL"})
    assert result["ended"] == -signal.SIGKILL
    _ends_well(lab, operation, result)


@pytest.mark.parametrize("action", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize(("operation", "point", "after"), _cases(MIDDLE))
def test_a_worker_is_told_to_end(lab, operation, point, after, action):
    result = _disturbed(lab, operation, {"point": point, "after": after, "action": action})
    if action == "SIGTERM":
        assert result["ended"] == -signal.SIGTERM
    else:
        assert result["outcome"] == [{"interrupted": True}]
    shown = _ends_well(lab, operation, result)
    if operation == "score" and action == "SIGINT":
        _same(shown, lab.reference(operation)[0])  # an interrupt puts back what was


@pytest.mark.parametrize(("operation", "point", "after"), _cases(MIDDLE))
def test_a_worker_is_suspended(lab, operation, point, after):
    result = _disturbed(lab, operation, {"point": point, "after": after, "action": "SIGSTOP"})
    assert [list(outcome) for outcome in result["outcome"]] == [["done"]]
    _same(_ends_well(lab, operation, result), lab.reference(operation)[1])


@deep
@pytest.mark.parametrize("action", ["SIGKILL", "SIGSTOP"])
@pytest.mark.parametrize("seed", range(50))
def test_at_a_random_moment(lab, seed, action):
    rng = np.random.default_rng(seed)
    operation = str(rng.choice(["embed", "score", "view"]))
    lab.reference(operation)
    lab.done("prepare")
    result = lab.run(operation, fault={"delay": float(rng.uniform(0, 3)), "action": action})
    if action == "SIGSTOP":
        assert [list(outcome) for outcome in result["outcome"]] == [["done"]]
    _ends_well(lab, operation, result)
