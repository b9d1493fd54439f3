"""Networks with a known encoding: what a method should find is fixed beforehand, and compared with what it finds.

    plan = planted.assign(planted.eligible(probe, tau), spread=[1, 2, 4, 8], shared=[2, 4])
    spelled = planted.spell(probe, plan)                    a probe set whose photographs spell out their labels
    module = planted.network(plan, noise=[0, 20, 40])       one layer for each noise level
    network = n2vlib.load_network(module, None, planted.PREPROCESSING)
    layers = n2vlib.read_layers(network, module.levels, spelled, tau=tau)

The rest of the library needs to know nothing of this: the photographs are PNG files of a Broden folder, the network is
a torch module, and `shuffled` gives an ordinary probe set. `control` shows what the methods report where there is
nothing to find.

plan          which concept is planted in which filters, and how
photographs   photographs that spell out their labels, and shuffled labels
network       a torch module that encodes their concepts as planned
recovered     what the methods found, beside what was planted
controls      what the methods report where the answer is known without planting
"""

from n2vlib.planted.controls import control
from n2vlib.planted.network import PREPROCESSING, Planted, network
from n2vlib.planted.photographs import GRID, SIDE, every_nth, shuffled, spell, views
from n2vlib.planted.plan import PLANTS, VIEWS, Plan, assign, eligible
from n2vlib.planted.recovered import (
    CURVE,
    WEIGHTS,
    by_kind,
    ceiling,
    effective_filters,
    means,
    noise_of,
    number_of_filters,
    sharing,
)  # fmt: skip

__all__ = [
    "CURVE", "GRID", "PLANTS", "PREPROCESSING", "SIDE", "VIEWS", "WEIGHTS", "Plan", "Planted", "by_kind", "ceiling",
    "assign", "control", "effective_filters", "eligible", "every_nth", "means", "network", "noise_of",
    "number_of_filters", "sharing", "shuffled", "spell", "views",
]  # fmt: skip
