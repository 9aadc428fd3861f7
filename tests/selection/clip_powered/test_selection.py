"""CLIP-powered selection as a whole: what goes in, what is kept, what is suspected."""

import fiftyone_coreset as fc
import numpy as np
import pytest
from fiftyone_coreset.plugin.selection.methods.clip_powered import clip_powered_ranking
from fiftyone_coreset.plugin.selection.methods.clip_powered.adapter import confident_half, fit_scale, train_adapters
from fiftyone_coreset.plugin.selection.methods.clip_powered.settings import ClipPoweredSettings

DIM = 24


def world(n=900, n_classes=6, spread=0.12, noise=0.2, shift=0.35, seed=0):
    """Images around the texts of their true classes, some labels wrong; texts at an angle, as another modality is."""
    rng = np.random.default_rng(seed)
    texts = np.linalg.qr(rng.standard_normal((DIM, DIM)))[0][:n_classes]
    truth = rng.integers(0, n_classes, n)
    turn = np.linalg.qr(np.eye(DIM) + shift * rng.standard_normal((DIM, DIM)) / np.sqrt(DIM))[0]
    images = texts[truth] @ (turn * np.sign(np.diag(turn))) + spread * rng.standard_normal((n, DIM))
    wrong = rng.random(n) < noise
    labels = np.where(wrong, (truth + rng.integers(1, n_classes, n)) % n_classes, truth)
    return images.astype(np.float32), labels, texts.astype(np.float32), truth, wrong


def scores(images, labels, texts, **options):
    return fc.clip_powered_scores(images, labels, texts, **{"adapter": "none", **options})


# What is kept


@pytest.mark.parametrize("adapter", ["none", "linear", "confident"])
def test_wrong_labels_are_left_out(adapter):
    images, labels, texts, _, wrong = world()
    kept = fc.select_clip_powered(scores(images, labels, texts, adapter=adapter), 450)
    assert wrong.mean() > 0.18
    assert wrong[kept].mean() < 0.01


@pytest.mark.parametrize("balance", ["none", "proportional", "sqrt", "uniform"])
@pytest.mark.parametrize("k", [1, 2, 7, 100, 899, 900])
def test_the_budget_is_exact_and_nothing_repeats(balance, k):
    images, labels, texts, _, _ = world()
    kept = fc.select_clip_powered(scores(images, labels, texts), k, balance=balance)
    assert len(set(kept.tolist())) == k


def test_without_balance_the_highest_scores_win():
    images, labels, texts, _, _ = world()
    result = scores(images, labels, texts)
    kept = fc.select_clip_powered(result, 200, balance="none")
    assert set(kept) == set(np.argsort(-result.score)[:200])


def _scaled(values, clip):
    low, high = np.quantile(values, [clip, 1 - clip])
    return np.clip((values - low) / (high - low), 0, 1)


def test_the_published_score_is_one_setting_away():
    images, labels, texts, _, _ = world(300)
    published = scores(images, labels, texts, contrast=0, diversity_cap=1, clip=0)
    literal = published.alignment / published.alignment.mean() + 0.1 * published.diversity / published.diversity.mean()
    np.testing.assert_allclose(published.score, literal)
    assert [published.alignment.min(), published.alignment.max()] == [0, 1]


def test_the_default_score_counts_the_margin_and_diversity_up_to_its_median():
    images, labels, texts, _, _ = world(300)
    cosine, row = _cosine(images, texts).astype(float), np.arange(300)
    own = cosine[row, labels]
    cosine[row, labels] = -np.inf
    agreement = _scaled(2 * own - cosine.max(axis=1), 0.01)
    spread = np.empty(300)
    for label in range(6):
        members = images[labels == label].astype(float)
        distance = np.linalg.norm(members[:, None] - members, axis=2) / np.linalg.norm(images, axis=1).mean()
        spread[labels == label] = np.sort(distance, axis=1)[:, 1:10].mean(axis=1)
    room = _scaled(np.minimum(spread, np.median(spread)), 0.01)
    expected = agreement / agreement.mean() + 0.1 * room / room.mean()
    np.testing.assert_allclose(scores(images, labels, texts).score, expected, rtol=1e-4, atol=1e-5)


