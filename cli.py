"""The ``fiftyone-coreset`` command."""

from __future__ import annotations

import argparse
import atexit
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

from . import __version__
from .plugin.errors import CoresetError
from .scale_commands import add_scale_commands


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
    except KeyboardInterrupt:
        return 130
    except CoresetError as error:
        print(f"fiftyone-coreset: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fiftyone-coreset", description="Pick the part of an image dataset worth labelling and training on."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
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

    add_scale_commands(commands)
    return parser


def _demo(options: argparse.Namespace) -> int:
    from .demo.database import running_mongod
    from .demo.environment import use_private_fiftyone
    from .demo.plugin_link import link_plugin

    for name in ("SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), lambda number, frame: sys.exit(128 + number))
    print(f"Starting FiftyOne with a database of its own in {options.home} ...", flush=True)
    use_private_fiftyone(options.home)
    link_plugin(options.home / "plugins")
    database = ExitStack()
    database.enter_context(running_mongod(options.home))
    # FiftyOne tidies up when the process exits and needs its database for that. What is registered first, before
    # FiftyOne is imported, runs last; that holds after an error and after Ctrl-C as well.
    atexit.register(database.close)
    from .demo.run import run_demo

    run_demo(options.home, options.images, options.model, options.seed, options.port if options.app else None)
    return 0


def _link(options: argparse.Namespace) -> int:
    import fiftyone as fo

    from .demo.plugin_link import link_plugin, other_copies

    plugins_dir = Path(fo.config.plugins_dir)
    # FiftyOne downloads a plugin into a folder named after it, and runs only one of several plugins of one name.
    if others := other_copies(plugins_dir):
        raise CoresetError(
            f"FiftyOne has another copy of this plugin in {others[0]} and would run only one of the two; delete that "
            "folder, then link again"
        )
    print(f"linked {link_plugin(plugins_dir)}; restart the App to see its operators and panel")
    return 0
