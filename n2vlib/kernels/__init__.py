"""The same counts, computed fast: `tally` and `training` on the CPU (numba), `tally_torch` on any torch device."""
