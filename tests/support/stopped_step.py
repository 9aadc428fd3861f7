"""A step of a scale run in a process of its own, which stops for ever in the middle of a file, to be killed there."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_SCRIPT = textwrap.dedent("""
    import json, sys, time
    import pyarrow.parquet as pq
    from fiftyone_coreset.plugin import scale
    folder, step, options, at = sys.argv[1:]
    write = pq.ParquetWriter.write_table
    count = 0
    def stop(self, table, **options):
        global count
        write(self, table, **options)
        count += 1
        if count == int(at):
            print("writing", flush=True)
            time.sleep(600)
    pq.ParquetWriter.write_table = stop
    getattr(scale, step)(folder, **json.loads(options))
""")


@contextmanager
def stopped_step(folder: Path, step: str, options: dict[str, Any], at: int) -> Iterator[None]:
    """Holds the step at its file number ``at`` inside the context, and kills it at the end."""
    command = [sys.executable, "-c", _SCRIPT, str(folder), step, json.dumps(options), str(at)]
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "writing\n"
        yield
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
