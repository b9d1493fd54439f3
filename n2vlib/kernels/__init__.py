"""The inner loops, computed fast: by numba on the CPU, by torch (the files with that name) on any device.

tally            pixel counts of filters against all concepts, behind every IoU
tally_torch      the same counts in torch
combination      pixel counts of a combination's mask
above            pixel counts at several thresholds
training         training of weights, for segmentation and classification
training_torch   the same for segmentation, in torch
sampling         balanced samples, epoch by epoch
sparse           a layer's activations, kept where they may fire
digits           counts of float32 digits, for exact quantiles
upsampled        quantiles of upsampled activations
thresholds       how many values of upsampled sums lie above each threshold
combined         the mask of a combination in one image
joined           masks of two filters joined
atoms            how often filters fire on pixels that show the same concepts
triples          the best formula of up to three concepts, by trying all
permuted         counts against annotations that are permuted among images
places           how often each pixel shows each concept

Kernels copy and add up arrays in loops. For `a[i] = b` and `a[i] += b` of arrays numba also compiles what it says where
their shapes do not fit, which takes three to five seconds in each process that compiles.

numba keeps compiled code beside the source. Where nothing can be written there it lies in `numba` below N2V_DATA, and
where that is read-only too, in a temporary folder of this process. NUMBA_CACHE_DIR names another place.
"""

import atexit
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from numba.core import config

from n2vlib.files.output import refused
from n2vlib.paths import data_root


def keep_compiled(beside: Path) -> None:
    """Set numba's cache folder, unless code can be kept where the user says, or beside the source."""
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
