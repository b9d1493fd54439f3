"""Sources of masks: data in other formats, read as images with regions and written as a Broden folder.

annotated   what every source hands to the writer
"""
