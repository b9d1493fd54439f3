"""The same counts, computed fast: `tally` and `training` on the CPU (numba), `tally_torch` on any torch device.

numba keeps compiled code beside the source. Where nothing can be written there it lies in `numba` below N2V_DATA, and
where that is read-only too, in a folder that is gone with this process. NUMBA_CACHE_DIR names another place.
"""

import atexit
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from numba.core import config

from n2vlib.output import refused
from n2vlib.paths import data_root


def keep_compiled(beside: Path) -> None:
    """Tell numba where to keep compiled code, unless it can be kept where the user says, or beside the source."""
    said = os.environ.get("NUMBA_CACHE_DIR")
    if any(_takes_files(place) for place in ([Path(said)] if said else []) + [beside / "__pycache__"]):
        return
    place = data_root() / "numba"
    if not _takes_files(place):
        place = Path(tempfile.mkdtemp(prefix="n2v-numba-"))
        atexit.register(shutil.rmtree, place, ignore_errors=True)
    os.environ["NUMBA_CACHE_DIR"] = str(place)
    config.reload_config()


def _takes_files(folder: Path) -> bool:
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return not refused(folder)


keep_compiled(Path(__file__).parent)
