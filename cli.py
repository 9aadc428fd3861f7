"""The ``fiftyone-coreset`` command."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .plugin.errors import CoresetError


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line.

    Args:
        arguments (None): the arguments; those of the process by default

    Returns:
        the exit status
    """
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except CoresetError as error:
        print(f"fiftyone-coreset: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fiftyone-coreset", description="Pick the part of an image dataset worth labelling and training on."
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    demo = commands.add_parser("demo", help="embed, score and save coreset views of a folder of images")
    demo.add_argument("--images", type=Path, metavar="DIR", help="a folder of images; handwritten digits by default")
    demo.add_argument("--model", help="a CLIP model; ViT-B-32 by default, the bundled coreset-mini if no hub answers")
    demo.add_argument("--seed", type=int, default=0)
    demo.add_argument("--home", type=Path, default=Path(".demo"), help="where the demo keeps its database (.demo)")
    demo.add_argument("--app", action="store_true", help="open the FiftyOne App on the result")
    demo.add_argument("--port", type=int, default=5151, help="the App's port (5151)")
    demo.set_defaults(run=_demo)

    link = commands.add_parser("link", help="make this installation a plugin of the FiftyOne App")
    link.set_defaults(run=_link)
    return parser


def _demo(options: argparse.Namespace) -> int:
    from .demo.environment import use_private_fiftyone

    use_private_fiftyone(options.home)
    from .demo.run import run_demo

    run_demo(options.home, options.images, options.model, options.seed, options.port if options.app else None)
    return 0


def _link(options: argparse.Namespace) -> int:
    import fiftyone as fo

    from .demo.environment import link_plugin

    print(f"linked {link_plugin(Path(fo.config.plugins_dir))}; restart the App to see its operators and panel")
    return 0