def test_contrast_and_the_cap_keep_fewer_bad_images():
    images, labels, texts, _, wrong = world(1200, spread=0.3)
    damaged = np.arange(1200) % 5 == 0
    images = np.where(damaged[:, None], images + 0.5 * np.random.default_rng(1).standard_normal(images.shape), images)

    def bad(**options):
        kept = fc.select_clip_powered(scores(images.astype(np.float32), labels, texts, **options), 400)
        return np.array([wrong[kept].mean(), damaged[kept].mean()])

    assert bad()[0] < bad(contrast=0)[0]
    assert bad(diversity_weight=0.3)[1] < bad(diversity_weight=0.3, diversity_cap=1)[1]


@pytest.mark.parametrize(("balance", "power"), [("proportional", 1), ("sqrt", 0.5), ("uniform", 0)])
def test_every_prefix_is_balanced(balance, power):
    images, truth, texts = _long_tail()
    ranking = clip_powered_ranking(scores(images, truth, texts), balance)
    share = np.bincount(truth) ** power / (np.bincount(truth) ** power).sum()
    for k in (20, 50, 90):
        assert np.abs(np.bincount(truth[ranking[:k]], minlength=3) - k * share).max() <= 1.5


def test_a_class_that_runs_out_leaves_its_turns_to_the_others():
    images, truth, texts = _long_tail()
    kept = clip_powered_ranking(scores(images, truth, texts), "uniform")[:300]
    assert np.bincount(truth[kept]).tolist() == [140, 100, 60]


def _long_tail():
    images, _, texts, truth, _ = world(3000, 3, noise=0)
    keep = np.concatenate([np.flatnonzero(truth == c)[:size] for c, size in enumerate((400, 100, 60))])
    return images[keep], truth[keep], texts


@pytest.mark.parametrize("balance", ["none", "proportional"])
def test_the_published_descent_picks_the_same_images(balance):
    images, labels, texts, _, _ = world(noise=0.05, seed=3)
    result = scores(images, labels, texts)
    for k in (300, 600, 800):
        exact = fc.select_clip_powered(result, k, balance=balance)
        descent = fc.select_clip_powered(result, k, balance=balance, optimizer="sgd")
        assert set(descent) == set(exact)


@pytest.mark.parametrize("balance", ["none", "proportional"])
@pytest.mark.parametrize("k", [300, 0.9])
def test_the_published_descent_is_reached_by_name(balance, k):
    images, labels, texts, _, _ = world(noise=0.05, seed=3)
    given = {"labels": labels, "text_embeddings": texts, "adapter": "none", "balance": balance, "seed": 1}
    exact, descent = (
        fc.get_method("clip_powered").select(images, k, optimizer=optimizer, **given) for optimizer in ("exact", "sgd")
    )
    assert set(descent.indices) == set(exact.indices)
    assert len(descent.indices) == (300 if k == 300 else 810)
    result = scores(images, labels, texts, seed=1)
    for found in (exact, descent):
        np.testing.assert_allclose(found.scores, result.score)
        for column in ("alignment", "diversity", "suspicion"):
            np.testing.assert_allclose(found.columns[column], getattr(result, column))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "sgd", "preselected": [3]}, "optimizer='sgd' solves one number of images.*so preselected= has"),
        ({"optimizer": "sgd", "groups": np.zeros(60), "weights": np.ones(60)}, "so groups= and weights= has no answer"),
        ({"optimizer": "sgd", "k": "90% coverage"}, "has no answer; leave out optimizer='sgd'"),
        ({"optimizer": "adam"}, "optimizer='adam': choose"),
        ({"optimizer": "sgd", "labels": np.r_[np.zeros(50, int), np.full(10, -1)], "k": 55}, "exceeds the 50 images"),
    ],
)
def test_where_the_descent_has_no_answer_it_is_refused(options, message):
    images, labels, texts, _, _ = world(60)
    given = {"k": 20, "labels": labels, "text_embeddings": texts, "adapter": "none"}
    with pytest.raises(fc.CoresetError, match=message):
        fc.get_method("clip_powered").select(images, **(given | options))


