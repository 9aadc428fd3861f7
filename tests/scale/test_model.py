"""What steps are said to need: sums that behave, statements of every step, and dry runs that touch nothing."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from fiftyone_coreset import cli
from fiftyone_coreset.plugin import scale
from fiftyone_coreset.plugin.errors import CoresetError
from fiftyone_coreset.plugin.scale.model import Size, embed_need, plan_need, score_need, select_need

CLUSTER = scale.Machines(4, 8, 24, memory=1e12, images_per_second=5_000, price=50)


def test_a_billion_rows_are_summed_up():
    found = scale.dry_run(10**9, 512, CLUSTER, rows_per_unit=100_000, keep=10**6)
    assert list(found.steps) == ["plan", "embed", "score", "select", "import"]
    ideal = 10**9 / (4 * 8 * 5_000)
    assert found.steps["embed"].seconds == pytest.approx(ideal, rel=1e-3)  # besides 10,000 files by 32 workers
    assert found.steps["embed"].cost == pytest.approx(ideal / 3600 * 4 * 50, rel=1e-3)
    assert found.steps["embed"].storage > 10**9 * 512 * 4
    assert found.total.seconds == pytest.approx(sum(need.seconds for need in found.steps.values()))
    assert found.steps["score"].memory <= 1e12
    (remark,) = found.remarks
    assert remark == "score: 7 threads fit into the memory of a machine; call it with --workers 7"


def test_what_does_not_fit_is_said():
    found = scale.dry_run(10**9, 512, replace(CLUSTER, memory=64e9))
    assert "score does not fit into memory" in found.remarks
    assert "import does not fit into memory" in found.remarks


def test_more_machines_need_less_time_until_one_process_is_all():
    size = Size(10**8, 512, 10_000)
    for need in (
        lambda on: embed_need(size, on),
        lambda on: score_need(size, on, 10**9, 64),
        lambda on: select_need(size, on, "facility_location", 10**6, 500),
    ):
        seconds = [need(scale.Machines(nodes, 1, 8)).seconds for nodes in (1, 2, 16, 10**6, 10**7)]
        assert seconds[0] > 1.5 * seconds[1] > 1.5 * seconds[2]
        assert seconds[3] >= 0.9 * seconds[4] > 0


@pytest.mark.parametrize(
    ("method", "rows", "dimension", "keep", "n_cells", "measured"),
    [
        ("auto", 100_000, 32, 10_000, 10, 22),
        ("auto", 1_000_000, 32, 100_000, 20, 153),
        ("facility_location", 100_000, 64, 5_000, 10, 11),
        ("facility_location", 100_000, 512, 5_000, 4, 31),
        ("facility_location", 1_000_000, 64, 50_000, 20, 102),
        ("stratified", 1_000_000, 64, 50_000, 10, 20),
    ],
)
def test_selections_are_said_to_take_what_was_measured(method, rows, dimension, keep, n_cells, measured):
    """Within a factor of 1.5 of the seconds of a core in docs/scale.md."""
    size = Size(rows, dimension, -(-rows // 10_000))
    said = select_need(size, scale.Machines(cores=1), method, keep, n_cells).seconds
    assert measured / 1.5 < said < measured * 1.5


@pytest.mark.parametrize(
    ("rows", "dimension", "draws", "measured"), [(1_000_000, 64, 500_000, 41), (1_000_000, 32, 1_000_000, 72)]
)
def test_scores_are_said_to_take_what_was_measured(rows, dimension, draws, measured):
    said = score_need(Size(rows, dimension, 100), scale.Machines(cores=1), draws, 8).seconds
    assert measured / 1.5 < said < measured * 1.5


def test_tiny_units_cost_by_their_number():
    one = scale.Machines(cores=1)
    few, many = (Size(40_000, 16, units) for units in (4, 20_000))
    for need in (
        lambda size: plan_need(size.rows, size.units, one),
        lambda size: embed_need(size, one),
        lambda size: select_need(size, one, "stratified", 2_000, 1),
    ):
        assert need(many).seconds - need(few).seconds > 20_000 * 1e-3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": 0}, "rows must be at least 1, got 0"),
        ({"method": "kcenter"}, "method 'kcenter' does not work on a run"),
        ({"machines": scale.Machines()}, "images_per_second is not known"),
    ],
)
def test_what_is_refused(arguments, message):
    with pytest.raises(CoresetError, match=message):
        scale.dry_run(**{"rows": 1_000, "dimension": 8, "machines": CLUSTER} | arguments)


def test_machines_are_checked():
    with pytest.raises(CoresetError, match="nodes must be more than 0, got 0"):
        scale.Machines(nodes=0)


RECIPE = """
out = "run"

[pool]
rows = 100_000_000
dimension = 512

[machines]
nodes = 4
workers = 8
cores = 24
images_per_second = 5_000

[plan]
source = "photos"
rows_per_unit = 100_000

[embed]

[select]
keep = "1%"
"""


@pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib")
def test_a_recipe_can_be_run_dry(tmp_path, capsys):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    assert cli.main(["scale", "run", str(path), "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "100,000,000 rows of 512 numbers, on 4 x 8 workers of 24 cores"
    assert [line.split()[0] for line in lines[1:]] == ["step", "plan", "embed", "select", "all"]
    assert [file.name for file in tmp_path.iterdir()] == ["recipe.toml"]
    path.write_text(RECIPE.replace("dimension = 512\n", ""))
    assert cli.main(["scale", "run", str(path), "--dry-run"]) == 1
    assert "a dry run needs the section pool with rows and dimension" in capsys.readouterr().err
    path.write_text(RECIPE.replace("cores =", "kernels ="))
    assert cli.main(["scale", "run", str(path), "--dry-run"]) == 1
    assert "machines has no argument 'kernels'; it takes nodes, workers, cores" in capsys.readouterr().err


def test_every_step_says_what_it_needs_and_costs(write_vectors, tmp_path):
    source = write_vectors(np.random.default_rng(0).normal(size=(60, 4)))
    said: list[str] = []

    def told(fraction, message):
        said.append(message)

    columns = {"id_column": "id", "uri_column": "uri", "vector_column": "vector"}
    run = scale.plan(source, tmp_path / "run", rows_per_unit=20, progress=told, **columns).folder
    scale.embed(run, price=3_600, progress=told)
    scale.score(run, n_draws=500, price=3_600, progress=told)
    scale.select(run, keep=0.5, rows_per_cell=30, price=3_600, progress=told)
    scale.select(run, "zcore", price=3_600, progress=told)
    scale.select(run, "kcenter", among="zcore", keep=2, price=3_600, progress=told)
    stated = [message for message in said if " expected to take about " in message]
    assert len(stated) == 6
    assert all("of storage" in message for message in stated)
    assert ["at a cost of" in message for message in stated] == [False, *[True] * 5]
