#!/usr/bin/env bash
# One would guess: the random_seed of lime's superpixels decides how quickshift breaks its ties, as its default does: LIME
# draws a seed for each picture and hands it on, and a fixed one is what its users are told to give.
# lime 0.2.0.1 with scikit-image 0.20.0 does that: two seeds cut a picture of few colors into different superpixels. With
# scikit-image 0.26.0 the argument has another name (rng); lime keeps only the arguments that a function has, and drops
# this one without a word. So every seed gives the same superpixels, and "another seed" looks like stability.
# Exits with 1 where that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for version in 0.20.0 0.26.0; do
  python3 -m venv "$work/$version"
  "$work/$version/bin/pip" install --quiet lime==0.2.0.1 "scikit-image==$version" numpy==1.26.4
  "$work/$version/bin/python" - "$version" <<'PYTHON'
import sys
import warnings

import numpy as np
import skimage
from lime.wrappers.scikit_image import SegmentationAlgorithm

warnings.simplefilter("ignore")
picture = np.zeros((40, 40, 3), np.uint8)
picture[:, 20:] = 200


def superpixels(seed: int) -> np.ndarray:
    """As lime.lime_image makes them when no other function is given."""
    cut = SegmentationAlgorithm("quickshift", kernel_size=4, max_dist=200, ratio=0.2, random_seed=seed)
    return cut(picture)


same = all((superpixels(seed) == superpixels(0)).all() for seed in range(1, 6))
print(f"scikit-image {skimage.__version__}: five other seeds give {'the same' if same else 'other'} superpixels")
assert same == (sys.argv[1] == "0.26.0"), same
PYTHON
done
