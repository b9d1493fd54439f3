"""A seeded sample of what `benchmarks/damage.py` and `benchmarks/kills.py` do in full; N2V_SEED draws others."""

import os
import subprocess
import sys

import pytest

from n2vlib.paths import ROOT


def last_row(script: str, number: int) -> str:
    """The script's summary of all its damages or kills; fails unless each one ended well."""
    command = [
        sys.executable,
        f"benchmarks/{script}",
        "--number",
        str(number),
        "--seed",
        os.environ.get("N2V_SEED", "0"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(line for line in done.stdout.splitlines() if line.startswith("| all "))


def test_fifty_damages_are_repaired_or_reported_and_none_stays():
    assert last_row("damage.py", 50).startswith("| all | 50 |")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands orphans to another process than the first")
def test_ten_kills_leave_nothing_and_the_next_run_gives_the_same_bytes():
    assert last_row("kills.py", 10) == "| all | 10 | 10 | 0 | 0 | 0 | 0 |"
