"""Layers of networks as one HTML page that needs no server and no network: filters, and the concepts they encode.

    report.write("build/report/conv5.html", network, "conv5", probe, tau=0.005)
    report.write_layers("build/report/all", [report.Read(network, ["conv4", "conv5"])], probe, tau=0.005)

measured    the results of all methods on a layer
contents    the same as plain values, in the page's order
examples    the images that are shown, with masks
about       how it was measured
parts       the values in parts, of which a browser reads what it shows
page        parts, pictures and our script in one file, or in a folder (with `pages`)
writing     measures and writes
"""

from n2vlib.report.page import file_name
from n2vlib.report.writing import Read, target, write, write_layers

__all__ = ["Read", "file_name", "target", "write", "write_layers"]