def test_ties_follow_the_seed_not_the_file_order():
    images = np.ones((300, DIM), dtype=np.float32)
    labels = np.arange(300) % 2
    picks = [set(fc.select_clip_powered(scores(images, labels, np.eye(2, DIM), seed=s), 40)) for s in (0, 0, 1)]
    assert picks[0] == picks[1] != picks[2]
    assert picks[0] != set(range(40))


@pytest.mark.parametrize("adapter", ["none", "linear", "confident"])
def test_the_order_of_the_rows_does_not_matter(adapter):
    images, labels, texts, _, _ = world(400)
    shuffle = np.random.default_rng(4).permutation(400)
    one = scores(images, labels, texts, adapter=adapter)
    other = scores(images[shuffle], labels[shuffle], texts, adapter=adapter)
    np.testing.assert_array_equal(other.score, one.score[shuffle])
    np.testing.assert_array_equal(other.suspicion, one.suspicion[shuffle])
    np.testing.assert_array_equal(shuffle[fc.select_clip_powered(other, 100)], fc.select_clip_powered(one, 100))


# What goes in


def test_unlabelled_and_missing_rows_are_left_out_and_counted():
    images, labels, texts, _, _ = world(200)
    names = np.array([f"c{label}" for label in labels], dtype=object)
    names[[3, 9]], names[11] = None, float("nan")
    images[20] = np.nan
    texts_by_name = {f"c{label}": text for label, text in enumerate(texts)}
    result = scores(images, names, texts_by_name)
    assert np.isnan(result.score[[3, 9, 11, 20]]).all()
    assert np.isfinite(np.delete(result.score, [3, 9, 11, 20])).all()
    assert (result.facts["n_unlabelled"], result.facts["n_without_embedding"]) == (3, 1)
    with pytest.raises(fc.CoresetError, match="196 of 200 images have both"):
        fc.select_clip_powered(result, 197)


def test_one_percent_of_labels_is_enough_and_pseudo_labels_are_the_nearest_text():
    images, labels, texts, truth, _ = world(1000, shift=0)
    sparse = np.where(np.random.default_rng(0).random(1000) < 0.01, labels, -1)
    few = scores(images, sparse, texts)
    assert len(few.rows) == (sparse >= 0).sum() < 20
    all_rows = scores(images, sparse, texts, unlabelled="pseudo")
    assert len(all_rows.rows) == 1000
    assert all_rows.facts["n_pseudo"] == (sparse < 0).sum()
    guessed = sparse < 0
    nearest = np.argmax(images @ texts.T, axis=1)  # texts are of unit length
    np.testing.assert_array_equal(all_rows.label[guessed], nearest[guessed])
    np.testing.assert_array_equal(all_rows.label[~guessed], sparse[~guessed])
    assert (all_rows.label[guessed] == truth[guessed]).mean() > 0.95


def test_one_class_and_a_class_of_one_image_are_scored():
    images, labels, texts, _, _ = world(100)
    alone = scores(images, np.zeros(100, int), texts[:1], adapter="linear")
    assert np.isfinite(alone.score).all()
    assert "not adapted" in alone.facts["adapter_note"]
    single = np.where(np.arange(100) == 5, 5, labels % 5)
    assert np.isfinite(scores(images, single, texts).score).all()


