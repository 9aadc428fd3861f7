"""On the site, links to files outside ``docs/`` become names of those files, which the site does not hold."""

import re
from pathlib import Path

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((\.\.?/[^)#\s]+)(?:#[^)\s]*)?\)")


def on_page_markdown(markdown, page, config, files):
    """Called by mkdocs for every page."""
    docs = Path(config["docs_dir"])
    here = Path(page.file.abs_src_path).parent

    def named(match):
        target = (here / match[2]).resolve()
        return match[0] if target.is_relative_to(docs) else f"{match[1]} (`{target.relative_to(docs.parent)}`)"

    return _LINK.sub(named, markdown)
