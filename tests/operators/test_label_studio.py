"""From a coreset to labels and a recorded round, through FiftyOne's Label Studio client; the server is a stand-in."""

from pathlib import Path

import fiftyone as fo
import fiftyone_coreset as fc
import pytest
from fake_label_studio import FakeLabelStudio
from loopback import serving

pytest.importorskip(
    "label_studio_sdk.converter.brush",
    reason="FiftyOne speaks to Label Studio through label-studio-sdk 1.x, whose pins do not go with FiftyOne's",
)


@pytest.fixture
def studio(monkeypatch):
    with serving(FakeLabelStudio) as server:
        known = fo.annotation_config.backends["labelstudio"]
        monkeypatch.setitem(fo.annotation_config.backends, "labelstudio", known | server.account)
        yield server


def test_labels_come_back_from_the_tool_and_are_a_round(execute, ranked_kinds, studio):
    dataset, shows = ranked_kinds
    answer = execute(
        "export_coreset", dataset, budget=4, action="annotate", backend="labelstudio", label_field="truth",
        classes="cat, dog", name="first",
    )  # fmt: skip
    assert "load_annotations('first', unexpected='ignore')" in answer["made"]
    kept = fc.load_run(dataset, "coreset").view(4)
    assert sorted(studio.projects[1].files.values()) == sorted(Path(path).name for path in kept.values("filepath"))
    assert studio.projects[1].classes == ["cat", "dog"]

    studio.label(1, shows.get)
    dataset.reload()
    dataset.load_annotations("first", unexpected="ignore")
    labelled = dataset.exists("truth")
    assert set(labelled.values("id")) == set(kept.values("id")), "nothing but the coreset"
    assert all(sample.truth.label == shows[sample.filename] for sample in labelled)

    batch = fc.next_batch(dataset, 3, label_field="truth", embeddings="emb", progress=False)
    batch.view.annotate("second", backend="labelstudio", label_field="truth", classes=["cat", "dog"])
    studio.label(2, shows.get)
    dataset.load_annotations("second", unexpected="ignore")
    recorded = fc.record_round(dataset)
    assert (recorded.n_returned, recorded.n_labels_after) == (3, 7)
    assert all(dataset[row_id].truth.label == shows[dataset[row_id].filename] for row_id in batch.ids)


def test_a_wrong_key_is_said_and_leaves_nothing(execute, ranked_kinds, studio):
    dataset, _ = ranked_kinds
    studio.account["api_key"] = "changed meanwhile"
    with pytest.raises(Exception, match=rf"labelstudio at {studio.url} did not take the labelling task"):
        execute(
            "export_coreset", dataset, budget=4, action="annotate", backend="labelstudio", label_field="truth",
            classes="a",
        )  # fmt: skip
    dataset.reload()
    assert dataset.list_annotation_runs() == []
    assert studio.projects == {}
