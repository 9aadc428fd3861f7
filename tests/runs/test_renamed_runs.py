"""Runs that are renamed, deleted or changed, also without this package, and runs of version 1."""

from __future__ import annotations

from pathlib import Path

import fiftyone_coreset as fc
import pytest
from fiftyone_coreset.plugin import brain
from small_runs import stored_files


def _without_package(patched):
    """As in a process that lacks this package: FiftyOne falls back to its base class, which changes the record only."""
    patched.setattr(brain.Coreset, "rename", lambda *args: None)
    patched.setattr(brain.Coreset, "cleanup", lambda *args: None)


def test_a_rename_without_this_package_is_mended(embedded, quick, monkeypatch):
    dataset = embedded()
    fc.compute_coreset(dataset, "emb", **quick)
    ids = fc.create_coreset_view(dataset, "coreset", 8, name="eight").values("id")
    with monkeypatch.context() as patched:
        _without_package(patched)
        dataset.rename_brain_run("coreset", "second")

    assert fc.create_coreset_view(dataset, "second", 8).values("id") == ids

    assert {"second_score", "second_rank", "second_xy"} <= set(dataset.get_field_schema())
    assert not [field for field in dataset.get_field_schema() if field.startswith("coreset_")]
    assert dataset.list_brain_runs() == ["second", "second_umap"]
    assert dataset.load_saved_view("eight").values("id") == ids
    assert "run 'second'" in dataset.get_saved_view_info("eight")["description"]


def test_a_delete_without_this_package_blocks_nothing(embedded, quick, monkeypatch):
    dataset = embedded()
    before, files = set(dataset.get_field_schema()), stored_files()
    for key in ("coreset", "other"):
        fc.compute_coreset(dataset, "emb", key, **quick)
        fc.create_coreset_view(dataset, key, 8, name=key)
    with monkeypatch.context() as patched:
        _without_package(patched)
        dataset.delete_brain_run("coreset")
        dataset.delete_brain_run("other")

    results = fc.compute_coreset(dataset, "emb", **quick | {"seed": 5})

    assert set(dataset.load_saved_view("coreset").values("id")) == set(results.ids[results.rank < 8])
    assert fc.find_orphans(dataset)["maps"] == ["other_umap"]
    assert fc.remove_orphans(dataset)["views"] == ["other"]
    assert dataset.list_brain_runs() == ["coreset", "coreset_umap"]
    assert not [field for field in dataset.get_field_schema() if field.startswith("other_")]
    assert dataset.list_saved_views() == ["coreset"]
    dataset.delete_brain_run("coreset")
    assert set(dataset.get_field_schema()) == before
    assert stored_files() == files


def test_a_rename_onto_a_users_field_changes_no_field(embedded, quick):
    import fiftyone as fo

    dataset = embedded()
    fc.compute_coreset(dataset, "emb", **quick)
    ids = fc.create_coreset_view(dataset, "coreset", 8, name="eight").values("id")
    dataset.add_sample_field("mine_rank", fo.IntField)
    dataset.set_values("mine_rank", list(range(40)))

    with pytest.raises(fc.CoresetError, match="field 'mine_rank' exists and is not the run's; choose another name"):
        dataset.get_brain_info("coreset").config.build().check_rename(dataset, "coreset", "mine")
    dataset.rename_brain_run("coreset", "mine")  # FiftyOne renames the record all the same

    assert dataset.values("mine_rank") == list(range(40))
    assert fc.load_run(dataset, "mine").view(8).values("id") == ids == dataset.load_saved_view("eight").values("id")
    dataset.delete_brain_run("mine")
    assert dataset.values("mine_rank") == list(range(40))
    assert not [field for field in dataset.get_field_schema() if field.startswith("coreset_")]
    assert dataset.list_brain_runs() == []


def test_a_users_copy_of_a_field_survives_the_run(embedded, quick):
    dataset = embedded()
    fc.compute_coreset(dataset, "emb", **quick)
    ranks = dataset.values("coreset_rank")
    dataset.clone_sample_field("coreset_rank", "coreset_rank_2026")
    fc.compute_coreset(dataset, "emb", overwrite=True, **quick | {"seed": 8})
    dataset.delete_brain_run("coreset")
    assert dataset.values("coreset_rank_2026") == ranks


