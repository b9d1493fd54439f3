"""How often each filter's mask covers pixels of each atom, a group of pixels that show the same concepts.

And how many of them a formula and a concept share.
"""

import numba


@numba.njit(cache=True, nogil=True)
def count(images, masks, atom_of, shown, group, found):
    """Pixels of every filter's mask by atom, added to `found`.

    images    int64, positions of the images
    masks     ptr, filters, run_ptr, runs (see permuted.Masks)
    atom_of   (image, pixel): the atom of each pixel
    shown     int64, (image,): the image whose annotations each image is counted against
    group     int64, (image,): the group that an image's counts belong to
    found     int64, (group, filter, atom)
    """
    ptr, filters, run_ptr, runs = masks
    for i in images:
        atoms, here = atom_of[shown[i]], found[group[i]]
        for mask in range(ptr[i], ptr[i + 1]):
            counts = here[filters[mask]]
            for run in range(run_ptr[mask], run_ptr[mask + 1]):
                for pixel in range(runs[run, 0], runs[run, 1]):
                    counts[atoms[pixel]] += 1


@numba.njit(cache=True, nogil=True)
def joined(fired, sizes, ptr, concepts, owner, truth, found):
    """Pixels of every formula that each concept covers too, and in the last place all of its pixels, added to `found`.

    fired      int64, (unit, atom): pixels of the atom on which the unit fires      sizes   all of its pixels
    ptr, concepts   the concepts of atom a are concepts[ptr[a]:ptr[a + 1]]
    owner      int64, (formula,): its unit      truth   bool, (formula, atom)
    found      float64, (2, formula, concept + 1): of the pixels on which the unit fires, and of all
    """
    for f in range(len(owner)):
        own = fired[owner[f]]
        for a in range(len(sizes)):
            if truth[f, a]:
                found[0, f, -1] += own[a]
                found[1, f, -1] += sizes[a]
                for i in range(ptr[a], ptr[a + 1]):
                    found[0, f, concepts[i]] += own[a]
                    found[1, f, concepts[i]] += sizes[a]
