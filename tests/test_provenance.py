"""The last cell of a chapter names the versions that measured, not only those that read."""

import platform
import re
from importlib.metadata import version

from measured import measure

from n2vlib import provenance
from n2vlib.files import sealed


def test_a_layer_measured_elsewhere_says_by_what(tmp_path, capsys):
    _, layers = measure(tmp_path, layers=["1"])
    provenance(layers=layers, seed=3)
    here = capsys.readouterr().out
    assert re.search(rf"^torch +{re.escape(version('torch'))}$", here, re.M) and "measured with" not in here
    record = sealed.read_record(layers["1"].folder)
    assert record["made"] == {
        **{package: version(package) for package in ("n2vlib", "torch", "numpy", "numba")},
        "python": platform.python_version(),
        "device": f"cpu ({platform.machine()})",
    }
    del record["files"]
    sealed.seal(layers["1"].folder, {**record, "made": {**record["made"], "torch": "2.9.1", "device": "cuda (H100)"}})
    provenance(layers=layers, seed=3)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("layer 1 ")]
    assert line.endswith(f"{layers['1'].fingerprint[:12]}  measured with device cuda (H100), torch 2.9.1")
