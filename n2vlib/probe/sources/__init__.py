"""Sources of masks: data in other formats, read as images with regions and written as a Broden folder.

make        writes the probe set, image by image, and checks it
formats     the formats, one file each, and their options
annotated   what every format hands to the writer
continued   what an interrupted run has written, and whether the next run may continue it
convert     one image and its masks, brought to the probe set's sizes
frame       stretched or padded; where a label map's pixels lie in a mask
colors      one of eleven color names for every pixel
folder      images and masks in folders; names from data stay inside these
addresses   addresses of images in exports, looked up in the folder of images
sizes       sizes of images, as data state them or as the file's header gives them
polygons    the rule by which polygons and boxes become masks
shapes      turned boxes and ellipses, by the same rule
runlengths  run-lengths of annotation tools
index_map   maps whose pixels are numbers: a region for each
masks_png   the mask of one concept in a PNG, and which masks belong to which images
mat         MATLAB's files, without objects
mat_check   whether such a file may be read
names       the names of indices in a file
"""
