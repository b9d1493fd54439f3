"""A convolutional network whose filters start an LSTM that says a caption (after Vinyals et al., 2015), small."""

import torch
from torch import Tensor, nn

from n2vlib.zoo.architectures.parts import OUTPUTS, pooled
from n2vlib.zoo.architectures.resnet import SmallResNet

STEPS = 10  # words of a caption, its end included


class SmallResNetCaptions(SmallResNet):
    """SmallResNet's body; what it saw starts an LSTM that is told its own last word at each step.

    saw        linear, from the average and the maximum of each filter to the LSTM's state
    words      what each word (and the silence before the first) tells the LSTM
    head       linear, from the LSTM's state to one score per word of the dictionary
    """

    def __init__(
        self,
        outputs: int = OUTPUTS,
        widths: tuple[int, int, int, int] = (24, 32, 64, 128),
        batch_norm: bool = False,
        memory: int = 128,
    ):
        super().__init__(outputs, widths, batch_norm)
        self.saw = nn.Linear(2 * widths[-1], memory)
        self.words = nn.Embedding(outputs + 1, memory)
        self.lstm = nn.LSTMCell(memory, memory)
        self.head = nn.Linear(memory, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Scores (image, step, word) of preprocessed images, float32 (image, 3, height, width)."""
        grid = self.layer3(self.layer2(self.layer1(self.stem(images))))
        hidden = torch.tanh(self.saw(pooled(grid)))
        memory, scores = torch.zeros_like(hidden), []
        said = torch.full((len(images),), self.words.num_embeddings - 1, device=images.device)
        for _ in range(STEPS):
            hidden, memory = self.lstm(self.words(said), (hidden, memory))
            scores.append(self.head(hidden))
            said = scores[-1].argmax(1)
        return torch.stack(scores, dim=1)
