"""fc.split_by_coverage: parts that share nothing, written only when asked for."""

from __future__ import annotations

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest


@pytest.fixture
def bursts(dataset):
    """240 images: 40 bursts of three and 120 single ones, of 20 recordings and two classes."""
    made = dataset([f"/nowhere/{row:03d}.png" for row in range(240)])
    rng = np.random.default_rng(0)
    origin = np.r_[np.repeat(np.arange(40), 3), np.arange(40, 160)]
    vectors = rng.normal(size=(160, 8))[origin] + 1e-3 * rng.normal(size=(240, 8))
    made.set_values("emb", list(vectors.astype(np.float32)))
    made.set_values("origin", origin.tolist())
    made.set_values("gt", [fo.Classification(label="ab"[int(one % 4 == 0)]) for one in origin])
    made.set_values("recording", [None if one < 100 else f"r{one % 20}" for one in origin])
    return made


OPTIONS = {"embeddings": "emb", "progress": False}


def test_nothing_is_in_two_parts_and_groups_stay_whole(bursts):
    schema = set(bursts.get_field_schema())
    found = fc.split_by_coverage(bursts, label_field="gt", groups="recording", **OPTIONS)
    part = {row_id: name for name, ids in found.parts.items() for row_id in ids}
    assert sorted(part) == sorted(bursts.values("id"))
    assert sum(map(len, found.parts.values())) == 240
    for field in ("origin", "recording"):
        by_value = {}
        for row_id, value in zip(bursts.values("id"), bursts.values(field), strict=True):
            if value is not None:
                by_value.setdefault(value, set()).add(part[row_id])
        assert {len(names) for names in by_value.values()} == {1}
    assert len(fc.compare_sets(found.view("train"), found.view("test"), "emb", progress=False).leaks("look-alike")) == 0
    sizes = [len(found.parts[name]) for name in ("train", "val", "test")]
    assert sizes == pytest.approx([192, 24, 24], abs=6)
    assert set(bursts.get_field_schema()) == schema
    assert bursts.distinct("tags") == []
    assert {"energy_distance", "class_kl"} == set(found.metrics["val"])
    assert found.metrics["val"]["class_kl"].value <= found.metrics["val"]["class_kl"].random_mean
    assert "240 images were split: train" in found.summary()
    assert "| val |" in found.to_markdown()
    assert "Split by coverage" in str(found)
    again = fc.split_by_coverage(bursts, label_field="gt", groups="recording", num_workers=1, **OPTIONS)
    assert again.parts == found.parts


def test_tags_and_a_field_are_written_when_asked_for(bursts):
    bursts[:4].set_values("emb", [None] * 4)
    halves = {"one": 0.5, "two": 0.5}
    found = fc.split_by_coverage(bursts, halves, tag=True, field="split", **OPTIONS)
    for name in halves:
        assert set(bursts.match_tags(name).values("id")) == set(found.parts[name])
        assert set(bursts.match(fo.ViewField("split") == name).values("id")) == set(found.parts[name])
    assert bursts[:4].values("split") == [None] * 4
    assert "4 have no usable embedding and are in no part" in str(found)
    with pytest.raises(fc.CoresetError, match="field 'split' exists; choose another name or pass overwrite=True"):
        fc.split_by_coverage(bursts, halves, field="split", **OPTIONS)
    with pytest.raises(fc.CoresetError, match="images carry the tag 'one'; choose other names or pass overwrite"):
        fc.split_by_coverage(bursts, halves, tag=True, **OPTIONS)
    again = fc.split_by_coverage(bursts, halves, tag=True, overwrite=True, seed=5, **OPTIONS)
    assert again.parts != found.parts
    for name in halves:
        assert set(bursts.match_tags(name).values("id")) == set(again.parts[name])


REFUSED = [
    ({"fractions": {"train": 0.8}}, "fractions must name two parts"),
    ({"fractions": [0.8, 0.2]}, "fractions must name two parts"),
    ({"fractions": {"train": 0.8, "test": 0.1}}, "the fractions add up to 0.9; they must add up to 1"),
    ({"fractions": {"train": 1.2, "test": -0.2}}, "the fraction of 'train' must lie between 0 and 1, got 1.2"),
    ({"fractions": {"train": "a", "test": 0.2}}, "the fraction of 'train' must lie between 0 and 1, got 'a'"),
    ({"fractions": {1: 0.8, "test": 0.2}}, "the name of a part must be text, got 1"),
    ({"groups": "nope"}, "groups: field 'nope' does not exist"),
    ({"groups": "emb"}, "groups: field 'emb' holds lists or arrays"),
    ({"groups": [1, 2]}, "groups must be a field, or hold one value for each of the 240 images"),
    ({"label_field": "nope"}, "label field 'nope' does not exist"),
    ({"field": "a b"}, "field 'a b' must be a valid variable name"),
    ({"embeddings": "nope"}, "field 'nope' does not exist"),
    ({"seed": -1}, "seed must be a whole number"),
    (
        {"fractions": {"train": 0.999, "test": 0.001}},
        "part 'test' is empty: 240 images are too few for it, where",
    ),
]


def test_bad_input_is_one_sentence(bursts):
    for arguments, words in REFUSED:
        with pytest.raises(fc.CoresetError, match=words):
            fc.split_by_coverage(bursts, **(OPTIONS | {"tag": True} | arguments))
    assert bursts.distinct("tags") == []
    with pytest.raises(fc.CoresetError, match="there is no part 'dev'; the parts are train, val, test"):
        fc.split_by_coverage(bursts, **OPTIONS).view("dev")


def test_every_slice_of_a_group_is_of_its_part(dataset):
    made, rng = dataset(), np.random.default_rng(0)
    made.add_group_field("group", default="left")
    for number in range(12):
        group = fo.Group()
        for name in ("left", "right"):
            made.add_sample(fo.Sample(f"/nowhere/{name}{number}", group=group.element(name), emb=rng.normal(size=8)))
    everything = made.select_group_slices(_allow_mixed=True)
    for options in ({}, {"overwrite": True, "seed": 3}):
        found = fc.split_by_coverage(made, {"one": 0.5, "two": 0.5}, tag=True, field="split", **OPTIONS, **options)
        groups, tags, fields = everything.values(["group.id", "tags", "split"])
        of_group = {group: {part} for group, part in zip(groups, fields, strict=True)}
        for group, tag, part in zip(groups, tags, fields, strict=True):
            assert of_group[group] == {part} == set(tag)
        assert found.view("one").media_type == "group"
        assert set(found.view("one").values("split")) == {"one"}


def test_frames_of_a_video_stay_together(dataset):
    made, rng = dataset(), np.random.default_rng(0)
    for name in "abcd":
        video = fo.Sample(f"/nowhere/{name}.mp4")
        for number in range(1, 6):
            video.frames[number] = fo.Frame(filepath=f"/nowhere/{name}{number}.jpg", emb=rng.normal(size=40))
        made.add_sample(video)
    halves = {"one": 0.5, "two": 0.5}
    found = fc.split_by_coverage(made, halves, "frames.emb", groups="sample_id", field="split", progress=False)
    assert "20 frames were split: one 10" in found.summary()
    assert set(found.view("one").values("id")) == set(found.parts["one"])
    assert [len(set(parts)) for parts in made.values("frames.split")] == [1] * 4
    again = fc.split_by_coverage(made.to_frames(), halves, "emb", groups="sample_id", progress=False)
    assert again.parts == found.parts
    with pytest.raises(fc.CoresetError, match="FiftyOne keeps no tags of frames"):
        fc.split_by_coverage(made, halves, "frames.emb", tag=True, progress=False)
