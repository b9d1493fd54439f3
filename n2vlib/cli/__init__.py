"""The commands, `python -m n2vlib ...`, a file for each group; paths given to one are relative to the current folder.

book        book, run, test, pairs, lab
doctor      doctor
networks    layers, zoo
report      report
compare     compare
probe       probe make, probe formats, probe check, probe draw
probe_page  probe show
result      export vectors, words, tables, page; apply
options     the app and what several commands share
"""

import errno
import gc
import os
import sys

# Each adds its commands to the app.
from n2vlib.cli import book, compare, doctor, networks, probe, probe_page, report, result  # noqa: F401
from n2vlib.cli.options import app
from n2vlib.errors import BadInput, printable

__all__ = ["app", "main"]


def main() -> None:
    """Run a command; bad input, and a file that cannot be read or written, is one line and exit code 2."""
    # Chapters and tests run side by side: a waiting thread must sleep, or it takes a core from one that works.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Torch's import makes 200,000 objects that stay; after every 700, looking for garbage takes a tenth of the time.
    # Nothing here needs it often: arrays hang in no cycles, and reading takes the same memory without it.
    gc.set_threshold(10_000)
    try:
        app()
    except BadInput as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        hint = "; N2V_STORE and N2V_DATA choose other folders" if error.errno == errno.ENOSPC else ""
        print(printable(f"{where}{error.strerror or error}{hint}"), file=sys.stderr)
        sys.exit(2)
