"""What lights a unit up, in words: descriptions of units, after MILAN (Hernandez et al. 2022).

exemplars   the images that a unit answers to most, and where in them
phrases     the language of descriptions, and where in an image a phrase holds
regions     regions of labelled images that play units, with descriptions: what a describer learns from
features    what a frozen network computes under a mask
model       attention over exemplars, the decoder, and the language model
decoding    beam search, and the reranking by pointwise mutual information
held_out    how often descriptions of units that are known are right
training    training, as it ships with the zoo or on any labelled probe set
describer   a trained describer: `load`, and descriptions of a layer's filters kept in the store
written     drawn scenes with writing on some of them
overlap     word overlap with references
truth       how much of what a description says is true of a unit's pixels
generalisation   the same describer asked of other networks
"""

from n2vlib.lazy import submodules

__getattr__ = submodules(__name__)
