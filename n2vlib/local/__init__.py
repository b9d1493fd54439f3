"""Explanations of single answers: LIME, and what they say beside what really happens (Ribeiro et al. 2016).

picture       the picture that is explained
superpixels   superpixels of a picture, and pictures with some of them hidden
lime          a linear model of how an answer depends on which superpixels are seen
pick          few pictures whose explanations together show what matters
removals      scenes drawn again without one thing: what it really does to the answer
effects       what LIME, filters at zero and concept directions predict of that
compared      the methods beside the truth, for each thing in each scene
agreement     how well predicted effects agree with true ones
"""
