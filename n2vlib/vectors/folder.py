"""Masks and scores of many images as a folder: complete or not there, made image by image, so a stopped run continues.

scores.csv     a row for each image and concept; of single filters and of dissection, with the filter
masks/         for segmentation: masks/NUMBER-CONCEPT/IMAGE.png, white where the concept is
about.json     what made it, and the images left out; without times and paths
"""

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from n2vlib.errors import BadInput
from n2vlib.files.cells import as_csv
from n2vlib.files.output import new_folder
from n2vlib.networks.load import Network
from n2vlib.progress import bar
from n2vlib.store import digest
from n2vlib.vectors import pictures
from n2vlib.vectors.applied import Applied, applied
from n2vlib.vectors.log import Log
from n2vlib.vectors.saved import Vectors
from n2vlib.workers.threads import ahead

SIZES = ("labels", "image")
HEAD = {
    "segmentation": ("image", "concept", "name", "category", "pixels", "share"),
    "classification": ("image", "concept", "name", "category", "score", "probability", "found"),
}


def apply(
    out: str | Path,
    vectors: Vectors,
    network: Network,
    images: Sequence[str | Path],
    *,
    size: str = "labels",
    layer: str | None = None,
    device: str = "auto",
    anyway: bool = False,
    skip_damaged: bool = False,
) -> Path:
    """Write the masks and scores of images into a new folder; returns its path.

    out            relative to the repository root; it appears when it is complete
    images         files and folders (`pictures.find`)
    size           of masks: "labels", the label size of the probe set; "image", of each image as it is displayed
    layer, anyway  as in `applied`
    skip_damaged   name images that cannot be read and leave them out, instead of stopping at the first
    Raises BadInput before anything is written where an image's header, the network or a layer is wrong. Where the rest
    of an image is damaged the run stops, and continues there when it is called again.
    """
    if size not in SIZES:
        raise BadInput(f"size {size!r}: say {' or '.join(map(repr, SIZES))}")
    folder, files = new_folder(out), pictures.find(images)
    bad = pictures.problems(list(files.values()))
    if bad and not skip_damaged:
        raise BadInput(_first_of(list(bad.values())))
    ready = applied(vectors, network, (), layer=layer, device=device, anyway=anyway)
    assert not [*ready]  # the network has been checked
    good = {name: file for name, file in files.items() if file not in bad}
    run = _Run(folder, vectors, size, skip_damaged)
    log = run.begin(good, [network.fingerprint, network.preprocessing.as_json(), network.layer(layer or vectors.layer)])
    waiting = {name: file for name, file in good.items() if name not in log.at}
    names: list[str] = []
    wrong: list[BadInput] = []
    shown = run.images(waiting, names, wrong)
    found = applied(vectors, network, shown, layer=layer, device=device, anyway=True)
    for name, rows in bar(ahead(run.write, zip(found, names, strict=False)), "applying vectors", len(waiting)):
        log.add(name, rows)
    if wrong and not skip_damaged:
        raise wrong[0]
    run.finish(log, [*files], network.fingerprint)
    run.work.rename(folder)
    return folder


def left_out(folder: Path) -> list[str]:
    """Names of the images that `apply` could not read and left out of a folder."""
    return json.loads((folder / "about.json").read_text(encoding="utf-8"))["left out"]


