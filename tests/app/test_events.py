"""What an event of the panel answers when it cannot do what it was asked."""

import logging

import pytest
from fiftyone.operators.executor import ExecutionContext, Executor
from fiftyone_coreset.panels import coreset
from fiftyone_coreset.panels.coreset import CoresetPanel
from fiftyone_coreset.plugin.errors import CoresetError


@pytest.fixture
def ask(dataset, monkeypatch):
    """Asks for the list of runs, which meets an error."""
    made = dataset(["/nowhere/0.png"])

    def run(error):
        def fail(dataset):
            raise error

        monkeypatch.setattr(coreset, "_run_versions", fail)
        return CoresetPanel().load_runs(
            ExecutionContext({"dataset_name": made.name, "view": [], "params": {}}, Executor())
        )

    return run


def test_an_error_for_the_user_is_the_answer(ask, caplog):
    assert ask(CoresetError("The run 'a' was deleted.")) == {"error": "The run 'a' was deleted."}
    assert not caplog.records


def test_a_fault_of_ours_is_said_and_logged_and_leaves_the_panel_standing(ask, caplog):
    caplog.set_level(logging.ERROR)
    answer = ask(KeyError("6b0d"))
    assert answer["unforeseen"]
    assert "KeyError: '6b0d'" in answer["error"]
    assert "'load_runs'" in caplog.records[0].message
    assert caplog.records[0].exc_info[0] is KeyError
