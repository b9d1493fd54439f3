"""Networks: loading them, identifying them, and capturing what they compute for images.

load              a network by its name; its layers by the papers' names and by module names
readable          a network without its wrappers, shown images in its own precision
layers            the table of a network's layers
outputs           a module's output, one of several, or that of an attention's heads, by name
factories         sources of a network's module: torchvision, the zoo, a user's function
functions         a user's function, by its name or its file
libraries         sources that are optional: timm, and folders of Hugging Face's transformers
weights           weight files, read without running code
preprocessing     a network's input: size, mean, std, range
fingerprint       the identity of a network: a hash of its weights and its code
behaviour         a layer's outputs for a few fixed images, which show changes that code and weights do not
axes              the axes of a tensor: which of them are height and width, and which tokens are which cells
following         the axes of every tensor, followed through a forward pass
tokens            the cells of tokens, followed through functions that put tokens together or choose among them
declared          which tokens are cells, as the network itself says
layout            an output as (image, filter, h, w), and back
receptive_field   the part of the input that a cell of a layer sees
hooks             outputs of modules, captured in one forward pass
units             a linear map of a layer's filters, from a file, read as a layer
unit_files        the tensors of such a file, checked
saelens           units from a folder of SAELens
downstream        a network from one of its layers on
"""

from n2vlib.lazy import submodules

__getattr__ = submodules(__name__)
