"""Names for filters from a list of phrases and a model that scores images against texts (CLIP-Dissect).

facts      what a drawn scene shows
captions   what can be said of it
pairs      drawn scenes with their facts
model      our small text-image model
training   trained on drawn scenes and captions, as it ships with the zoo
load       the user's model: of the zoo, of open_clip, or a function
phrases    the list of phrases, and what a phrase says of label maps
softwpmi   the score of a phrase for a unit
naming     the names of a layer's filters
truth      whether they hold on other images, and of planted units
agreement  whether two explanations speak of the same thing
"""

from n2vlib.lazy import submodules

__getattr__ = submodules(__name__)
