"""Export coreset: what is made holds what the budget keeps, and nothing of anybody else's is replaced."""

import re
import shutil
import sys
from pathlib import Path

import fiftyone as fo
import fiftyone_coreset as fc
import pandas as pd
import pytest
from fiftyone.core.config import load_annotation_config
from fiftyone.utils.cvat import CVATBackend
from fiftyone_coreset.operators.export_coreset import _FORMATS, annotation_tools


@pytest.fixture
def ranked(dataset, image_folder, tmp_path, monkeypatch):
    """Six real images, ranked; exports go to a folder of the test."""
    monkeypatch.setattr(fo.config, "default_dataset_dir", str(tmp_path / "server"))
    made = dataset(image_folder(6))
    made.set_values("emb", [[row, 1.0] for row in range(6)])
    made.set_values("truth", [fo.Classification(label="ab"[row % 2]) for row in range(6)])
    fc.compute_coreset(made, "emb", method="random", projection=None, progress=False)
    return made


def test_a_table(execute, form, ranked):
    answer = execute("export_coreset", ranked, budget=2, action="table", name="mine")
    assert answer["rows"] == 2
    assert pd.read_csv(answer["made"])["filepath"].tolist() == ranked.sort_by("coreset_rank").limit(2).values(
        "filepath"
    )
    assert answer["made"].endswith("server/coreset-exports/mine.csv")


def test_a_page(execute, ranked):
    answer = execute("export_coreset", ranked, budget=2)
    assert "2 of 6 images of" in Path(answer["made"]).read_text(encoding="utf-8")
    with pytest.raises(Exception, match="exists; choose another name"):
        execute("export_coreset", ranked, budget=2)


def test_files(execute, ranked):
    answer = execute(
        "export_coreset", ranked, budget=4, action="files", format="ImageClassificationDirectoryTree",
        label_field="truth", name="tree",
    )  # fmt: skip
    back = fo.Dataset.from_dir(answer["made"], dataset_type=fo.types.ImageClassificationDirectoryTree)
    try:
        kept = ranked.sort_by("coreset_rank").limit(4)
        assert sorted(back.values("ground_truth.label")) == sorted(kept.values("truth.label"))
    finally:
        back.delete()
    with pytest.raises(Exception, match="folder 'tree' of an earlier export exists"):
        execute("export_coreset", ranked, action="files", name="tree")


def test_an_export_that_fails_leaves_what_was_there(execute, ranked, monkeypatch):
    asked = {"action": "files", "format": "ImageDirectory", "name": "some"}
    folder = Path(execute("export_coreset", ranked, budget=4, **asked)["made"])
    before = sorted(folder.iterdir())
    Path(ranked.sort_by("coreset_rank").skip(1).first().filepath).unlink()
    for name in ("some", "others"):
        with pytest.raises(Exception, match="No such file"):
            execute("export_coreset", ranked, budget=4, **asked | {"name": name}, overwrite=True)
    assert sorted(folder.iterdir()) == before
    assert list(folder.parent.iterdir()) == [folder]
    execute("export_coreset", ranked, budget=1, **asked, overwrite=True)
    assert len(list(folder.iterdir())) == 1
    assert list(folder.parent.iterdir()) == [folder]


def test_files_are_beside_until_they_are_whole(execute, ranked, monkeypatch):
    asked = {"action": "files", "format": "ImageDirectory", "name": "some"}
    folder = Path(execute("export_coreset", ranked, budget=4, **asked)["made"])
    before, seen = sorted(folder.iterdir()), []

    def export(view, **arguments):
        exported(view, **arguments)
        seen.append((sorted(folder.iterdir()), sorted(path.name[0] for path in folder.parent.iterdir())))

    exported = fo.core.collections.SampleCollection.export
    monkeypatch.setattr(fo.core.collections.SampleCollection, "export", export)
    execute("export_coreset", ranked, budget=2, **asked, overwrite=True)
    assert seen == [(before, [".", "s"])]
    assert len(list(folder.iterdir())) == 2


def test_no_format_holds_where_it_was_made(execute, ranked):
    boxes = [fo.Detections(detections=[fo.Detection(label="a", bounding_box=[0.1, 0.1, 0.5, 0.5])]) for _ in range(6)]
    ranked.set_values("boxes", boxes)
    for name in _FORMATS:
        label_field = {"ImageDirectory": None, "ImageClassificationDirectoryTree": "truth"}.get(name, "boxes")
        answer = execute(
            "export_coreset", ranked, budget=4, action="files", format=name, label_field=label_field, name=name
        )
        folder = Path(answer["made"])
        for path in folder.rglob("*"):
            assert not path.is_file() or b"coreset-exports" not in path.read_bytes(), path
        folder = folder.rename(folder.with_name("moved"))
        back = fo.Dataset.from_dir(str(folder), dataset_type=getattr(fo.types, name), progress=False)
        assert (len(back), all(Path(path).is_file() for path in back.values("filepath"))) == (4, True)
        back.delete()
        shutil.rmtree(folder)


