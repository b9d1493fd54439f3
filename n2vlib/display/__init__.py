"""What readers see: pictures, tables and colors. Nothing here measures anything.

style        colors, words and digits, the same in all chapters
gallery      grids of images with masks and activation maps
html_table   a table of numbers as HTML
swatches     tables with colors in their cells
contours     the edge of a mask as lines
chart_png    charts as PNG
reference    names, signatures and docstrings
"""

from n2vlib.lazy import submodules

__getattr__ = submodules(__name__)
