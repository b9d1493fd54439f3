"""Weight files: tensors read without running code, and their names matched to the network's.

Names match unchanged or after exactly one renaming: torch's wrappers removed ("module." of DataParallel, "_orig_mod."
of torch.compile, anywhere in a name), one prefix removed or added, the names of torchvision's published DenseNets.
Every parameter and buffer of the network must be filled, else an error shows both lists of names. File and network may
differ only in counters that evaluation does not read (num_batches_tracked, n_averaged), further names of a tied tensor,
and, where a prefix is removed, what lies outside it (reported in the words that `fill` returns).
"""

import copy
import re
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from n2vlib.errors import BadInput

# A checkpoint may hold a network's weights several times: in double precision, averaged, an optimizer's two moments.
COPIES, SLACK = 16, 2**26
PREFIXES = 100  # tried at most; a network of one layer would match under the name of any layer

_WRAPPERS = re.compile(r"(?<![^.])(module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d\.)")
_COUNTERS = ("num_batches_tracked", "n_averaged")

States = dict[str, OrderedDict[str, Tensor]]


class Fit(NamedTuple):
    """A state dict under the network's names, and what remains of the file.

    where      key and prefix in the file, in words
    missing    names of the network that the file lacks
    beyond     names of the file that the network lacks, under the prefix
    left       names of the file outside the prefix
    """

    where: str
    state: OrderedDict[str, Tensor]
    missing: list[str]
    beyond: list[str]
    left: list[str]


def read_weights(path: Path, network: nn.Module) -> States:
    """State dicts of a .safetensors or torch file, by their key in the file ("" for the file itself).

    Raises BadInput for a file that is not one of tensors, or is far larger than the network's weights.
    """
    own = sum(values.nbytes for values in network.state_dict().values() if _plain(values))
    most = COPIES * own + SLACK
    try:
        if not path.is_file():
            raise BadInput(f"WEIGHTS {path}: {'no regular file' if path.exists() else 'no such file'}")
        size = path.stat().st_size
        if size <= most and path.suffix != ".safetensors" and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as parts:
                size = max(size, sum(part.file_size for part in parts.infolist()))
        if size > most:
            held, needed = f"{size / 2**20:,.0f} MiB", f"{own / 2**20:,.0f} MiB"
            hint = f"more than {COPIES} times as much; save network.state_dict() alone"
            raise BadInput(f"WEIGHTS {path}: {held} for a network of {needed}, {hint}")
        found = dict(_states(_tensors(path)))
    except BadInput:
        raise
    except Exception as failure:  # whatever a damaged or hostile file makes the readers raise
        kind = type(failure).__name__
        raise BadInput(f"WEIGHTS {path}: not a readable file of tensors only ({kind}); save a state dict") from failure
    if not found:
        raise BadInput(f"WEIGHTS {path}: not a file of tensors only (no names with tensors); save network.state_dict()")
    return found


