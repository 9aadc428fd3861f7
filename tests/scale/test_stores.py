"""Runs in object stores: the same files as in a folder, also where the store is bad."""

from __future__ import annotations

import errno
import http.server
import importlib
import random
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fiftyone_coreset.plugin import scale
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.scale import fetching, places
from fiftyone_coreset.plugin.scale import store as stores
from fiftyone_coreset.plugin.scale.places import as_place
from fiftyone_coreset.plugin.scale.store import StoreFile, StorePath

fsspec = pytest.importorskip("fsspec")
memory = pytest.importorskip("fsspec.implementations.memory")

COLUMNS = {"id_column": "id", "uri_column": "uri", "vector_column": "vector"}
VECTORS = np.repeat(np.random.default_rng(1).normal(size=(4, 5)), 30, axis=0) + np.random.default_rng(2).normal(
    scale=0.2, size=(120, 5)
)


class BadStore(memory.MemoryFileSystem):
    """A store that refuses a third of all requests, and cuts a quarter of its answers short."""

    protocol = ("bad",)
    store, pseudo_dirs = {}, [""]
    chance = random.Random(0)
    never: set[str] = set()  # noqa: RUF012
    dead = False

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(str(path).replace("bad://", "memory://"))

    def _serve(self):
        if self.dead or self.chance.random() < 1 / 3:
            raise OSError(errno.EBUSY, "503 Slow Down")

    def info(self, path, **options):
        self._serve()
        return super().info(path, **options)

    def cat_file(self, path, start=None, end=None, **options):
        self._serve()
        if path in self.never:
            raise OSError(errno.EBUSY, "503 Slow Down")
        data = super().cat_file(path, start, end, **options)
        return data[: len(data) // 2] if self.chance.random() < 1 / 4 else data

    def pipe_file(self, path, value, mode="overwrite", **options):
        self._serve()
        super().pipe_file(path, value, mode, **options)


fsspec.register_implementation("bad", BadStore, clobber=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    """Pauses too short to notice, and a folder for what is mapped into memory."""
    monkeypatch.setattr(stores, "_FIRST_PAUSE", 1e-4)
    monkeypatch.setattr(stores, "_LONGEST_PAUSE", 1e-3)
    monkeypatch.setenv("FIFTYONE_CORESET_SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.setattr(BadStore, "chance", random.Random(0))
    monkeypatch.setattr(BadStore, "never", set())


@pytest.fixture
def prefix():
    """A factory ``prefix(scheme)`` of addresses that nobody else uses."""
    return lambda scheme: StorePath(f"{scheme}://{uuid.uuid4().hex}")


def all_steps(source, out):
    """Digests of everything that the steps of a run of vectors made."""
    run = scale.plan(source, out, rows_per_unit=50, **COLUMNS)
    assert scale.embed(out).complete
    assert scale.score(out, n_draws=500, n_neighbors=20).complete
    assert scale.select(out, keep="20%", rows_per_cell=40).complete
    assert [stage.complete for stage in scale.status(out).stages] == [True] * 4
    scores = run.folder / "score" / "scores.parquet"
    content = scores.read_bytes() if isinstance(scores, Path) else scores.read_whole(scores.size())
    ranking = scale.read_ranking(out, "facility_location")
    assert len(set(ranking["cell"].to_pylist())) > 1
    return pq.read_table(pa.BufferReader(content)).to_pydict(), ranking.to_pydict()


@pytest.mark.parametrize("scheme", ["memory", "bad"])
def test_the_steps_give_the_same_in_a_store(scheme, prefix, write_vectors, tmp_path):
    table = write_vectors(VECTORS)
    source = prefix(scheme) / "vectors.parquet"
    source.write_bytes(table.read_bytes())
    assert all_steps(str(source), str(prefix(scheme) / "run")) == all_steps(table, tmp_path / "run")


def test_a_table_that_changed_in_its_store_is_refused(prefix, write_vectors):
    source, out = prefix("memory") / "vectors.parquet", prefix("memory")
    source.write_bytes(write_vectors(VECTORS).read_bytes())
    scale.plan(source, out, **COLUMNS)
    source.write_bytes(write_vectors(VECTORS).read_bytes())  # another object, though with the same content
    with pytest.raises(CoresetError, match=r"vectors.parquet was changed or removed since the run was planned"):
        scale.embed(out)


def test_images_of_a_store_have_the_vectors_of_files(prefix, image_folder, tmp_path, monkeypatch):
    """What cannot be read now is tried again; what is not the image that was listed is not taken for it."""
    monkeypatch.setattr(fetching, "IMAGE_PATIENCE", 1.0)
    source = prefix("bad") / "photos"
    for path in image_folder(n=7):
        (source / "a" / path.name).write_bytes(path.read_bytes())
    (source / "notes.txt").write_bytes(b"no image")
    runs = [
        scale.plan(where, tmp_path / name, rows_per_unit=4)
        for where, name in ((tmp_path / "images0", "local"), (str(source), "store"))
    ]
    uris = [uri for unit in range(2) for uri in runs[1].manifest.read(unit)["uri"].to_pylist()]
    assert uris == sorted(f"{source}/a/{path.name}" for path in (tmp_path / "images0").iterdir())
    BadStore.never.add(BadStore._strip_protocol(uris[2]))
    changed = StorePath(uris[5]).read_whole()
    StorePath(uris[5]).write_bytes(changed + b"0")
    states = [scale.embed(run.folder, model="coreset-mini", num_workers=n) for n, run in enumerate(runs)]
    assert states[1].outcomes == {"ok": 5, "unreadable": 1, "missing": 1}
    reasons = runs[1].embeddings.read(0)["reason"].to_pylist() + runs[1].embeddings.read(1)["reason"].to_pylist()
    assert "gave no answer" in reasons[2]
    assert reasons[5] == f"changed since the run was planned: {len(changed):,} bytes then, {len(changed) + 1:,} now"
    BadStore.never.clear()
    StorePath(uris[5]).write_bytes(changed)
    assert scale.embed(runs[1].folder, model="coreset-mini", num_workers=0).outcomes == {"ok": 6, "missing": 1}
    theirs, ours = (np.concatenate([run.vectors(unit)[1] for unit in range(2)]) for run in runs)
    assert np.allclose(np.delete(theirs, 5, axis=0), ours, atol=1e-6)


def test_a_store_that_is_lost_ends_in_one_sentence_and_is_continued(prefix, write_vectors, monkeypatch):
    monkeypatch.setattr(stores, "PATIENCE", 0.05)
    out, source = prefix("bad"), write_vectors(VECTORS)
    scale.plan(source, out, rows_per_unit=30, **COLUMNS)
    scale.embed(out, units="1/2")
    monkeypatch.setattr(BadStore, "dead", True)
    with pytest.raises(CoresetError, match=r"gave no answer in \d+ s \(.*503 Slow Down\); run the step again") as lost:
        scale.embed(out)
    assert "\n" not in str(lost.value)
    monkeypatch.setattr(BadStore, "dead", False)
    assert scale.embed(out).complete


def test_a_lost_store_of_images_does_not_mark_them(prefix, image_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "IMAGE_PATIENCE", 0.01)
    monkeypatch.setattr(stores, "PATIENCE", 0.05)
    source = prefix("bad")
    for path in image_folder(n=3):
        (source / path.name).write_bytes(path.read_bytes())
    run = scale.plan(source, tmp_path / "run")
    monkeypatch.setattr(BadStore, "dead", True)
    with pytest.raises(CoresetError, match="gave no answer"):
        scale.embed(run.folder, model="coreset-mini", num_workers=0)
    assert scale.status(run.folder).stages[1].missing == [0]


def test_two_drivers_at_once_make_each_row_once(prefix, write_vectors):
    out = prefix("memory")
    run = scale.plan(write_vectors(VECTORS), out, rows_per_unit=10, **COLUMNS)
    with ThreadPoolExecutor(2) as drivers:
        assert [state.complete for state in drivers.map(scale.embed, [out, out])] == [True, True]
    rows = [row for unit in range(run.n_units) for row in run.embeddings.read(unit)["id"].to_pylist()]
    assert rows == list(range(120))
    assert len(list((out / "embeddings").glob("part-*.parquet"))) == run.n_units


def test_a_plan_that_another_overwrites_is_refused(prefix, write_vectors, monkeypatch):
    """Both would have made parts of the same names, of what a source was at two times."""
    out, whole = prefix("memory"), places.write_atomically

    def overwritten(place, write):
        whole(place, write)
        if place.name == "part-00000001.parquet":
            place.write_bytes((out / "manifest" / "part-00000000.parquet").read_whole())

    monkeypatch.setattr("fiftyone_coreset.plugin.scale.parts.write_atomically", overwritten)
    with pytest.raises(CoresetError, match="is planned by another process at the same time"):
        scale.plan(write_vectors(VECTORS), out, rows_per_unit=10, **COLUMNS)
    assert not (out / "run.json").exists()
    monkeypatch.undo()
    assert len(scale.plan(write_vectors(VECTORS), out, rows_per_unit=10, **COLUMNS)) == 120


class Answer(Exception):  # noqa: N818
    """What the clients of some stores raise."""

    def __init__(self, message, **status):
        super().__init__(message)
        self.__dict__.update(status)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (Answer("No container", status_code=404), r"cannot be written \(.*No container\); make the bucket first"),
        (Answer("No key", code=401), r"access is refused \(No key\); give the credentials"),
        (PermissionError("Forbidden"), r"access is refused \(Forbidden\); give the credentials of its store"),
        (FileNotFoundError("The specified bucket does not exist"), "does not exist.; make the bucket first"),
    ],
)
def test_what_a_store_refuses_is_one_sentence(error, sentence, prefix, write_vectors, monkeypatch):
    def refuse(*arguments, **options):
        raise error

    out = prefix("memory")
    monkeypatch.setattr(memory.MemoryFileSystem, "pipe_file", refuse)
    with pytest.raises(CoresetError, match=sentence) as refused:
        scale.plan(write_vectors(VECTORS), out, **COLUMNS)
    assert "\n" not in str(refused.value)


def test_schemes_that_cannot_be_opened(monkeypatch):
    with pytest.raises(CoresetError, match="no-such://bucket cannot be opened: Protocol not known: no-such"):
        scale.open("no-such://bucket/run")
    known = importlib.import_module("fsspec.registry").known_implementations
    monkeypatch.setitem(known, "lacking", {"class": "no.Such", "err": "Install lackingfs to access it"})
    with pytest.raises(CoresetError, match="lacking://bucket cannot be opened: Install lackingfs to access it"):
        scale.plan("lacking://bucket/photos", "run")


def test_places():
    assert as_place("file:///photos/a%20b") == Path("/photos/a b")
    assert as_place("photos") == Path.cwd() / "photos"
    assert as_place("s3://bucket/run/") / "a" == StorePath("s3://bucket/run/a")


def test_an_object_is_read_here_and_there(prefix):
    place = prefix("bad") / "object"
    place.write_bytes(bytes(range(100)))
    file = StoreFile(place)
    assert file.read(10) == bytes(range(10))
    file.seek(-5, 2)
    assert (file.read(), file.read(), file.tell()) == (bytes(range(95, 100)), b"", 100)


class _Web(http.server.BaseHTTPRequestHandler):
    """Gives whole files only, the second time they are asked for."""

    files: dict[str, bytes] = {}  # noqa: RUF012
    asked: set[str] = set()  # noqa: RUF012

    def do_GET(self):
        known = self.path in self.files
        if known and self.command == "GET" and self.path not in self.asked:
            self.asked.add(self.path)
            self.send_error(503)
            return
        data = self.files.get(self.path, b"")
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *arguments):
        pass


def test_images_of_a_web_server(image_folder, tmp_path):
    pytest.importorskip("aiohttp")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Web)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        base = f"http://127.0.0.1:{server.server_address[1]}"
        _Web.files = {f"/{path.name}": path.read_bytes() for path in image_folder(n=3)}
        table = pa.table({"uri": [f"{base}{name}" for name in (*_Web.files, "/none.jpg")]})
        content = pa.BufferOutputStream()
        pq.write_table(table, content)
        _Web.files["/table.parquet"] = content.getvalue().to_pybytes()
        run = scale.plan(f"{base}/table.parquet", tmp_path / "run", uri_column="uri")
        state = scale.embed(run.folder, model="coreset-mini", num_workers=0)
        assert state.outcomes == {"ok": 3, "missing": 1}
        with pytest.raises(CoresetError, match="can be read only"):
            scale.plan(tmp_path / "images0", f"{base}/run")
    finally:
        server.shutdown()
        server.server_close()
