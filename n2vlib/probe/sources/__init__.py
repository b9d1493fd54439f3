"""Sources of masks: data in other formats, read as images with regions and written as a Broden folder.

make        writes the probe set, image by image, and checks it
formats     the formats, one file each, and their options
annotated   what every format hands to the writer
convert     one image and its masks, brought to the probe set's sizes
frame       stretched or padded; where a label map's pixels lie in a mask
colors      one of eleven color names for every pixel
folder      images and masks in folders; names from data stay inside these
masks_png   masks in PNG files: index maps, and the mask of one concept
names       the names of indices in a file
polygons    the rule by which polygons and boxes become masks
"""