@dataclass(frozen=True)
class _Run:
    """One call of `apply`; its results lie in the folder `work` until all are there."""

    folder: Path
    vectors: Vectors
    size: str
    skip_damaged: bool

    @property
    def work(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.work")

    def begin(self, files: dict[str, Path], network: list) -> Log:
        """What a stopped run of the same call has finished, or an empty log in a new working folder.

        network   JSON values that identify the network and its layer
        """
        plan, kept = digest([_content(self.vectors), self.size, network]), self.work / "plan.txt"
        if self.work.exists() and not (kept.is_file() and kept.read_text(encoding="ascii") == plan):
            if not kept.is_file():
                raise BadInput(f"{self.work}: is in the way and not of an earlier run; move it, or name another folder")
            shutil.rmtree(self.work)
        self.work.mkdir(parents=True, exist_ok=True)
        kept.write_text(plan, encoding="ascii")
        return Log(self.work / "log.jsonl", {name: _state(file) for name, file in files.items()})

    def images(self, files: dict[str, Path], names: list[str], wrong: list[BadInput]) -> Iterator[NDArray[np.uint8]]:
        """The images that can be read, up to the first that cannot unless such are skipped.

        names, wrong   to which their names are appended, and what is wrong with the others
        """
        for name, image in zip(files, ahead(_read, files.values()), strict=True):
            if not isinstance(image, BadInput):
                names.append(name)
                yield image
                continue
            wrong.append(image)
            if not self.skip_damaged:
                return

    def write(self, one: tuple[Applied, str]) -> tuple[str, list[tuple]]:
        """Write the masks of an image; returns its name and its rows of the table."""
        found, name = one
        if self.vectors.about.task == "classification":
            more = [_scored(float(score)) for score in found.scores]
        else:
            size = found.size if self.size == "image" else None
            more = [self._mask(found.mask(row, size), row, name) for row in range(len(self.vectors.weights))]
        own = [(k,) for k in self.vectors.filters] or [()] * len(more)
        both = zip(self.vectors.about.concepts, more, own, strict=True)
        return name, [(name, *concept, *rest, *one) for concept, rest, one in both]

    def _mask(self, mask: NDArray[np.bool_], row: int, name: str) -> tuple[int, float]:
        number, concept, _ = self.vectors.about.concepts[row]
        file = self.work / "masks" / f"{number}-{_word(concept)}" / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(file)  # one bit a pixel
        return int(mask.sum()), float(f"{mask.mean():.6g}")

    def finish(self, log: Log, names: list[str], network: str) -> None:
        """Write the table, in the order of the images, and what made it."""
        done = [name for name in names if name in log.at]
        with (self.work / "scores.csv").open("w", encoding="utf-8", newline="") as table:
            own = ("filter",) if self.vectors.filters else ()
            table.write(as_csv([HEAD[self.vectors.about.task] + own]))
            for name in done:
                table.write(as_csv(log.rows(name)))
        about = {"vectors": asdict(self.vectors.about), "sha256": _content(self.vectors), "applied to network": network}
        about |= {"mask size": self.size, "left out": sorted({*names} - {*done})}
        (self.work / "about.json").write_text(json.dumps(about, ensure_ascii=False, indent=1), encoding="utf-8")
        log.file.unlink()
        (self.work / "plan.txt").unlink()


def _first_of(problems: list[str]) -> str:
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{problems[0]}{more}; mend or remove it, or leave such images out with skip_damaged=True (--skip-damaged)"


def _read(file: Path) -> "NDArray[np.uint8] | BadInput":
    try:
        return pictures.read_displayed(file)
    except BadInput as error:
        return BadInput(_first_of([str(error)]))


def _content(vectors: Vectors) -> str:
    """sha256 of the vectors, whichever file they are from."""
    arrays = (vectors.weights, vectors.bias, vectors.thresholds, vectors.centre, vectors.scale)
    return digest([asdict(vectors.about), *(sha256(np.ascontiguousarray(each).data).hexdigest() for each in arrays)])


def _word(name: str) -> str:
    """A concept's name as part of a file's name."""
    return re.sub(r"[^\w.-]+", "-", name)[:60].strip("-.")


def _state(file: Path) -> list[int]:
    """What changes when a file does."""
    found = file.stat()
    return [found.st_size, found.st_mtime_ns]


def _scored(score: float) -> tuple[float, float, int]:
    return float(f"{score:.6g}"), float(f"{1 / (1 + np.exp(-score)):.6g}"), int(score > 0)
