"""What is here, and what a parameter file needs, before anything is computed.

finding      one line of the answer
installed    Python, packages, extras, Chromium
machine      cores, memory, GPUs
places       data, store, the zoo's weights, compiled kernels: present, missing or damaged
needs        what a parameter file asks for: networks, probe sets, files
costs        disk, memory and time of reading its networks, from one timed batch
"""

from n2vlib.lazy import submodules

__getattr__ = submodules(__name__)
