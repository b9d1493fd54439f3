"""How Network Dissection decides what a filter covers: the paper's way, and those of two later releases.

netdissect        the paper (TPAMI 2.2) and its first release
netdissect-lite   the PyTorch version
dissect           the library of the authors' later work; its labels came from a segmentation network, ours do not
"""

from dataclasses import dataclass

from n2vlib.errors import BadInput, near

ANCHORED, HALF_PIXEL, ZERO_PADDED = "anchored", "half-pixel", "zero-padded"
IN_IMAGE, UNDER_MASK, EVERYWHERE = 0, 1, 2


@dataclass(frozen=True)
class Convention:
    """One way to a mask, and to the images on which its area counts.

    upsampling   where the cells lie on the label map: on the centres of their receptive fields (ANCHORED), evenly
                 (HALF_PIXEL), or on the centres with zeros around the grid (ZERO_PADDED)
    counts       a filter's area counts towards a concept on images that hold a concept of the same category
                 (IN_IMAGE), where its mask covers one (UNDER_MASK), or on all (EVERYWHERE)
    left_out     categories whose concepts are not asked for
    upsampled    T_k is taken of the upsampled activations
    tau          the release's own default
    """

    name: str
    upsampling: str
    counts: int
    tau: float = 0.005
    left_out: tuple[str, ...] = ()
    upsampled: bool = False


CONVENTIONS = {
    each.name: each
    for each in (
        Convention("netdissect", ANCHORED, IN_IMAGE),
        Convention("netdissect-lite", HALF_PIXEL, UNDER_MASK, left_out=("material",)),
        Convention("dissect", ZERO_PADDED, EVERYWHERE, tau=0.01, upsampled=True),
    )
}


def convention(name: "str | Convention") -> Convention:
    """The convention of that name, or your own; BadInput with the names there are."""
    if isinstance(name, Convention):
        return name
    if name not in CONVENTIONS:
        raise BadInput(f"convention {name!r}: there is none of that name; {near(name, list(CONVENTIONS))}")
    return CONVENTIONS[name]
