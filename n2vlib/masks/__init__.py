"""Masks of filters and of concepts: enlarged, compared, counted.

iou           upsampling and IoU: the only definitions in the project; the kernels compute the same counts, faster
conventions   how Network Dissection decides what a filter covers: the paper's way, and those of later releases
counts        pixels of a layer's filters against a probe set's concepts
"""

from n2vlib.lazy import submodules

__getattr__ = submodules(__name__)
