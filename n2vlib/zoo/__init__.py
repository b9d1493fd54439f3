"""Small networks trained by us on drawn images, and the same architectures randomly initialised.

    zoo.names()                      the names of all networks
    zoo.card("small-alexnet")        recipe, data, accuracy, sha256
    zoo.train("small-alexnet")       train it again

recipes         one row for each network
architectures   one file each
tasks           training tasks, one file each
data            training images
training        training a network
random_init     random weights, given by a seed
dictionaries    sparse autoencoders on their layers
others          what else ships: one row each, and the module that trains it
shipped         networks as shipped

`n2vlib.load_network` loads them by name. It imports `n2vlib.zoo.shipped` and not this package's names, so that
a change of the training does not make stored measurements stale: these depend on the weights' hash.
"""

from typing import TYPE_CHECKING, Any

from n2vlib.lazy import submodules
from n2vlib.zoo.shipped import card, load, names

if TYPE_CHECKING:
    from n2vlib.zoo.training import train

__all__ = ["card", "load", "names", "train"]
_submodule = submodules(__name__)


def __getattr__(name: str) -> Any:
    """`train` and the submodules, imported when they are first asked for: scenes and scikit-learn take a second."""
    if name == "train":
        from n2vlib.zoo import training

        return training.train
    return _submodule(name)