def test_equal_alignment_everywhere_leaves_the_order_to_diversity():
    rng = np.random.default_rng(0)
    images = np.c_[rng.standard_normal((60, 3)), np.zeros((60, 2))].astype(np.float32)
    labels = np.arange(60) % 2
    result = scores(images, labels, np.eye(5)[3:])
    order = np.argsort(-result.score)
    room = np.minimum(result.diversity, np.median(result.diversity))
    assert (np.diff(room[order]) <= 1e-12).all()
    uncapped = scores(images, labels, np.eye(5)[3:], diversity_cap=1)
    assert (np.argsort(-uncapped.score) == np.argsort(-uncapped.diversity)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.zeros(7, int)}, "got 7 for 60"),
        ({"labels": np.arange(60)}, "54 images carry 54 labels without a text embedding, e.g. 10"),
        ({"labels": np.full(60, -1)}, "none of the 60 images with an embedding has a label"),
        ({"labels": np.full(60, 1.5)}, "expected class names or class numbers, got 1.5"),
        ({"labels": np.array(["a", "b"] * 30)}, "6 rows for 2 distinct labels"),
        ({"texts": np.ones((6, 9))}, r"shape \(6, 9\) does not fit image embeddings of 24 dimensions"),
        ({"texts": None}, "give one text embedding per class"),
        ({"texts": np.full((6, DIM), np.nan)}, "not finite for 6 classes"),
        ({"images": np.full((60, DIM), np.nan)}, "none of the 60 rows is finite"),
        ({"adapter": "mlp"}, "adapter='mlp': choose one of none, linear, confident"),
        ({"unlabelled": "drop"}, "unlabelled='drop': choose"),
        ({"clip": 0.5}, r"clip in \[0, 0.5\)"),
        ({"diversity_cap": 0}, r"diversity_cap must be in \(0, 1\] .* got 0"),
        ({"contrast": -1}, "contrast and diversity_weight must be >= 0, got -1"),
        ({"diversity_weight": -1}, "must be >= 0, got 1.0 and -1"),
        ({"n_neighbors": 1}, "give at least 2"),
    ],
)
def test_bad_input_is_named(change, message):
    images, labels, texts, _, _ = world(60)
    with pytest.raises(fc.CoresetError, match=message):
        scores(**{"images": images, "labels": labels, "texts": texts, **change})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "ask for 1 to 60"),
        ({"k": 61}, "ask for 1 to 60"),
        ({"k": 5, "balance": "even"}, "balance='even': choose one of none, proportional, sqrt, uniform"),
        ({"k": 5, "optimizer": "adam"}, "optimizer='adam': choose"),
    ],
)
def test_impossible_selections_are_named(options, message):
    images, labels, texts, _, _ = world(60)
    with pytest.raises(fc.CoresetError, match=message):
        fc.select_clip_powered(scores(images, labels, texts), **options)


# Adapters


def test_adapters_turn_the_texts_toward_the_images_despite_wrong_labels():
    images, labels, texts, truth, _ = world(noise=0.4, spread=0.25, shift=1.5)
    trained = train_adapters(images, labels, texts)
    before, after = (
        (_cosine(i, t).argmax(1) == truth).mean()
        for i, t in ((images, texts), (trained.images(images), trained.texts(texts)))
    )
    assert trained.epochs > 0
    assert after > before + 0.02


def test_adapters_that_do_not_help_change_nothing():
    images, labels, texts, _, _ = world(400, spread=0, shift=0, noise=0)
    trained = train_adapters(images, labels, texts)
    losses = trained.held_out_losses
    assert losses[trained.epochs] == min(losses)
    assert trained.epochs == 0
    np.testing.assert_array_equal(trained.images(images), images)


def test_training_stops_early_and_reports_progress():
    seen = []
    images, labels, texts, _, _ = world(600)
    trained = train_adapters(
        images, labels, texts, settings=ClipPoweredSettings(learning_rate=0.1), report=lambda f, m: seen.append((f, m))
    )
    assert len(trained.held_out_losses) == trained.epochs + 1 + 3 < 21
    assert seen[-1][0] == 1.0
    assert "held-out loss" in seen[0][1]


def test_the_confident_half_is_the_upper_half_of_every_class():
    margin = np.array([0.1, 0.9, 0.5, -1, -2, 0.3])
    labels = np.array([0, 0, 0, 2, 2, 2])
    assert confident_half(margin, labels).tolist() == [1, 2, 3, 5]


def test_the_scale_is_that_of_the_lowest_cross_entropy():
    images, labels, texts, _, _ = world(500)
    cosine = _cosine(images, texts).astype(float)

    def loss(scale):
        logits = scale * cosine
        return (np.log(np.exp(logits).sum(1)) - logits[np.arange(500), labels]).mean()

    best = min(np.geomspace(1, 200, 24), key=loss)
    assert fit_scale(images, labels, texts) == pytest.approx(best)


def _cosine(images, texts):
    units = (m / np.linalg.norm(m, axis=1, keepdims=True) for m in (images, texts))
    return next(units) @ next(units).T


# Suspicious labels