def _tensors(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    beside = {"numpy.dtype", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"}
    if zipfile.is_zipfile(path):
        beside |= set(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    stand_ins: Any = [(_Number if name.startswith("numpy.") else _Beside, name) for name in sorted(beside)]
    with torch.serialization.safe_globals(stand_ins):
        return torch.load(path, map_location="cpu", weights_only=True)


class _Beside:
    """Replaces a Python object beside the weights (options, dates), so that none of its code runs."""

    def __new__(cls, *_args: object) -> Any:
        return OrderedDict()  # the only type that torch lets a file fill with items or attributes


class _Number:
    """Replaces a numpy number or array beside the weights."""

    def __init__(self, *_args: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def _states(found: Any, key: str = "", depth: int = 2) -> Iterator[tuple[str, OrderedDict[str, Tensor]]]:
    """Every mapping of names to tensors at most `depth` keys down."""
    if not isinstance(found, Mapping):
        return
    state = OrderedDict((name, values) for name, values in found.items() if isinstance(name, str) and _plain(values))
    if state:
        state._metadata = getattr(found, "_metadata", None)  # pyright: ignore[reportAttributeAccessIssue]
        yield key, state
    for name, inner in found.items() if depth else ():
        yield from _states(inner, f"{key}.{name}".strip("."), depth - 1)


def _plain(values: Any) -> bool:
    """Whether it is a tensor that can be copied into a network: not quantized, sparse, nested or without values."""
    return type(values) in (Tensor, nn.Parameter) and (
        values.layout == torch.strided and not (values.is_quantized or values.is_nested or values.is_meta)
    )


def fitting(states: States, network: nn.Module, weights: str) -> Fit | None:
    """The one state dict, under one renaming, whose names are the network's; None where there is none.

    Raises BadInput where several fit with different values.
    """
    found = [fit for fit in _candidates(states, network) if not fit.missing and not fit.beyond]
    if len(found) > 1:
        found = [fit for fit in found if not _misfit(fit, network)] or found
    if any(not torch.equal(values, fit.state[name]) for fit in found[1:] for name, values in found[0].state.items()):
        raise BadInput(
            f"WEIGHTS {weights}: it holds several that fit ({_few([f.where for f in found])}); save one alone"
        )
    return found[0] if found else None


def fill(network: nn.Module, states: States, weights: str) -> str:
    """Load the state dict that fits, all of it, and return in words where the weights are from.

    Raises BadInput, and leaves the network as it was, where none fits.
    """
    fit = fitting(states, network, weights)
    if fit:
        fault = _misfit(fit, network)
    else:
        near = min(_candidates(states, network), key=lambda one: len(one.missing) + len(one.beyond))
        fault = f"it lacks {_few(near.missing)}; it has {_few(near.beyond)} ({near.where})"
    if fault:
        state = next((state for state in states.values() if _torch_takes(network, state)), None)
        if state is None:
            raise BadInput(f"WEIGHTS {weights}: it does not fit this network: {fault}")
    else:
        assert fit is not None
        state = fit.state
    network.load_state_dict(_complete(state, network))
    return f"{weights}, without {_few(fit.left)} beside the network" if fit and fit.left and not fault else weights


def _candidates(states: States, network: nn.Module) -> Iterator[Fit]:
    """Every state dict under every renaming that could fit; where the names fit unchanged, no other."""
    own = network.state_dict()
    for key, state in states.items():
        seen = []
        for prefix, renamed in _renamings(list(state), list(own)):
            if renamed in seen:
                continue
            seen.append(renamed)
            fit = _fit(key, prefix, renamed, state, own)
            yield fit
            if prefix is None and not fit.missing and not fit.beyond:
                break


def _renamings(names: list[str], own: list[str]) -> Iterator[tuple[str | None, dict[str, str]]]:
    """(prefix removed, {name in the file: name in the network, or itself if there is none}) of the names under it."""
    yield None, {name: name for name in names}
    for spelled in (str, _bare, _published):
        there = {spelled(name): name for name in names}
        here = {name if spelled is str else _bare(name): name for name in own}
        if (len(there), len(here)) != (len(names), len(own)):
            continue  # two names would become one
        for prefix in ["", *_prefixes(list(here)[:2], list(there))]:
            under = {name.removeprefix(prefix): full for name, full in there.items() if name.startswith(prefix)}
            yield prefix, {full: here.get(name, full) for name, full in under.items()}
        for prefix in _prefixes(list(there)[:1], list(here)):
            yield "", {full: here.get(prefix + name, full) for name, full in there.items()}


def _prefixes(ends: list[str], names: list[str]) -> list[str]:
    """All prefixes before `ends` in `names`; none where there are too many to try."""
    found = {name.removesuffix(end) for end in ends for name in names if name.endswith("." + end)}
    return sorted(found) if len(found) <= PREFIXES else []


def _bare(name: str) -> str:
    return _WRAPPERS.sub("", name)


def _published(name: str) -> str:
    """A DenseNet's name as torchvision's class has it; its published files write norm.1, conv.1, norm.2 and conv.2."""
    return _DENSENET.sub(r"\1\2", _bare(name))


def _fit(key: str, prefix: str | None, renamed: dict[str, str], state: Mapping[str, Tensor], own: dict) -> Fit:
    named = OrderedDict((new, state[old]) for old, new in renamed.items() if new in own or not new.endswith(_COUNTERS))
    for name, other in _ties(own):
        if name not in named and other in named:
            named[name] = named[other]
    if prefix is None:
        named._metadata = getattr(state, "_metadata", None)  # pyright: ignore[reportAttributeAccessIssue]
    missing = [name for name in own if name not in named and not name.endswith(_COUNTERS)]
    where = " ".join(part for part in (key, prefix and f"{prefix}*") if part) or "the file itself"
    left = [name for name in state if name not in renamed and not name.endswith(_COUNTERS)]
    return Fit(where, named, missing, [name for name in named if name not in own], left)


def _ties(own: dict[str, Tensor]) -> Iterator[tuple[str, str]]:
    """Pairs of names that share one tensor."""
    at: dict[tuple, list[str]] = {}
    for name, values in own.items():
        if _plain(values) and values.data_ptr():
            at.setdefault((values.data_ptr(), values.shape, values.stride()), []).append(name)
    for names in at.values():
        yield from ((name, other) for name in names for other in names if name != other)


def _misfit(fit: Fit, network: nn.Module) -> str:
    """The first tensor of another shape, or of integers where the network has none; "" where all fit."""
    for name, mine in network.state_dict().items():
        theirs = fit.state.get(name)
        if theirs is None or nn.parameter.is_lazy(mine):
            continue
        if theirs.shape != mine.shape:
            return f"{name} is {tuple(theirs.shape)} in the file and {tuple(mine.shape)} in the network"
        if (theirs.is_floating_point(), theirs.is_complex()) != (mine.is_floating_point(), mine.is_complex()):
            return f"{name} is {theirs.dtype} in the file and {mine.dtype} in the network"
    return ""


def _torch_takes(network: nn.Module, state: OrderedDict[str, Tensor]) -> bool:
    """Whether the network's own upgrade of older files accepts it (torchvision's detectors, transformers, MNASNet)."""
    own = network.state_dict()
    if any(
        name in own and values.is_floating_point() != own[name].is_floating_point() for name, values in state.items()
    ):
        return False
    try:
        copy.deepcopy(network).load_state_dict(_complete(state, network))
    except Exception:  # modules raise what they like, and may refuse to be copied
        return False
    return True


def _complete(state: OrderedDict[str, Tensor], network: nn.Module) -> OrderedDict[str, Tensor]:
    """The state dict with the network's own counters where it has none, and the version that MNASNet requires."""
    counters = {n: v for n, v in network.state_dict().items() if n.endswith(_COUNTERS) and n not in state}
    whole = OrderedDict({**state, **counters})
    current = {name: {"version": 2} for name, part in network.named_modules() if type(part).__name__ == "MNASNet"}
    whole._metadata = getattr(state, "_metadata", None) or current  # pyright: ignore[reportAttributeAccessIssue]
    return whole


def _few(names: list[str]) -> str:
    """The first three names and the count of the rest."""
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return (", ".join(name[:60] for name in names[:3]) or "nothing more") + rest
