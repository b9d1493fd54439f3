"""Runs against each other as one HTML page that needs no server and no network.

    compare_page.write("build/report/compare.html", runs.read(rows, probe, tau=0.005, epochs=30))

contents    the tables of `analysis.between_runs` as plain values
page        these in one file (with `pages`)
"""

from n2vlib.compare_page.page import file_name, write

__all__ = ["file_name", "write"]
