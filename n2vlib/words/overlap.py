"""Word overlap of descriptions with references, by nltk's BLEU (Papineni et al. 2002), as MILAN reports it.

The paper used sacrebleu, whose tokenizer and smoothing serve translation of long texts; here texts are already words,
and nltk is a dependency of the book anyway.
"""

from collections.abc import Sequence
from importlib import import_module

from n2vlib.errors import BadInput
from n2vlib.words.phrases import words_of

ORDER = 2  # longest run of words: many of our descriptions have two words, so that no run of four exists


def bleu(texts: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Corpus BLEU of texts with several references each, by runs of up to ORDER words: 0 to 1.

    Raises BadInput where nltk is missing.
    """
    try:
        score = import_module("nltk.translate.bleu_score")
    except ModuleNotFoundError:
        raise BadInput("BLEU needs nltk; install it with pip install 'n2vlib[words]'") from None
    of = [[words_of(each) for each in several] for several in references]
    smooth = score.SmoothingFunction().method1
    weights = [1 / ORDER] * ORDER
    return float(score.corpus_bleu(of, [words_of(text) for text in texts], weights, smoothing_function=smooth))
