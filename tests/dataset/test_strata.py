"""Groups of images with several labels: rare labels get what they are due."""

import itertools

import fiftyone as fo
import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone_coreset.plugin.dataset.strata import strata
from hypothesis import given
from hypothesis import strategies as st

LABELS = st.lists(st.lists(st.sampled_from("abcde"), max_size=4), max_size=25)


@given(LABELS)
def test_every_image_counts_for_one_of_its_labels(labels):
    found = strata(labels)
    assert len(found) == len(labels)
    for stratum, of_row in zip(found, labels, strict=True):
        assert stratum in of_row if of_row else stratum is None


@given(LABELS)
def test_the_rarest_label_has_all_of_its_images(labels):
    holders = {
        label: {row for row, found in enumerate(labels) if label in found} for label in set(itertools.chain(*labels))
    }
    if holders:
        fewest = min(map(len, holders.values()))
        found = strata(labels)
        assert any(
            {row for row, stratum in enumerate(found) if stratum == label} == rows
            for label, rows in holders.items()
            if len(rows) == fewest
        )


@given(LABELS, st.randoms(use_true_random=False))
def test_the_order_of_the_images_does_not_matter(labels, random):
    order = list(range(len(labels)))
    random.shuffle(order)
    shuffled = strata([labels[row] for row in order])
    assert shuffled == [strata(labels)[row] for row in order]


def test_ties_go_to_fewer_objects_then_to_the_name():
    assert strata([["b", "b", "a"]]) == ["a"]
    assert strata([["b", "a"]]) == ["a"]


@pytest.fixture
def street(dataset):
    """60 images, all with cars; every sixth shows a bus too, two of them a tram as well; one shows nothing."""
    made = dataset([f"/nowhere/{row:02d}.png" for row in range(60)])
    rows = [["car", "car"] + ["bus"] * (row % 6 == 0) + ["tram"] * (row in (6, 18)) for row in range(60)]
    rows[1] = []
    box = [0, 0, 1, 1]
    made.set_values(
        "boxes",
        [fo.Detections(detections=[fo.Detection(label=label, bounding_box=box) for label in row]) for row in rows],
    )
    made.set_values(
        "tags_of",
        [fo.Classifications(classifications=[fo.Classification(label=label) for label in row]) for row in rows],
    )
    made.set_values("words", rows)
    made.set_values("emb", list(np.random.default_rng(0).normal(size=(60, 4))))
    return made


@pytest.mark.parametrize("field", ["boxes", "tags_of", "words"])
@pytest.mark.parametrize(("k", "due"), [(12, {"bus": 2, "tram": 0}), (30, {"bus": 4, "tram": 1})])
def test_quotas_over_several_labels(street, field, k, due):
    run = fc.compute_coreset(
        street, "emb", method="kcenter", projection=None, progress=False, groups=field, quota="proportional", k=k
    )
    assert run.config.facts["quota"] | due == run.config.facts["quota"]
    shown = [set(labels) for labels in run.view(k).values("words")]
    assert sum("bus" in labels for labels in shown) == 10 * k // 60  # those with a tram among them


def test_at_least_so_many_of_each_label(street):
    run = fc.compute_coreset(
        street, "emb", method="kcenter", projection=None, progress=False, groups="boxes", min_per_group=2, k=10
    )
    shown = [label for labels in run.view(10).values("words") for label in set(labels)]
    assert shown.count("tram") == 2
    assert shown.count("bus") >= 2


def test_objects_have_quotas_by_their_label(street):
    objects = street.to_patches("boxes")
    vectors = np.random.default_rng(1).normal(size=(len(objects), 3))
    run = fc.compute_coreset(
        objects, vectors, method="kcenter", projection=None, progress=False, groups="label", quota="uniform", k=6
    )
    assert sorted(run.view(6).values("boxes.label")) == ["bus", "bus", "car", "car", "tram", "tram"]
