"""The main job from end to end: embed, score, look, save views."""

from __future__ import annotations

from pathlib import Path

import fiftyone as fo
from rich.console import Console
from rich.table import Table

from ..plugin.embeddings.clip import load_clip, resolve_clip
from ..plugin.embeddings.compute import compute_embeddings
from ..plugin.embeddings.record import ClipSpec, embedding_record
from ..plugin.errors import CoresetError
from ..plugin.results import CoresetResults
from ..plugin.runs.compute import compute_coreset
from ..plugin.runs.views import create_coreset_view
from .images import load_digits_dataset, load_folder_dataset

_FIELD = "clip_embeddings"
_KEY = "coreset"
_BUDGETS = (0.1, 0.3, 0.5)
_HUB_MODEL = "ViT-B-32"
_BUNDLED_MODEL = "coreset-mini"

console = Console()


def run_demo(home: Path, images: Path | None, model: str | None, seed: int, app_port: int | None) -> None:
    """Runs the demo; running it again reuses what is there.

    Args:
        home: the demo's folder
        images: a folder of images, or None for handwritten digits
        model: a CLIP model, or None for ViT-B-32 with coreset-mini as the stand-in without a hub
        seed: the random seed
        app_port: the port to open the App on, or None not to open it
    """
    dataset = load_digits_dataset(home / "digits") if images is None else load_folder_dataset(images)
    console.print(f"[bold]{len(dataset):,} images[/bold] in dataset '{dataset.name}'")
    model = model or _reachable_model()
    record = embedding_record(dataset, _FIELD)
    other_model = record is not None and not ClipSpec.of(record).same_weights(resolve_clip(model))
    console.print(compute_embeddings(dataset, _FIELD, model=model, overwrite=other_model, progress=True))
    results = compute_coreset(
        dataset,
        _FIELD,
        brain_key=_KEY,
        label_field="ground_truth" if dataset.has_field("ground_truth") else None,
        seed=seed,
        progress=True,
        overwrite=_KEY in dataset.list_brain_runs(),
    )
    for budget in _BUDGETS:
        create_coreset_view(dataset, _KEY, budget, name=f"{_KEY} {budget:.0%}", overwrite=True)
    picture = home / f"coverage-map-{dataset.name}.png"
    results.plot(_BUDGETS[0], backend="matplotlib").savefig(picture, dpi=110)
    console.print(f"\n{results.config.method}, seed {seed}: {results.config.facts['why']}.\n", highlight=False)
    console.print(_summary(results))
    console.print(f"Coverage map: {picture}")
    console.print("\nThe same in Python, with any FiftyOne dataset of images as `dataset`:\n")
    console.print(
        "import fiftyone_coreset as fc\n"
        f'fc.compute_embeddings(dataset, "{_FIELD}", model="{model}")\n'
        f'results = fc.compute_coreset(dataset, "{_FIELD}", brain_key="{_KEY}", seed={seed})\n'
        f'view = fc.create_coreset_view(dataset, "{_KEY}", budget="10%")',
        highlight=False,
        soft_wrap=True,
    )
    if app_port is not None:
        _open_app(dataset, app_port)


def _reachable_model() -> str:
    """The pretrained model if its hub answers, else the bundled one; says which."""
    try:
        load_clip(_HUB_MODEL)
    except CoresetError as error:
        problem = str(error).partition(";")[0]  # what follows is a remedy in Python; here it is the bundled model
        console.print(
            f"[yellow]{problem[0].upper()}{problem[1:]}.[/yellow]\nUsing the bundled [bold]{_BUNDLED_MODEL}[/bold], a "
            "small CLIP for demos; for your own data prefer a full-size model."
        )
        return _BUNDLED_MODEL
    console.print(f"Using pretrained [bold]{_HUB_MODEL}[/bold]")
    return _HUB_MODEL


def _summary(results: CoresetResults) -> Table:
    table = Table(caption="95 % distance: 95 % of all images lie closer to a kept one")
    for heading in ("saved view", "kept", "95 % distance", "at random"):
        table.add_column(heading, justify="left" if heading == "saved view" else "right", no_wrap=True)
    for budget in _BUDGETS:
        report = results.report(budget)
        distance = report.metrics["distance_95"]
        table.add_row(
            f"{_KEY} {budget:.0%}",
            f"{report.kept:,}",
            f"{distance.value:.3f}",
            f"{distance.random.mean:.3f}" if distance.random else "-",
        )
    return table


def _open_app(dataset: fo.Dataset, port: int) -> None:
    panels = (fo.Panel(type="Samples", pinned=True), fo.Panel(type="coreset"))
    sides = [fo.Space(children=[panel], active_child=panel.component_id) for panel in panels]
    session = fo.launch_app(
        dataset, port=port, address="127.0.0.1", spaces=fo.Space(children=sides, orientation="horizontal")
    )
    console.print(f"The App: http://127.0.0.1:{port}/datasets/{dataset.name} (Ctrl-C ends it)")
    session.wait(-1)
