"""The light head: what it learns, how sure it is, and that no row is judged by a head that saw it."""

import warnings

import numpy as np
import pytest
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.selection import head as module
from fiftyone_coreset.plugin.selection.head import fit_head
from fiftyone_coreset.plugin.selection.predictions import uncertainty
from threadpoolctl import threadpool_limits


def blobs(n=300, n_classes=3, dim=8, noise=0.3, seed=0):
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, n_classes, n)
    return (rng.normal(size=(n_classes, dim))[classes] * 2 + rng.normal(size=(n, dim)) * noise).astype(
        np.float32
    ), classes


def some(classes, n, names=None):
    """Labels of the first n rows."""
    names = np.arange(classes.max() + 1) if names is None else list(names)
    return [names[c] if row < n else None for row, c in enumerate(classes)]


def test_separable_classes_are_learned():
    X, classes = blobs()
    head = fit_head(X, some(classes, 30))
    P = head.probabilities(X)
    assert P.dtype == np.float32
    assert (P.argmax(axis=1) == classes).all()
    assert uncertainty(P).mean() < 0.2
    assert head.classes == (0, 1, 2)
    np.testing.assert_allclose(P.sum(axis=1), 1, atol=1e-6)


def test_the_names_of_classes_do_not_matter():
    X, classes = blobs(noise=2.0)
    one, other = fit_head(X, some(classes, 60, "abc")), fit_head(X, some(classes, 60, "zxy"))
    assert other.classes == ("x", "y", "z")
    np.testing.assert_allclose(one.probabilities(X), other.probabilities(X)[:, [2, 0, 1]], atol=2e-3)
    assert one.temperature == pytest.approx(other.temperature, rel=2e-2)


@pytest.mark.parametrize("dim", [8, 520])
def test_the_same_bits_for_any_number_of_threads(dim):
    X, classes = blobs(400, dim=dim, noise=2.0)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            head = fit_head(X, some(classes, 60), seed=3)
            found.append((head.probabilities(X), head.out_of_fold, head.temperature))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
    assert head.features(X).shape == (400, 200 if dim > 512 else dim)


def test_features_have_mean_squared_norm_1():
    X, classes = blobs(500)
    features = fit_head(X, some(classes, 20)).features(X)
    assert np.square(features).sum(axis=1).mean() == pytest.approx(1, rel=1e-3)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-4)


def test_a_sample_of_a_large_pool_tells_its_mean_and_spread(monkeypatch):
    X, classes = blobs(n=4_000)
    order = np.argsort(classes, kind="stable")  # files sorted by class
    labels = np.array(some(classes, 12), dtype=object)
    whole = fit_head(X[order], labels[order])
    monkeypatch.setattr(module, "_STANDARD_ROWS", 1_000)
    drawn, again = (fit_head(X[rows], labels[rows]) for rows in (order, order[::-1]))
    np.testing.assert_allclose(drawn.center, whole.center, atol=0.06)
    np.testing.assert_allclose(drawn.projection, whole.projection, rtol=0.1)
    np.testing.assert_allclose(drawn.center, again.center, atol=1e-12)


def test_a_projection_does_not_depend_on_the_order_of_files(monkeypatch):
    monkeypatch.setattr(module, "_PROJECTION_ROWS", 100)
    X, classes = blobs(300, dim=520, noise=2.0)
    by_class = np.argsort(classes, kind="stable")
    one, other = fit_head(X, some(classes, 300)), fit_head(X[by_class], classes[by_class])
    np.testing.assert_allclose(np.abs(one.projection[:, :3]), np.abs(other.projection[:, :3]), atol=1e-6)


def test_a_class_with_one_label_is_predicted():
    X, classes = blobs()
    labels = some(classes, 300)
    for row in np.flatnonzero(classes == 2)[1:]:
        labels[row] = None
    head = fit_head(X, labels)
    assert (head.probabilities(X).argmax(axis=1) == classes).mean() > 0.95
    assert np.isfinite(head.out_of_fold).all()


def test_one_label_a_class_gives_a_head_without_a_temperature():
    X, classes = blobs()
    labels = np.full(300, -1)
    first = [np.flatnonzero(classes == c)[0] for c in range(3)]
    labels[first] = range(3)
    head = fit_head(X, labels)
    assert head.temperature == 1
    assert (head.probabilities(X).argmax(axis=1) == classes).mean() > 0.9


def test_few_labels_a_class_are_nothing_to_warn_of():
    X, classes = blobs(n_classes=40)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit_head(X, some(classes, 60))


def test_no_row_is_scored_by_a_head_that_saw_it(monkeypatch):
    X, classes = blobs(noise=2.0)
    fits = []
    original = module._fit

    def spy(features, targets, n_classes, penalty):
        fits.append(features)
        return original(features, targets, n_classes, penalty)

    monkeypatch.setattr(module, "_fit", spy)
    labels = some(classes, 40)
    head = fit_head(X, labels, C=100.0)
    seen = [{row.tobytes() for row in features} for features in fits[:-1]]  # the last sees all
    assert len(seen) == 5
    assert sum(40 - len(rows) for rows in seen) == 40  # each row is held out once
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    exact = (unit[:40].astype(np.float64) - head.center) * head.projection
    for place in range(40):
        logits = [w @ exact[place] + b for w, b in zip(*original(exact, head.targets, 3, 100.0), strict=True)]
        assert not np.allclose(logits, head.out_of_fold[place])


