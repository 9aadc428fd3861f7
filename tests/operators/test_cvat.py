"""From a coreset to labels and a recorded round, through FiftyOne's own CVAT client; only the server is a stand-in."""

from pathlib import Path

import fiftyone as fo
import fiftyone_coreset as fc
import pytest
from fake_cvat import FakeCvat
from loopback import serving


@pytest.fixture
def cvat(monkeypatch):
    with serving(FakeCvat) as server:
        monkeypatch.setitem(
            fo.annotation_config.backends, "cvat", fo.annotation_config.backends["cvat"] | server.account
        )
        yield server


def test_labels_come_back_from_the_tool_and_are_a_round(execute, ranked_kinds, cvat):
    dataset, shows = ranked_kinds
    answer = execute(
        "export_coreset", dataset, budget=4, action="annotate", backend="cvat", label_field="truth",
        classes="cat, dog", name="first",
    )  # fmt: skip
    assert "load_annotations('first', unexpected='ignore')" in answer["made"]
    kept = fc.load_run(dataset, "coreset").view(4)
    assert sorted(cvat.tasks[1].files) == sorted(Path(path).name for path in kept.values("filepath"))
    assert [label["name"] for label in cvat.tasks[1].labels] == ["cat", "dog"]

    cvat.label(1, shows.get)
    dataset.reload()
    dataset.load_annotations("first", unexpected="ignore")
    labelled = dataset.exists("truth")
    assert set(labelled.values("id")) == set(kept.values("id")), "nothing but the coreset"
    assert all(sample.truth.label == shows[sample.filename] for sample in labelled)

    batch = fc.next_batch(dataset, 3, label_field="truth", embeddings="emb", progress=False)
    assert batch.labelled == 4
    assert not set(batch.ids) & set(labelled.values("id"))
    batch.view.annotate("second", backend="cvat", label_field="truth", classes=["cat", "dog"])
    cvat.label(2, shows.get)
    dataset.load_annotations("second", unexpected="ignore")
    recorded = fc.record_round(dataset)
    assert (recorded.n_returned, recorded.n_labels_after) == (3, 7)
    assert [dataset[row_id].truth.label for row_id in batch.ids] == [
        shows[dataset[row_id].filename] for row_id in batch.ids
    ]


def test_a_wrong_account_is_said_and_leaves_nothing(execute, ranked_kinds, cvat):
    dataset, _ = ranked_kinds
    cvat.account["password"] = "changed meanwhile"
    with pytest.raises(Exception, match=rf"cvat at {cvat.url} did not take the labelling task"):
        execute(
            "export_coreset", dataset, budget=4, action="annotate", backend="cvat", label_field="truth", classes="a"
        )
    dataset.reload()
    assert dataset.list_annotation_runs() == []
    assert cvat.tasks == {}