def test_planted_wrong_labels_are_found_with_the_right_suggestion():
    images, labels, texts, truth, wrong = world(1200, noise=0.1)
    found = fc.find_suspicious_labels(images, labels, texts)
    hits = wrong[found.rows]
    assert hits.mean() > 0.95
    assert hits.sum() / wrong.sum() > 0.75
    assert (found.suggested[found.rows][hits] == truth[found.rows][hits]).mean() > 0.98
    assert found.suggested_labels() == found.suggested[found.rows].tolist()


def test_a_higher_threshold_gives_fewer_and_surer_finds():
    images, labels, texts, _, wrong = world(1200, noise=0.2, spread=0.35)
    found = [
        fc.find_suspicious_labels(images, labels, texts, adapter="none", threshold=t).rows for t in (0.1, 0.5, 0.9)
    ]
    assert set(found[0]) > set(found[1]) > set(found[2])
    assert wrong[found[2]].mean() > wrong[found[0]].mean()


@pytest.mark.parametrize("noise", [0, 0.03, 0.2, 0.4])
@pytest.mark.parametrize("spread", [0.15, 0.3])
def test_the_share_of_wrong_labels_is_read_from_the_data(noise, spread):
    images, labels, texts, _, wrong = world(2000, noise=noise, spread=spread)
    found = fc.find_suspicious_labels(images, labels, texts, adapter="none")
    assert found.share_wrong == pytest.approx(wrong.mean(), abs=0.025)
    if noise:  # the probabilities mean what they say
        assert found.suspicion.sum() == pytest.approx(wrong.sum(), rel=0.2)
        sure = found.suspicion > 0.9
        assert wrong[sure].mean() == pytest.approx(found.suspicion[sure].mean(), abs=0.1)
    else:
        assert len(found.rows) < 0.005 * len(labels)
    assert scores(images, labels, texts).facts["share_wrong"] == pytest.approx(found.share_wrong, abs=1e-4)


def test_a_rare_class_is_not_suspected():
    images, _, texts, truth, _ = world(600, noise=0)
    keep = np.flatnonzero((truth != 5) | (np.cumsum(truth == 5) <= 3))
    found = fc.find_suspicious_labels(images[keep], truth[keep], texts, adapter="none")
    assert np.isfinite(found.suspicion).all()
    assert len(found.rows) < 0.02 * len(keep)


def test_the_most_suspicious_come_first_and_unlabelled_images_are_not_checked():
    images, labels, texts, _, _ = world(400)
    labels = labels.copy()
    labels[:5] = -1
    found = fc.find_suspicious_labels(images, labels, texts, adapter="none")
    assert (np.diff(found.suspicion[found.rows]) <= 0).all()
    assert (found.suspicion[found.rows] > 0).all()
    assert np.isnan(found.suspicion[:5]).all()
    assert (found.suggested[:5] == -1).all()
    checked = found.suggested >= 0
    assert (found.suggested[checked] != labels[checked]).all()


def test_a_text_that_is_close_to_every_image_is_not_suspected_everywhere():
    images, labels, texts, _, wrong = world(800, noise=0.1)
    everywhere = np.linalg.qr(np.c_[texts.T, np.ones(DIM)])[0][:, -1]
    images, greedy = images + 2 * everywhere, texts.copy()
    greedy[0] += everywhere * np.sign(everywhere @ images.mean(axis=0))
    raw = _cosine(images, greedy).argmax(axis=1) != labels
    found = fc.find_suspicious_labels(images, labels, greedy, adapter="none")
    assert raw.mean() > 0.5
    assert wrong[found.rows].mean() > 0.8


@pytest.mark.parametrize("threshold", [0, 1, -2])
def test_a_threshold_is_a_probability(threshold):
    images, labels, texts, _, _ = world(50)
    with pytest.raises(fc.CoresetError, match=f"threshold={threshold}: a probability between 0 and 1"):
        fc.find_suspicious_labels(images, labels, texts, threshold=threshold)


def test_one_class_cannot_be_checked():
    images, _, texts, _, _ = world(50)
    with pytest.raises(fc.CoresetError, match="all 50 are 0; suspicious labels show only against another class"):
        fc.find_suspicious_labels(images, np.zeros(50, int), texts)