def test_folds_hold_every_class_in_proportion():
    X, classes = blobs(200)
    folds = module._folds(X, np.arange(200), classes, seed=0)
    for c in range(3):
        counts = np.bincount(folds[classes == c], minlength=5)
        assert np.ptp(counts) <= 1


def test_the_temperature_has_the_smallest_out_of_fold_loss():
    X, classes = blobs(600, noise=4.0)
    head = fit_head(X, some(classes, 100), C=1000.0)
    assert head.temperature > 1.5  # a weak penalty is over-confident

    def loss(temperature):
        powers = np.exp(head.out_of_fold / temperature)
        return -np.log((powers / powers.sum(axis=1, keepdims=True))[np.arange(100), head.targets]).mean()

    grid = np.geomspace(0.05, 20, 200)
    assert loss(head.temperature) <= min(map(loss, grid)) + 1e-6
    sharp, calibrated = (head.probabilities(X, calibrated=honest) for honest in (False, True))
    assert (sharp.argmax(axis=1) == calibrated.argmax(axis=1)).all()
    assert calibrated.max(axis=1).mean() < sharp.max(axis=1).mean()


def test_the_penalty_is_chosen_once_there_are_5_labels_a_class():
    X, classes = blobs(600, noise=3.0)
    assert fit_head(X, some(classes, 6)).C == 100
    found = fit_head(X, some(classes, 200))
    losses = {
        C: module._loss(head.out_of_fold, head.targets, np.ones(200, dtype=bool))
        for C in (10.0, 100.0, 1000.0)
        for head in [fit_head(X, some(classes, 200), C=C)]
    }
    assert min(losses, key=losses.get) == found.C


def test_classes_without_a_label_are_never_predicted():
    X, classes = blobs(n_classes=2)
    for first in (0, 1):  # whichever class has no label, the first one as well
        head = fit_head(X, np.where(np.arange(300) < 20, classes * 2 + first, -1), n_classes=4)
        P = head.probabilities(X)
        assert P.shape == (300, 4)
        assert (P[:, [1 - first, 3 - first]] == 0).all()
        assert (P.argmax(axis=1) == classes * 2 + first).all()


def test_the_off_topic_class_is_taken_out():
    X, classes = blobs()
    head = fit_head(X, some(classes, 60, ["cat", "dog", "junk"]), off_topic="junk")
    P = head.probabilities(X)
    assert P.shape == (300, 2)
    np.testing.assert_allclose(P.sum(axis=1), 1, atol=1e-6)
    off = head.off_topic_probability(X)
    assert off[classes == 2].min() > 0.8
    assert off[classes < 2].max() < 0.2
    said = head.predictions(X)
    assert said.classes == ("cat", "dog")
    assert uncertainty(said)[classes == 2].max() < 0.2


@pytest.mark.parametrize("off_topic", [None, "c"])
def test_one_reading_says_what_two_say(off_topic):
    X, classes = blobs(noise=2.0)
    head = fit_head(X, some(classes, 60, "abc"), off_topic=off_topic)
    predictions, confidence, entropy = head.judge(X)
    assert np.array_equal(predictions.probabilities, head.predictions(X).probabilities)
    P = head.probabilities(X, calibrated=True)
    np.testing.assert_allclose(confidence, P.max(axis=1), atol=1e-6)
    np.testing.assert_allclose(entropy, uncertainty(P, "entropy"), atol=1e-6)


def test_the_boundary_orders_by_the_flips_of_perturbed_weights():
    X, classes = blobs(400, noise=3.0)
    head = fit_head(X, some(classes, 40))
    boundary = head.boundary(X)
    features = np.c_[head.features(X), np.ones(400)].astype(np.float64)
    weights = np.c_[head.weights, head.bias]
    plain = (features @ weights.T).argmax(axis=1)
    rng = np.random.default_rng(0)
    flips = np.zeros(400)
    for _ in range(300):
        noisy = weights + rng.normal(size=weights.shape) * 0.5
        flips += (features @ noisy.T).argmax(axis=1) != plain
    from scipy.stats import spearmanr

    assert spearmanr(boundary, flips).statistic > 0.95
    assert boundary.max() <= 0


def test_unusable_rows_are_passed_over():
    X, classes = blobs()
    X[5] = np.nan
    head = fit_head(X, some(classes, 30))
    assert 5 not in head.labelled
    P = head.probabilities(X)
    assert np.isnan(P[5]).all()
    assert np.isfinite(np.delete(P, 5, axis=0)).all()


@pytest.mark.parametrize(
    ("labels", "options", "says"),
    [
        ([None] * 300, {}, "0 labelled rows show 0 classes; label at least two classes for a head"),
        (["a"] * 300, {}, "300 labelled rows show 1 classes"),
        (["a", "junk"] * 150, {"off_topic": "junk"}, "show 1 classes"),
        (["a", "b"], {}, "there are 2 labels but 300 embeddings"),
        (["a", "b"] * 150, {"n_classes": 2}, "labels must be class numbers below it"),
        ([0, 5] * 150, {"n_classes": 2}, "labels must be class numbers below it, got 5"),
        ([0, 1] * 150, {"seed": -1}, "seed must be a whole number"),
    ],
)
def test_what_gives_no_head_is_refused(labels, options, says):
    with pytest.raises(CoresetError) as error:
        fit_head(blobs()[0], labels, **options)
    assert says in str(error.value)


def test_embeddings_of_another_model_are_refused():
    X, classes = blobs()
    with pytest.raises(CoresetError, match="fit on embeddings of dimension 8, these have 5"):
        fit_head(X, some(classes, 20)).probabilities(X[:, :5])
