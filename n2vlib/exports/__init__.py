"""Results for other programs.

tables    tables as CSV or Parquet
layer     the tables of one layer
"""

from n2vlib.lazy import submodules

__getattr__ = submodules(__name__)
