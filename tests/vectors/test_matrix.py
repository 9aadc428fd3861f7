"""The one door for embeddings: every form that users really have, and what each is refused for."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from fiftyone_coreset import CoresetError
from fiftyone_coreset.plugin.selection.registry import get_method
from fiftyone_coreset.plugin.vectors.matrix import as_matrix

pd = pytest.importorskip("pandas")
sparse = pytest.importorskip("scipy.sparse")
torch = pytest.importorskip("torch")

#: Whole numbers up to 8: exact in every type, bfloat16 and float8 included.
X = np.random.default_rng(0).integers(-8, 9, (12, 3)).astype(np.float32)
ROWS = pd.DataFrame(X, columns=["a", "b", "c"])
FULL = np.ones(12, dtype=bool)
WITHOUT_2 = np.arange(12) != 2


def with_missing(value=np.nan):
    rows = X.astype(object)
    rows[2, 1] = value
    return rows


def masked(kind):
    return np.ma.masked_array(X.astype(kind), mask=(np.arange(12) == 2)[:, None] & [False, True, False])


FORMS = {
    **{kind: (X.astype(kind), FULL) for kind in ("f2", "f4", "f8", "g", "i1", "i2", "i4", "i8", ">f4", ">f8", ">i2")},
    "unsigned": (np.abs(X).astype(np.uint64), FULL),
    "bool": (X > 0, FULL),
    "fortran": (np.asfortranarray(X), FULL),
    "every second": (np.repeat(X, 2, axis=0)[::2], FULL),
    "np.matrix": (np.matrix(X), FULL),
    "masked float": (masked("f4"), WITHOUT_2),
    "masked int": (masked("i4"), WITHOUT_2),
    "masked, nothing masked": (np.ma.masked_array(X), FULL),
    "csr": (sparse.csr_matrix(X), FULL),
    "coo array": (sparse.coo_array(X), FULL),
    **{
        f"tensor {kind}": (torch.tensor(X).to(kind), FULL)
        for kind in (
            torch.float16,
            torch.bfloat16,
            torch.float32,
            torch.float64,
            torch.float8_e5m2,
            torch.int8,
            torch.int64,
        )
    },
    "tensor with grad": (torch.tensor(X, requires_grad=True), FULL),
    "sparse tensor": (torch.tensor(X).to_sparse(), FULL),
    "tensor bool": (torch.tensor(X) > 0, FULL),
    "frame": (ROWS, FULL),
    "frame, nullable": (ROWS.astype("Int64").mask(pd.DataFrame(masked("f4").mask, columns=list("abc"))), WITHOUT_2),
    "frame of objects": (pd.DataFrame(with_missing(None)), WITHOUT_2),
    "objects": (with_missing(None), WITHOUT_2),
    "list of lists": (X.tolist(), FULL),
    "tuple of arrays": (tuple(X), FULL),
    "generator": ((row for row in X), FULL),
    "list with None": ([None if row == 2 else vector for row, vector in enumerate(X)], WITHOUT_2),
    "object array": (np.array([None if row == 2 else vector for row, vector in enumerate(X)], dtype=object), WITHOUT_2),
    "series of vectors": (pd.Series(list(X)), FULL),
    "list of tensors": ([torch.tensor(row, requires_grad=True) for row in X], FULL),
    "list of bfloat16": (list(torch.tensor(X).bfloat16()), FULL),
    "list of masked": (list(masked("i4")), WITHOUT_2),
    "list with NaN": ([row if number != 2 else row * np.nan for number, row in enumerate(X)], WITHOUT_2),
    "list with a None inside": (with_missing(None).tolist(), WITHOUT_2),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_matrix(form):
    given, expected = FORMS[form]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        matrix, valid = as_matrix(given)
    assert type(matrix) is np.ndarray
    assert matrix.dtype in (np.float32, np.float64)
    np.testing.assert_array_equal(valid, expected)
    values = {"unsigned": np.abs(X), "bool": X > 0, "tensor bool": X > 0}.get(form, X)
    np.testing.assert_array_equal(matrix[valid], values[valid])


def test_masked_rows_are_never_selected():
    rows = np.ma.masked_array(X, mask=(np.arange(12) == 2)[:, None] & [True] * 3)
    rows.data[2] = 50  # by this number it would be the first choice
    assert set(get_method("kcenter").select(rows, 11).indices) == set(np.flatnonzero(WITHOUT_2))


def test_float32_is_not_copied():
    assert as_matrix(X)[0] is X or np.shares_memory(as_matrix(X)[0], X)


def test_no_rows_of_objects_are_still_a_matrix():
    matrix, valid = as_matrix(np.empty((0, 3), dtype=object))
    assert (matrix.shape, matrix.dtype, valid.shape) == ((0, 3), np.float64, (0,))


REFUSED = {
    "None": (None, "got NoneType"),
    "number": (1.5, "got float"),
    "scalar array": (np.float32(1), "got float32"),
    "array of one object": (np.array(None, dtype=object), "got ndarray"),
    "scalar tensor": (torch.tensor(1.0), r"got shape \(\)"),
    "dict": ({"a": [1, 2]}, "got dict"),
    "bytes": (b"123", "got bytes"),
    "one vector": (X[0], r"got shape \(3,\)"),
    "list of numbers": ([1.0, 2.0], r"entries of shape \(\)"),
    "three axes": (X[None], r"got shape \(1, 12, 3\)"),
    "list of matrices": ([X, X], r"entries of shape \(12, 3\)"),
    "no columns": (X[:, :0], r"got shape \(12, 0\)"),
    "empty list": ([], "none of the 0 samples"),
    "only None": ([None, None], "none of the 2 samples"),
    "ragged": ([[1, 2], [1, 2, 3]], r"differ in shape \(\(2,\), \(3,\)\)"),
    "ragged inside": ([[1, [2, 3]], [1, 2]], "no list of numbers"),
    "complex": (X.astype(complex), "got dtype complex128"),
    "complex tensor": (torch.tensor(X).to(torch.complex64), "got dtype complex64"),
    "strings": ([["a", "b"]], "got dtype <U1"),
    "dates": (X.astype("datetime64[s]"), r"got dtype datetime64\[s\]"),
    "objects": (np.array([["a", 1], [2, 3]], dtype=object), "could not convert string"),
    "frame with names": (pd.DataFrame({"name": ["x", "y"], "a": [1.0, 2.0]}), "could not convert string"),
}


@pytest.mark.parametrize("form", REFUSED)
def test_anything_else_is_one_sentence(form):
    given, message = REFUSED[form]
    with pytest.raises(CoresetError, match=f"^field 'e': .*{message}"):
        as_matrix(given, "field 'e'")


@pytest.fixture
def files(tmp_path):
    class Touch:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "unpickled"),)

    np.save(tmp_path / "good.npy", X)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(X))
    np.save(tmp_path / "objects.npy", np.array([Touch()], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "several.npz", X)
    whole = (tmp_path / "good.npy").read_bytes()
    contents = {
        "empty.npy": b"",
        "cut-header.npy": whole[:40],
        "cut-data.npy": whole[:-8],
        "text.npy": b"1,2,3\n",
        "pickle.npy": pickle.dumps(Touch()),
        "huge.npy": whole.replace(b"(12, 3)", b"(9**9,)"),
        "several.npy": (tmp_path / "several.npz").read_bytes(),
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    os.mkfifo(tmp_path / "fifo.npy")
    (tmp_path / "folder.npy").mkdir()
    return tmp_path


@pytest.mark.parametrize("name", ["good.npy", "fortran.npy"])
def test_files_are_mapped(files, name):
    (files / name).chmod(0o444)
    for path in (files / name, str(files / name)):
        matrix, valid = as_matrix(path)
        assert isinstance(matrix, np.memmap)
        assert valid.all()
        np.testing.assert_array_equal(matrix, X)


def test_a_path_that_is_not_utf8(files):
    path = os.path.join(os.fsencode(files), b"caf\xe9.npy")
    os.rename(files / "good.npy", path)
    np.testing.assert_array_equal(as_matrix(os.fsdecode(path))[0], X)


@pytest.mark.parametrize(
    "name",
    ["absent.npy", "fifo.npy", "folder.npy", "empty.npy", "cut-header.npy", "cut-data.npy", "text.npy", "pickle.npy",
     "objects.npy", "huge.npy", "several.npy", "several.npz"],
)  # fmt: skip
def test_other_files_are_refused_and_nothing_is_unpickled(files, name):
    with pytest.raises(CoresetError, match=r"cannot read embeddings from .*give a 2-D \.npy file"):
        as_matrix(str(files / name))
    assert not (files / "unpickled").exists()


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e300])
@pytest.mark.parametrize("name", ["kcenter", "zcore"])
def test_any_finite_scale_selects_the_same(name, scale):
    rows = np.random.default_rng(1).integers(-1000, 1000, (60, 4)).astype(np.float64)
    options = {"n_draws": 500} if name == "zcore" else {}
    power = 2.0 ** np.round(np.log2(scale))  # a power of two, so that nothing is rounded
    kind = np.float32 if 1e-30 <= scale <= 1e30 else np.float64
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = get_method(name).select((rows * power).astype(kind), 20, **options)
    expected = get_method(name).select(rows.astype(kind), 20, **options)
    np.testing.assert_array_equal(np.sort(found.indices), np.sort(expected.indices))


@pytest.mark.parametrize("exponent", [-1000, -100, 100, 1000])
def test_any_finite_scale_covers_as_much(exponent):
    """Facility location may pick other rows of the same worth at another scale.

    Of two rows that are nearest to each other, either covers as much: what it adds for itself and for the other is the
    same sum. Such ties go by a hash of the numbers, so that file order does not matter.
    """
    rows = np.random.default_rng(1).integers(-1000, 1000, (60, 4)).astype(np.float64)
    expected = get_method("facility_location").select(rows, 20).details["gain"]
    found = get_method("facility_location").select(np.ldexp(rows, exponent), 20).details["gain"]
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("scale", [1e-30, 1e30, 1e300])
def test_any_finite_scale_has_a_map(scale):
    from fiftyone_coreset.plugin.vectors.projection import project

    rows = np.random.default_rng(1).normal(size=(60, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        points = project(as_matrix(rows * scale)[0], "pca").points
    spread = points.std(axis=0)
    assert np.isfinite(points).all()
    expected = project(rows, "pca").points.std(axis=0)
    np.testing.assert_allclose(spread[0] / spread[1], expected[0] / expected[1], rtol=1e-4)


def test_one_huge_row_costs_no_other():
    rows = np.random.default_rng(1).normal(size=(60, 4)).astype(np.float32)
    rows[7] *= np.float32(1e30)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chosen = get_method("kcenter").select(rows, 20).indices
    rows[7] /= np.float32(1e30)  # only directions count
    assert set(chosen) == set(get_method("kcenter").select(rows, 20).indices)


def test_the_door_imports_nothing_heavy():
    script = (
        "import sys; from fiftyone_coreset.plugin.vectors.matrix import as_matrix; as_matrix([[1, 2], None])\n"
        "print(sorted({'torch', 'pandas', 'scipy', 'numba', 'sklearn'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=True)
    assert run.stdout.strip() == "[]"
