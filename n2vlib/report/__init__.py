"""A network's layer as one HTML page that needs no server and no network: its filters, and the concepts they encode.

    report.write("build/report/conv5.html", network, "conv5", probe, tau=0.005)

measured    the results of all methods on the layer
contents    the same as plain values, in the page's order
page        values, pictures and our script in one file (with `pages`)
"""

from n2vlib.report.page import file_name, write

__all__ = ["file_name", "write"]
