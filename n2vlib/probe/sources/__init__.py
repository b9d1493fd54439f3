"""Sources of masks: data in other formats, read as images with regions and written as a Broden folder.

annotated   what every source hands to the writer
formats     the formats, one file each, and their options
folder      images and masks in folders; names from data stay inside these
polygons    the rule by which polygons and boxes become masks
"""
