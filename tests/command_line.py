"""The command line without a process of its own: starting one costs more than most commands do."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from io import StringIO
from pathlib import Path

from vla_bench.cli import main


def vla_bench(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """What `vla-bench arguments…`, typed in the folder `cwd`, prints and returns."""
    out, err, typed = StringIO(), StringIO(), sys.argv
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main(arguments)
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        finally:
            sys.argv = typed
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())
