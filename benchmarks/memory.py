"""The whole of our run in a process of its own; prints its memory after loading the network and at its highest.

python benchmarks/memory.py FOLDER SCRATCH CORES      one line of JSON, in bytes
"""

import json
import resource
import sys
from pathlib import Path

from bench import our_network, use_cores, whole_run

from n2vlib.probe import load_probe
from n2vlib.store import Store


def resident() -> tuple[int, int]:
    """Resident memory now and at its highest so far, in bytes; outside Linux the highest stands for both."""
    status = Path("/proc/self/status")
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return tuple(int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))  # type: ignore[return-value]
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return highest, highest


def main(folder: str, scratch: str, cores: str) -> None:
    use_cores(int(cores))
    network = our_network()
    loaded = resident()[0]
    whole_run(network, load_probe(folder), Store(scratch))
    print(json.dumps({"loaded": loaded, "highest": resident()[1]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
