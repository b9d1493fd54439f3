"""Concept vectors on disk: saved with all that applying them needs, and applied to other images.

    vectors.save("build/conv5.safetensors", found, layer, probe)
    vectors.apply("build/masks", vectors.load("build/conv5.safetensors"), network, ["photographs"])

saved      the file: weights, thresholds, and what they were learned with
pictures   images of any size, named or found in folders
applied    masks and scores of images, one after the other
folder     the same written into a folder
log        what of it is finished
word2vec   the vectors as a text file of the word2vec program
"""

from n2vlib.vectors.applied import Applied, applied
from n2vlib.vectors.folder import apply
from n2vlib.vectors.saved import Vectors, load, save

__all__ = ["Applied", "Vectors", "applied", "apply", "load", "save"]
