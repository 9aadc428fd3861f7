"""Runs in S3, by its protocol, from a server of this machine."""

from __future__ import annotations

import http.server
import os
import threading
import uuid

import numpy as np
import pytest
from fiftyone_coreset.plugin import scale
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.scale import places
from fiftyone_coreset.plugin.scale import store as stores
from fiftyone_coreset.plugin.scale.shelf import runs_in
from fiftyone_coreset.plugin.scale.store import StorePath

s3fs = pytest.importorskip("s3fs")
moto_server = pytest.importorskip("moto.server")

COLUMNS = {"id_column": "id", "uri_column": "uri", "vector_column": "vector"}
VECTORS = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)


@pytest.fixture
def endpoint(monkeypatch):
    """A factory ``endpoint(url)``: where the clients of S3 find it."""

    def point(url: str) -> None:
        settings = {"ENDPOINT_URL": url, "ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "REGION": "us-east-1"}
        for name, value in settings.items():
            monkeypatch.setenv(f"AWS_{name}", value)
        s3fs.S3FileSystem.clear_instance_cache()
        stores._file_system.cache_clear()

    yield point
    s3fs.S3FileSystem.clear_instance_cache()
    stores._file_system.cache_clear()


@pytest.fixture
def bucket(endpoint, tmp_path, monkeypatch):
    """A bucket of a server that speaks S3."""
    monkeypatch.setenv("FIFTYONE_CORESET_SCRATCH", str(tmp_path / "scratch"))
    server = moto_server.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    endpoint(f"http://127.0.0.1:{server.get_host_and_port()[1]}")
    name = f"pool-{uuid.uuid4().hex}"  # all servers of a process have the same buckets
    s3fs.S3FileSystem().mkdir(name)
    yield StorePath(f"s3://{name}")
    server.stop()


def all_steps(source, out, engine="local"):
    run = scale.plan(source, out, rows_per_unit=25, **COLUMNS)
    assert scale.embed(out, engine=engine).complete
    assert scale.score(out, n_draws=300, n_neighbors=20, n_units=2, engine=engine).complete
    assert scale.select(out, keep=12, rows_per_cell=30, engine=engine).complete
    return scale.read_ranking(run.folder, "facility_location").to_pydict()


def test_the_steps_give_the_same_in_s3(bucket, write_vectors, tmp_path):
    table = write_vectors(VECTORS)
    source = bucket / "vectors" / "a [1].parquet"
    source.write_bytes(table.read_bytes())
    assert all_steps(f"{bucket}/vectors", f"{bucket}/runs/a") == all_steps(table, tmp_path / "run")
    assert list(runs_in(f"{bucket}/runs")) == ["a"]
    assert not places.write_once(bucket / "runs" / "a" / "run.json", b"")
    source.write_bytes(table.read_bytes()[::-1])
    again = scale.open(bucket / "runs" / "a")
    s3fs.S3FileSystem().rm(str(again.embeddings.path(1)))
    with pytest.raises(CoresetError, match=r"vectors/a \[1\].parquet was changed or removed since the run was planned"):
        scale.embed(again.folder)


@pytest.mark.skipif(os.environ.get("CORESET_FAULTS") != "deep", reason="a Ray of its own; CORESET_FAULTS=deep runs it")
def test_workers_of_ray_share_a_bucket(bucket, write_vectors, tmp_path):
    pytest.importorskip("ray")
    table = write_vectors(VECTORS)
    engine = {"workers": 2, "cpus_per_worker": 1}
    assert all_steps(table, bucket / "run", engine) == all_steps(table, tmp_path / "run")


def test_a_bucket_that_is_not_there(bucket, write_vectors):
    with pytest.raises(CoresetError, match=r"s3://none/run/.* cannot be written \(.*\); make the bucket first"):
        scale.plan(write_vectors(VECTORS), "s3://none/run", **COLUMNS)
    with pytest.raises(CoresetError, match="there is no s3://none/photos"):
        scale.plan("s3://none/photos", bucket / "run")


@pytest.mark.parametrize(
    ("status", "code", "sentence"),
    [(403, "AccessDenied", "access is refused .*; give the credentials"), (503, "SlowDown", "gave no answer in")],
)
def test_what_the_server_refuses(endpoint, status, code, sentence, monkeypatch):
    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self):
            body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    monkeypatch.setattr(stores, "PATIENCE", 0.0)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        endpoint(f"http://127.0.0.1:{server.server_address[1]}")
        with pytest.raises(CoresetError, match=sentence):
            scale.open("s3://pool/run")
    finally:
        server.shutdown()
        server.server_close()