def test_a_dataset_replaces_exports_only(execute, form, ranked, dataset):
    name = f"{ranked.name}-export"
    for budget in (3, 2):
        execute("export_coreset", ranked, budget=budget, action="dataset", name=name, overwrite=True)
    made = fo.load_dataset(name)
    try:
        assert made.values("filepath") == ranked.sort_by("coreset_rank").limit(2).sort_by("id").values("filepath")
        assert made.info["coreset_of"] == {"dataset": ranked.name, "run": "coreset", "budget": "2"}
    finally:
        made.delete()
    other = dataset([])
    (notice,) = form("export_coreset", ranked, action="dataset", name=other.name, overwrite=True)
    assert notice == f"dataset '{other.name}' was not made by an export, so it stays; choose another name"


@pytest.mark.parametrize(
    ("arguments", "notice"),
    [
        ({"name": "../elsewhere"}, "the name of what is made must not hold a slash or begin with a dot"),
        ({"name": ".hidden1"}, "the name of what is made must not hold a slash or begin with a dot"),
        ({"action": "annotate"}, "no tool for labelling is set up: give FiftyOne its address and an account"),
        ({"action": "files", "label_field": "nope"}, "has no field 'nope'; choose another label field"),
        ({"budget": "much"}, "much"),
    ],
)
def test_refusals(form, ranked, arguments, notice):
    assert any(notice in shown for shown in form("export_coreset", ranked, **arguments)), notice


def test_labelling_goes_to_a_tool_that_is_set_up(execute, form, ranked, monkeypatch):
    monkeypatch.setitem(fo.annotation_config.backends, "mine", {"url": "http://127.0.0.1:1", "api_key": "x"})
    assert form("export_coreset", ranked, action="annotate", backend="mine") == [
        "choose the label field that the labels are to go to"
    ]
    asked = {}
    monkeypatch.setattr(
        fo.core.collections.SampleCollection,
        "annotate",
        lambda view, key, **how: asked.update(how, ids=view.values("id")),
    )
    answer = execute(
        "export_coreset",
        ranked,
        budget=2,
        action="annotate",
        backend="mine",
        label_field="new",
        classes="a, b",
        name="first",
    )
    assert asked["ids"] == ranked.sort_by("coreset_rank").limit(2).sort_by("id").values("id")
    assert (asked["classes"], asked["label_type"], asked["launch_editor"]) == (["a", "b"], "classification", False)
    assert "load_annotations('first', unexpected='ignore')" in answer["made"]


def test_what_the_refusal_says_to_set_sets_up_a_tool(form, ranked, monkeypatch):
    (sentence,) = form("export_coreset", ranked, action="annotate")
    told = re.findall(r"FIFTYONE_[A-Z_]+", sentence)
    assert len(told) == 5
    for name in told:
        monkeypatch.setenv(name, "http://127.0.0.1:9" if name.endswith("_URL") else "x")
    monkeypatch.setattr(fo, "annotation_config", load_annotation_config())
    assert sorted(annotation_tools()) == ["cvat", "labelstudio"]


def test_label_studio_says_what_to_set_and_what_to_install(execute, form, ranked, monkeypatch):
    asked = {"action": "annotate", "backend": "labelstudio", "label_field": "new"}
    (sentence,) = form("export_coreset", ranked, **asked)
    assert sentence.startswith("labelstudio is not set up")
    assert re.findall(r"FIFTYONE_[A-Z_]+", sentence) == ["FIFTYONE_LABELSTUDIO_URL", "FIFTYONE_LABELSTUDIO_API_KEY"]
    known = fo.annotation_config.backends["labelstudio"]
    account = {"url": "http://127.0.0.1:9", "api_key": "x"}
    monkeypatch.setitem(fo.annotation_config.backends, "labelstudio", known | account)
    monkeypatch.setitem(sys.modules, "label_studio_sdk", None)  # as where it is not installed
    with pytest.raises(Exception, match=r"client of labelstudio is not installed .*label_studio_sdk.*with pip"):
        execute("export_coreset", ranked, budget=2, classes="a", **asked)
    ranked.reload()
    assert ranked.list_annotation_runs() == []


@pytest.mark.parametrize("dies", ["at once", "while sending"])
def test_a_tool_that_does_not_answer_is_named(execute, ranked, monkeypatch, dies):
    account = {"url": "http://127.0.0.1:9", "username": "a", "password": "b"}
    monkeypatch.setitem(fo.annotation_config.backends, "cvat", fo.annotation_config.backends["cvat"] | account)
    if dies == "while sending":
        monkeypatch.setattr(CVATBackend, "connect_to_api", lambda self: None)
    with pytest.raises(Exception, match=r"cvat at http://127\.0\.0\.1:9 did not take the labelling task") as refused:
        execute("export_coreset", ranked, budget=2, action="annotate", backend="cvat", label_field="new", classes="a")
    assert "annotation run key" not in str(refused.value)
    ranked.reload()
    assert ranked.list_annotation_runs() == []
    assert not ranked.has_field("new")
