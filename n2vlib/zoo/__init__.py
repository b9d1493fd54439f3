"""Small networks trained by us on drawn images, and random twins of them.

    zoo.names()                      what there is
    zoo.record("small-alexnet")      recipe, data, accuracy, sha256
    zoo.train("small-alexnet")       make it again

`n2vlib.networks.load_network` loads them by name. It imports `n2vlib.zoo.shipped` and not this package's names, so that
a change of the training does not make stored measurements stale: the weights' hash stands for it.
"""

from n2vlib.zoo.shipped import load, names, record
from n2vlib.zoo.training import train

__all__ = ["load", "names", "record", "train"]
