"""Other semantic spaces, to compare with a network's concept vectors: one file each, unit rows by concept number.

drawn      our own hypernym tree of the drawn world's concepts, and co-occurrence vectors of a probe set's labels
wordnet    WordNet's hypernyms, from the user's copy
word2vec   word vectors, from the user's file
names      a probe set's concept names as words
"""

import pandas as pd

from n2vlib.probe import ProbeSet
from n2vlib.spaces import drawn, word2vec, wordnet

TREE = "our tree"
TOGETHER = "co-occurrence"
FEWEST = 10  # concepts; a space that knows fewer of the probe set's is left out


def others(probe: ProbeSet, wordnet_folder: str | None = None, vectors: str | None = None) -> dict[str, pd.DataFrame]:
    """{name: space} for this probe set: our tree and co-occurrence, then WordNet and Word2Vec.

    wordnet_folder, vectors   the user's copies; None leaves them out
    A space with vectors for fewer than ten of the concepts is left out: of Broden's names, our tree has only those of
    the drawn world.
    """
    found = {TREE: drawn.hypernyms(probe.concepts), TOGETHER: drawn.co_occurrence(probe)}
    if wordnet_folder is not None:
        found["WordNet"] = wordnet.hypernyms(probe.concepts, wordnet_folder)
    if vectors is not None:
        found["Word2Vec"] = word2vec.vectors(probe.concepts, vectors)
    return {name: space for name, space in found.items() if len(space) >= FEWEST}
