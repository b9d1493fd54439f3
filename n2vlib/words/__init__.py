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
properties  what descriptions are like: length, parts of speech, spread, nearness to a word
ablated     filters set to zero in an order, and what the network still answers
audit       which networks have filters described by a word
marked      images with a written mark, and what networks make of them
edit        filters cut by what describes them until validation says stop
uses        the three uses measured at once
grice       whether a description is true, short, and every word to the point (Grice's maxims)
behaviour   what filters do on two halves of the images, and where explanations hold
shares      how much of what a filter does an explanation accounts for
"""

from n2vlib.lazy import submodules

__getattr__ = submodules(__name__)
