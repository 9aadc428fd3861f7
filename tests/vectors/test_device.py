"""What a GPU is to compute, computed with torch on the processor: the same as the compiled kernels, and who chooses."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.vectors import device, neighbors
from fiftyone_coreset.plugin.vectors import kmeans as kmeans_of
from fiftyone_coreset.plugin.vectors.kmeans import kmeans
from tensors import on_tensors


def clusters(n=1500, d=24, seed=0):
    rng = np.random.default_rng(seed)
    return neighbors.unit_rows(rng.normal(size=(20, d))[rng.integers(0, 20, n)] + 0.3 * rng.normal(size=(n, d)))[0]


@pytest.mark.parametrize("exact_limit", [30_000, 600])  # all pairs, and cells
def test_the_same_neighbors(exact_limit, monkeypatch):
    monkeypatch.setattr(neighbors, "EXACT_LIMIT", exact_limit)
    Z = clusters()
    expected, lengths = neighbors.nearest_neighbors(Z, 12, seed=1)
    with on_tensors():
        found, distances = neighbors.nearest_neighbors(Z, 12, seed=1)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(distances, lengths, rtol=1e-5)


def test_near_copies_keep_their_digits():
    rng = np.random.default_rng(2)
    Z = clusters()
    Z[1::2] = Z[::2] + rng.normal(size=Z[::2].shape).astype(np.float32) * 1e-5
    Z[:40] = Z[0]  # more copies than neighbours
    with on_tensors():
        found, distances = neighbors.nearest_neighbors(Z, 5)
    assert (distances[:40] == 0).all()
    assert (found[:40] < 40).all()
    np.testing.assert_array_equal(found[40::2, 0], np.arange(41, len(Z), 2))
    np.testing.assert_allclose(distances[40::2, 0], np.linalg.norm(Z[41::2] - Z[40::2], axis=1), rtol=1e-3)


def test_the_same_neighbors_in_another_pool():
    Z, asked = clusters(), clusters(300, seed=1)
    expected, lengths = neighbors.nearest_in(asked, Z, 7)
    Z.flags.writeable = False  # as a file opened for reading
    with on_tensors():
        found, distances = neighbors.nearest_in(asked, Z, 7)
        assert neighbors.nearest_in(asked, Z[:2], 7)[0].shape == (300, 2)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(distances, lengths, rtol=1e-5)


@pytest.mark.parametrize("weights", [None, np.random.default_rng(1).uniform(0.1, 5, 6000)], ids=["alike", "weighted"])
@pytest.mark.parametrize("full_pass", [20_000_000, 1000])  # all rows in every step, and mini-batches
def test_the_same_clusters(full_pass, weights, monkeypatch):
    monkeypatch.setattr(kmeans_of, "_FULL_PASS", full_pass)
    Z = clusters(6000)
    expected, centers = kmeans(Z, 40, seed=2, weights=weights)
    with on_tensors():
        found, others = kmeans(Z, 40, seed=2, weights=weights)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(others, centers, atol=1e-5)


def test_clusters_of_copies_leave_no_center_without_rows():
    Z = clusters(60)
    X = np.concatenate([np.repeat(Z[:1], 400, axis=0), Z])  # most centers start at copies of one row
    with on_tensors():
        labels, centers = kmeans(X, 30, seed=0)
    assert len(set(labels.tolist())) == len(set(kmeans(X, 30, seed=0)[0].tolist())) == 30
    spread = [((X - c[label]) ** 2).sum() for label, c in (kmeans(X, 30, seed=0), (labels, centers))]
    assert spread[1] <= 1.05 * spread[0]


def test_vectors_that_do_not_fit_stay_with_the_processor(caplog):
    Z = clusters()
    with pytest.raises(AssertionError), on_tensors(free=2 * Z.nbytes):  # nothing went to tensors
        found = neighbors.nearest_neighbors(Z, 5)[0]
    assert "that are free there" in caplog.text
    assert "the processor computes instead" in caplog.text
    np.testing.assert_array_equal(found, neighbors.nearest_neighbors(Z, 5)[0])


def test_a_gpu_that_torch_cannot_use_is_left_alone(monkeypatch, caplog):
    def busy(_):
        raise RuntimeError("CUDA error: all CUDA-capable devices are busy\nand a page of hints")

    monkeypatch.delenv(device.VARIABLE, raising=False)
    monkeypatch.setattr(device, "_found", lambda: torch.device("cuda"))
    monkeypatch.setattr(device, "free_bytes", busy)
    assert device.gpu_for(1e18, 0) is None
    assert "devices are busy; the processor computes instead" in caplog.text


def test_products_rounded_to_tf32_are_refused(monkeypatch, caplog):
    monkeypatch.setattr(torch, "eye", lambda n, device: torch.full((n, n), 1.0, device=device))  # any wrong product
    with pytest.raises(AssertionError), on_tensors():
        neighbors.nearest_neighbors(clusters(), 5)
    assert "TF32" in caplog.text


def test_memory_that_others_take_meanwhile_is_one_sentence(monkeypatch):
    from fiftyone_coreset.plugin.vectors import torch_kernel

    def full(*args):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch_kernel, "nearest_rows", full)
    with on_tensors(), pytest.raises(CoresetError, match=f"ran out of memory.*{device.VARIABLE}=cpu"):
        neighbors.nearest_neighbors(clusters(), 5)


def test_the_environment_decides(monkeypatch):
    monkeypatch.setattr(device, "_found", lambda: torch.device("cuda"))
    monkeypatch.setenv(device.VARIABLE, "cpu")
    assert device.gpu_for(1e18, 0) is None
    count = torch.cuda.device_count()
    for name in ("gpu", f"cuda:{count}", "cuda:-1"):
        monkeypatch.setenv(device.VARIABLE, name)
        with pytest.raises(CoresetError, match=f"{name}: torch finds {count} CUDA devices"):
            device.gpu_for(1e18, 0)


def test_small_work_looks_for_no_gpu(monkeypatch):
    monkeypatch.delenv(device.VARIABLE, raising=False)
    monkeypatch.setattr(device, "_found", lambda: pytest.fail("looked for one"))
    assert device.gpu_for(0.9 * device.WORTH, 0) is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU, torch is what computes")
def test_torch_is_not_imported_where_no_gpu_can_be():
    code = (
        "import sys; import numpy as np\n"
        "from fiftyone_coreset.plugin.vectors import device, neighbors\n"
        "device.WORTH, device._DRIVERS = 0, ()\n"
        "neighbors.nearest_neighbors(np.eye(600, dtype=np.float32), 3)\n"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
