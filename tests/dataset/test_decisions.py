"""What people decided about near-duplicates."""

import fiftyone as fo
import pytest
from fiftyone_coreset.plugin.dataset import decisions as module
from fiftyone_coreset.plugin.dataset.decisions import (
    Decisions,
    decide_apart,
    decide_representative,
    read_decisions,
    withdraw,
)
from fiftyone_coreset.plugin.errors import CoresetError


def test_none_of_a_group_is_a_copy():
    assert Decisions(apart=((("a",), ("b",), ("c",)),)).regrouped(["a", "b", "c"]) == []


def test_one_is_no_copy_and_the_rest_stays_a_group():
    decided = Decisions(apart=((("b",), ("a", "c")),))
    assert decided.regrouped(["a", "b", "c"]) == [["a", "c"]]
    assert decided.regrouped(["b", "d", "c"]) == [["b", "d"]], "c is distinct from b only"
    assert decided.regrouped(["d", "e"]) == [["d", "e"]]
    assert decided.are_distinct("a", "b")
    assert not decided.are_distinct("a", "c")


def test_what_is_left_may_be_two_groups():
    assert Decisions(apart=((("a", "b"), ("c", "d")),)).regrouped(["a", "c", "b", "d"]) == [["a", "b"], ["c", "d"]]


def test_the_last_one_chosen_stands_for_its_group():
    decided = Decisions(representatives=("b", "x", "c", "b"))
    assert decided.regrouped(["a", "b", "c"]) == [["b", "a", "c"]]
    assert Decisions(representatives=("b", "c")).regrouped(["a", "b", "c"]) == [["c", "a", "b"]]


def test_pairs_for_calibration():
    decided = Decisions(apart=((("a",), ("b", "c")), (("d",), ("e",), ("f",))))
    assert set(decided.distinct_pairs()) == {("a", "b"), ("a", "c"), ("d", "e"), ("d", "f"), ("e", "f")}


def test_decisions_are_remembered_withdrawn_and_deleted_with_the_dataset(dataset, monkeypatch):
    made, other = dataset(["/nowhere/0.png"]), dataset(["/nowhere/1.png"])
    assert read_decisions(made) == Decisions()
    first = decide_apart(made, [["a"], ["b", "c"]])
    decide_representative(made, "x")
    decide_representative(made, "y")
    assert read_decisions(fo.load_dataset(made.name)) == Decisions(((("a",), ("b", "c")),), ("x", "y"))
    assert read_decisions(other) == Decisions()
    withdraw(made, first)
    withdraw(made, first)
    assert read_decisions(made).apart == ()
    monkeypatch.setattr(module, "_MOST_IDS", 2)
    with pytest.raises(CoresetError, match="at most 2 images or objects, got 3"):
        decide_apart(made, [["a"], ["b"], ["c"]])
    dataset_id = made._doc.id
    made.delete()
    assert not fo.core.odm.get_db_conn()["execution_store"].count_documents({"dataset_id": dataset_id})
