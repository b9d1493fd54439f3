"""How Network Dissection decides what a filter covers: the paper's way, and those of two later releases.

netdissect        the paper (TPAMI 2.2): masks are sets of pixels. Its first release counts a pixel once for each label
                  map that shows the concept, which differs only where maps overlap
netdissect-lite   the PyTorch version, count for count. It drops images whose labels are all of left-out categories, so
                  its T_k is ours only if every image has a label of another category (in Broden all have colors)
dissect           the library of the authors' later work; its labels came from a segmentation network, ours do not
"""

from dataclasses import dataclass

from n2vlib.errors import BadInput, near

ANCHORED, HALF_PIXEL, ZERO_PADDED = "anchored", "half-pixel", "zero-padded"
IN_IMAGE, UNDER_MASK, EVERYWHERE = 0, 1, 2


@dataclass(frozen=True)
class Convention:
    """How a filter's mask is made, and on which images its area counts.

    upsampling   where the cells lie on the label map: on the centres of their receptive fields (ANCHORED), evenly
                 (HALF_PIXEL), or on the centres with zeros around the grid (ZERO_PADDED)
    counts       a filter's area counts towards a concept on images that hold a concept of the same category
                 (IN_IMAGE), where its mask covers one (UNDER_MASK), or on all (EVERYWHERE)
    left_out     categories that are not read. A concept that also belongs to another category counts there, with the
                 pixels of that category's maps; its primary category is the remaining one in which it covers most
    each_map     a pixel counts once for each label map that shows the concept, and a label of the whole image once for
                 each time it is listed. The number 0 in place of such a label is an unnamed concept of the last
                 category, which affects which images count
    upsampled    T_k is computed from the upsampled activations
    tau          the release's own default
    """

    name: str
    upsampling: str
    counts: int
    tau: float = 0.005
    left_out: tuple[str, ...] = ()
    each_map: bool = False
    upsampled: bool = False


CONVENTIONS = {
    each.name: each
    for each in (
        Convention("netdissect", ANCHORED, IN_IMAGE),
        Convention("netdissect-lite", HALF_PIXEL, UNDER_MASK, left_out=("material",), each_map=True),
        Convention("dissect", ZERO_PADDED, EVERYWHERE, tau=0.01, upsampled=True),
    )
}


def convention(name: "str | Convention") -> Convention:
    """The convention of that name, or the one given; BadInput for an unknown name."""
    if isinstance(name, Convention):
        return name
    if name not in CONVENTIONS:
        raise BadInput(f"convention {name!r}: no such convention; {near(name, list(CONVENTIONS))}")
    return CONVENTIONS[name]