def test_all_runs_can_be_deleted_at_once(embedded, quick):
    dataset = embedded()
    before, files = set(dataset.get_field_schema()), stored_files()
    for key in ("one", "two"):
        fc.compute_coreset(dataset, "emb", key, **quick)
    dataset.delete_brain_runs()
    assert dataset.list_brain_runs() == []
    assert set(dataset.get_field_schema()) == before
    assert stored_files() == files


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda ds: ds.delete_sample_field("coreset_rank"), "its field 'coreset_rank' was renamed or deleted"),
        (lambda ds: ds.rename_sample_field("coreset_rank", "mine"), "its field 'coreset_rank' was renamed or deleted"),
        (lambda ds: ds.limit(12).set_values("coreset_rank", [None] * 12), "'coreset_rank' does not hold the ranks"),
        (lambda ds: ds.set_values("coreset_rank", [0] * 40), "'coreset_rank' does not hold the ranks"),
    ],
)
def test_a_run_whose_ranks_were_changed_is_damaged(embedded, quick, spoil, message):
    dataset = embedded()
    results = fc.compute_coreset(dataset, "emb", **quick)
    spoil(dataset)
    with pytest.raises(fc.CoresetError, match=f"run 'coreset' is damaged: .*{message}.*overwrite=True"):
        fc.create_coreset_view(dataset, "coreset", 5)
    assert dataset.list_saved_views() == []
    if not dataset.has_field("coreset_rank"):
        with pytest.raises(
            fc.CoresetError, match=r"field 'coreset_rank' .* was renamed or deleted .*; load_run\(\) mends"
        ):
            results.view(5)
        assert results.changes() is None
    assert len(fc.compute_coreset(dataset, "emb", overwrite=True, **quick).view(5)) == 5


@pytest.fixture
def version_1(mongod):
    """A dataset with the run "coreset" and the saved view "five", both as version 1 stored them."""
    import fiftyone as fo

    dataset = fo.Dataset.from_dir(str(Path(__file__).parent / "version_1"), fo.types.FiftyOneDataset, name="version_1")
    yield dataset
    dataset.delete()


def test_a_run_of_version_1_loads_and_becomes_one_of_version_2(version_1):
    dataset = version_1
    results = fc.load_run(dataset, "coreset")
    assert results.config.format_version == 1
    ids = dataset.load_saved_view("five").values("id")
    assert results.view(5).values("id") == ids
    dataset.rename_brain_run("coreset", "second")
    assert fc.load_run(dataset, "second").config.fields["rank"] == "second_rank"
    assert dataset.load_saved_view("five").values("id") == ids
    assert dataset.list_brain_runs() == ["second", "second_umap"]
    dataset.delete_brain_run("second")
    assert dataset.list_brain_runs() == dataset.list_saved_views() == []
    assert not [field for field in dataset.get_field_schema() if field.startswith(("second", "coreset"))]


def test_a_run_of_version_1_is_updated(version_1):
    dataset = version_1
    results = fc.load_run(dataset, "coreset")
    ids, n = dataset.load_saved_view("five").values("id"), len(results)
    sample = dataset.first().copy()
    for field in dataset.get_field_schema():
        if field.startswith("coreset"):
            sample[field] = None
    (added,) = dataset.add_samples([sample], progress=False)
    assert results.update().ids == [added]
    assert dataset[added]["coreset_rank"] == n
    assert dataset.load_saved_view("five").values("id") == ids
    assert fc.load_run(dataset, "coreset").config.format_version == 2


def test_a_run_of_version_1_renamed_without_this_package_is_mended(version_1, monkeypatch):
    import fiftyone as fo

    dataset = version_1
    dataset.add_sample_field("other_rank", fo.IntField)  # a user's, with other values
    dataset.set_values("other_rank", list(range(len(dataset))))
    ids = dataset.load_saved_view("five").values("id")
    monkeypatch.setattr(brain.Coreset, "rename", lambda *arguments: None)
    dataset.rename_brain_run("coreset", "second")
    assert dataset.has_field("coreset_rank")
    results = fc.load_run(dataset, "second")
    assert results.view(5).values("id") == dataset.load_saved_view("five").values("id") == ids
    assert results.config.fields["rank"] == "second_rank"
    assert dataset.list_brain_runs() == ["second", "second_umap"]
    assert not [field for field in dataset.get_field_schema() if field.startswith("coreset")]
    assert dataset.values("other_rank") == list(range(len(dataset)))
