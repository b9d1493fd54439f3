"""How often each filter's mask covers pixels of each atom, a group of pixels that show the same concepts."""

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
