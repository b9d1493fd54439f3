"""Architectures, training sets and training tasks: the claims of Net2Vec 4.3 (Figure 6)."""

from functools import partial

import pandas as pd

from n2vlib.claims.claim import Effect, Measures, of_draws
from n2vlib.claims.measured import Measured, paired
from n2vlib.vocabulary import TASKS

SUPERVISED, SELF_SUPERVISED = "supervised", "self-supervised"


def ahead_in_all(m: Measured, task: str) -> Effect | None:
    """The smallest difference of the two methods' means over all concepts, among the trained networks."""
    trained = [name for name, kind in m.training.items() if kind in (SUPERVISED, SELF_SUPERVISED)]
    if len(trained) < 2:
        return None
    pairs = {name: paired(m.networks[name], task) for name in trained}
    gains = 100 * pd.DataFrame({name: (many - one).mean(axis=1) for name, (one, many) in pairs.items()})
    ahead = (gains.iloc[0] > 0).sum()
    return of_draws(
        gains.min(axis=1), f"ahead in {ahead} of {len(trained)} networks; least in {gains.iloc[0].idxmin()}"
    )


def times(m: Measured, kind: str) -> Effect | None:
    """Mean set IoU of the combination as a multiple of the single filter's: mean over the networks of one kind."""
    ratios = _ratios(m, kind)
    return None if ratios.empty else of_draws(ratios.mean(axis=1), _range(ratios))


def self_supervised_gain_more(m: Measured) -> Effect | None:
    """`times` of the self-supervised networks over that of the supervised ones."""
    own, supervised = _ratios(m, SELF_SUPERVISED), _ratios(m, SUPERVISED)
    if own.empty or supervised.empty:
        return None
    return of_draws(own.mean(axis=1) / supervised.mean(axis=1), f"{_range(own)}; {_range(supervised)}")


def difference(m: Measured, more: str, less: str) -> Effect | None:
    """Mean set IoU of the combination: one layer minus another."""
    if more not in m.networks or less not in m.networks:
        return None
    one, other = (paired(m.networks[name], "segmentation")[1] for name in (more, less))
    shared = one.columns.intersection(other.columns)
    return of_draws(100 * (one[shared] - other[shared]).mean(axis=1), f"{more}; {less}")


def map_size(m: Measured) -> Effect | None:
    """A network's layer of finer grid minus its coarser one."""
    return difference(m, *m.maps[:2]) if len(m.maps) > 1 else None


def finer_than_vgg(m: Measured) -> Effect | None:
    """The finer layer of `map_size` minus the VGG-like network's last."""
    return difference(m, m.maps[0], m.maps[2]) if len(m.maps) > 2 else None


def below_vgg(m: Measured) -> Effect | None:
    """The VGG-like network's last layer minus the coarser one of `map_size`."""
    return difference(m, m.maps[2], m.maps[1]) if len(m.maps) > 2 else None


def _ratios(m: Measured, kind: str) -> pd.DataFrame:
    """Ratio of the two methods' mean set IoU, (row, network of this kind)."""
    found = {}
    for name, training in m.training.items():
        if training == kind and name in m.networks:
            one, many = paired(m.networks[name], "segmentation")
            found[name] = many.mean(axis=1) / one.mean(axis=1)
    return pd.DataFrame(found)


def _range(ratios: pd.DataFrame) -> str:
    first = ratios.iloc[0]
    return f"{first.min():.1f} to {first.max():.1f} in {len(first)} networks"


MEASURES: Measures = {
    **{f"networks-{task}": partial(ahead_in_all, task=task) for task in TASKS},
    "times-supervised": partial(times, kind=SUPERVISED),
    "times-self-supervised": partial(times, kind=SELF_SUPERVISED),
    "self-supervised-more": self_supervised_gain_more,
    "map-size": map_size,
    "below-vgg": below_vgg,
    "finer-than-vgg": finer_than_vgg,
}
