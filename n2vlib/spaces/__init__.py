"""Other semantic spaces, to hold beside a network's concept vectors: one file each, unit rows by concept number.

drawn      our own hypernym tree of the drawn world's concepts, and co-occurrence vectors of a probe set's labels
wordnet    WordNet's hypernyms, from a copy of yours
word2vec   word vectors, from a file of yours
"""

import pandas as pd

from n2vlib.probe import ProbeSet
from n2vlib.spaces import drawn, word2vec, wordnet

TREE = "our tree"
TOGETHER = "co-occurrence"
FEWEST = 10  # concepts; a space that knows fewer of the probe set's is left out


def others(probe: ProbeSet, wordnet_folder: str | None = None, vectors: str | None = None) -> dict[str, pd.DataFrame]:
    """{name: space} of what there is for this probe set, our tree and co-occurrence first, then WordNet and Word2Vec.

    wordnet_folder, vectors   copies of the user; None leaves them out
    A space with vectors for fewer than ten of the concepts is left out: our tree knows Broden's names as far as the
    drawn world has them.
    """
    found = {TREE: drawn.hypernyms(probe.concepts), TOGETHER: drawn.co_occurrence(probe)}
    if wordnet_folder is not None:
        found["WordNet"] = wordnet.hypernyms(probe.concepts, wordnet_folder)
    if vectors is not None:
        found["Word2Vec"] = word2vec.vectors(probe.concepts, vectors)
    return {name: space for name, space in found.items() if len(space) >= FEWEST}
