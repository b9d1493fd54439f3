"""What a browser would make of a page: the elements that it opens, the pixels inside a path."""

import re
from html.parser import HTMLParser

import numpy as np


def filled(path: str, size: tuple[int, int]) -> np.ndarray:
    """The pixels inside a path: those with an odd number of edges to their left."""
    mask = np.zeros(size, bool)
    for loop in filter(None, path.split("z")):
        x, y = map(int, re.match(r"M(\d+) (\d+)", loop).groups())
        for way, length in re.findall(r"([hv])(-?\d+)", loop):
            if way == "v":
                for row in range(min(y, y + int(length)), max(y, y + int(length))):
                    mask[row, x:] ^= True
                y += int(length)
            else:
                x += int(length)
    return mask


class Tags(HTMLParser):
    """The elements that a browser's parser would open."""

    def __init__(self, text: str):
        super().__init__()
        self.opened: list[tuple[str, dict]] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.opened.append((tag, dict(attrs)))
