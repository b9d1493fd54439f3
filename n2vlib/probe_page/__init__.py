"""A probe set as one HTML page that needs no server and no network: what was annotated, and how it looks.

    probe_page.write("build/report/probe-mine.html", n2vlib.load_probe("path/to/mine"))

examples    the images shown: spread over the sizes of each concept's masks
contents    the numbers, examples and problems as plain values
page        these and the pictures in one file (with `pages`)
"""

from n2vlib.probe_page.page import file_name, shown_in, write

__all__ = ["file_name", "shown_in", "write"]
