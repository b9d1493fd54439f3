"""The parameters of chapters, checked before anything is computed.

A chapter declares each parameter as one annotated line, `NAME: type = literal  # help`. The annotation gives the type,
and `RULES` the allowed values of known names. The same check serves the chapter's first cell and the book's runner.
"""

import ast
import re
from collections.abc import Mapping, Set
from types import ModuleType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from n2vlib.device import named
from n2vlib.errors import BadInput, near
from n2vlib.files.userfiles import yaml_mapping
from n2vlib.paths import ROOT

Text = Annotated[str, Field(min_length=1)]
Positive = Annotated[int, Field(ge=1)]
Names = Annotated[list[Text], Field(min_length=1)]


def listed(name: str) -> list[Any]:
    """The list of networks "file/name": of that name in params/networks/file.yml."""
    file, _, wanted = name.partition("/")
    path = LISTS / f"{file}.yml"
    known = yaml_mapping(path) if re.fullmatch(r"[\w-]+", file) and path.exists() else {}
    if not isinstance(known.get(wanted), list):
        names = [f"{path.stem}/{each}" for path in sorted(LISTS.glob("*.yml")) for each in yaml_mapping(path)]
        raise ValueError(f"no list of networks has this name; {near(name, names)}")
    return known[wanted]


def _distinct(names: Any) -> Any:
    if isinstance(names, list) and len({str(name) for name in names}) < len(names):
        raise ValueError("a name is given twice")
    return names


def _runs(rows: Any) -> Any:
    """The same for runs, each of which may have a probe set and a seed of its own."""
    return _networks(rows, _OF_A_NETWORK | {"probe", "seed"})


def _networks(rows: Any, known: Set[str] | None = None) -> Any:
    """Check entries {network, layer} with their optional keys; the error names the entry. A text names a list."""
    rows, known = listed(rows) if isinstance(rows, str) else rows, known or _OF_A_NETWORK
    for place, row in enumerate(rows if isinstance(rows, list) else []):
        given = set(row) if isinstance(row, dict) else set()
        for key in ("network", "layer"):
            if key not in given:
                raise ValueError(f"entry {place} has no {key!r}")
        if unknown := given - known:
            raise ValueError(f"entry {place} has {min(unknown)!r}, which is none of {', '.join(sorted(known))}")
        if row.get("training") not in (None, *TRAININGS):
            raise ValueError(f"entry {place}: training is one of {', '.join(TRAININGS)}")
    return rows


LISTS = ROOT / "params" / "networks"
# What a network was trained by, as Figure 6 groups them.
TRAININGS = ("supervised", "self-supervised", "random")
_OF_A_NETWORK = {"network", "layer", "label", "steps", "training", "weights", "preprocessing"}

RULES: dict[str, Any] = {
    "PROBE": Text,
    "NETWORK": Text,
    "WEIGHTS": str | None,
    # The values: n2vlib.networks.preprocessing.
    "PREPROCESSING": dict[Literal["size", "mean", "std", "range", "interpolation"], Any] | None,
    "LAYERS": Annotated[Names, BeforeValidator(_distinct)],
    "TAU": Annotated[float, Field(gt=0, lt=1)],
    "EPOCHS": Annotated[int, Field(ge=1, le=1_000_000)],
    "SEED": Annotated[int, Field(ge=0, lt=2**32)],
    "DEVICE": Annotated[str, AfterValidator(named)],
    "STORE": str | None,
}
_OF_NETWORKS = {"NETWORKS": 1, "RUNS": 1, "ALONG": 2, "BACK": 2} | dict.fromkeys(  # and how many entries each needs
    ("MAPS", "BY_LAYER", "CONDITIONS", "SNAPSHOTS", "TO_SCENES", "TO_OBJECTS", "WIDTHS", "REPEATS"), 0
)
COMMON = tuple(RULES)  # the block every chapter declares
# Parameters that may be a file or a folder.
PATHS = (
    "PROBE", "NETWORK", "SECOND", "WEIGHTS", "STORE", "WORDNET", "WORD2VEC", "UNITS", "RATINGS", "DICTIONARY",
    "IMAGE_FOLDER", "LABELS", "SENTENCES", "PASTED", "IMAGE", "GENERATOR", "SEGMENTER", "PHRASES", "TEXT_IMAGE",
    "COLORS", "PEOPLE", "FEATURES", "CAPTIONS",
)  # fmt: skip
RULES |= {  # and those of some chapters only
    "ALIGN_CORNERS": bool,
    "EXPRESSIONS": list[Text],
    "WORDNET": str | None,
    "WORD2VEC": str | None,
    "SUBSETS_SEGMENTATION": Annotated[list[Positive], Field(min_length=1), BeforeValidator(_distinct)],
    "SUBSETS_CLASSIFICATION": Annotated[list[Positive], Field(min_length=1), BeforeValidator(_distinct)],
    "NOISE": Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1), BeforeValidator(_distinct)],
    "CHANNEL_NOISE": Annotated[list[Positive], Field(min_length=1), BeforeValidator(_distinct)],
    "PLANTED_FILTERS": Annotated[list[Positive], Field(min_length=1), BeforeValidator(_distinct)],
    "SHARED_BY": Annotated[list[Positive], BeforeValidator(_distinct)],
    "IMAGES": Positive,
    "C": Annotated[float, Field(gt=0)],
    "IOU_THRESHOLD": Annotated[float, Field(ge=0, lt=1)],
    "CONVENTION": Text,
    "UNITS": str | None,
    "RATINGS": str | None,
    "RATED": Positive,
    "SECOND": Text,
    "ALPHAS": Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=1), BeforeValidator(_distinct)],
    "BEAM": Positive,
    "DESCRIBER": Text,
    "SENTENCES": Text,
    "COLORS": Text,
    "CREATURES": Annotated[int, Field(ge=50, le=100_000)],
    "FEATURES": str | None,
    "CAPTIONS": str | None,
    "GAMES": Annotated[int, Field(ge=50, le=20_000)],
    "STATES": Annotated[int, Field(ge=20, le=4_096)],
    "CODE_BOOKS": Annotated[int, Field(ge=2, le=1_000)],
    "PEOPLE": Text,
    "DRAWN_PAIRS": Annotated[int, Field(ge=200)],
    "SEARCHED": Annotated[int, Field(ge=10)],
    "LEAST": Annotated[float, Field(ge=0, lt=1)],
    "CLASSES": Annotated[list[Text] | None, Field(min_length=2)],
    "ROTATIONS": Positive,
    "IMAGE_FOLDER": str | None,
    "PASTED": str | None,
    "PHRASES": str | None,
    "TEXT_IMAGE": Text,
    "SCENES": Positive,
    "IMAGE": str | None,
    "SAMPLES": Annotated[int, Field(ge=100)],
    "SAMPLES_EACH": Annotated[int, Field(ge=50)],
    "EDITS": Positive,
    "LABELS": str | None,
    "TRUE_ON": Positive,
    "WORDS": Annotated[list[Text], Field(min_length=1), BeforeValidator(_distinct)],
    "SIZE": Annotated[int, Field(ge=16, le=4096)],
    "DICTIONARY": str | None,
    "RANDOM_SETS": Positive,
    "GENERATOR": Text,
    "SEGMENTER": Text,
    "UNITS_OF": Text,
    "PICTURES": Annotated[int, Field(ge=20)],
    "EDITED": Annotated[int, Field(ge=2)],
    "STEPS": Positive,
    "TAUS": Annotated[list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=1), BeforeValidator(_distinct)],
}
RULES |= {
    name: Annotated[
        list[dict[str, Any]], Field(min_length=least), BeforeValidator(_runs if name == "RUNS" else _networks)
    ]
    for name, least in _OF_NETWORKS.items()
}

# Names that IPython itself puts into a notebook's namespace.
_IPYTHON = {"In", "Out", "exit", "quit", "open", "get_ipython"}
_CHECKED = "_n2v_parameters_checked"


def check_parameters(namespace: dict[str, Any]) -> None:
    """Check every public name of a chapter's namespace against what the chapter declares; call it with `globals()`.

    Raises BadInput for an unknown name, a value of the wrong type or out of range: one line that names the parameter.
    Where the cell runs a second time in one session, the chapter's own results are in the namespace too, so only the
    declared names are checked then.
    """
    declared = {name: type_ for name, type_ in namespace.get("__annotations__", {}).items() if name[0] != "_"}
    if _CHECKED not in namespace:
        for name, value in namespace.items():
            if name[0] != "_" and name not in _IPYTHON and not isinstance(value, ModuleType):
                check_name(name, list(declared))
    for name, type_ in declared.items():
        check_value(name, namespace[name], type_)
        namespace[name] = in_full(name, namespace[name])
    namespace[_CHECKED] = True


def check_name(name: str, declared: list[str]) -> None:
    """Raise BadInput where the chapter declares no parameter `name`."""
    if name not in declared:
        raise BadInput(f"{name}: this chapter has no such parameter; {near(name, declared)}")


def in_full(name: str, value: Any) -> Any:
    """The value of a parameter, checked before; a list of networks in place of its name."""
    return listed(value) if name in _OF_NETWORKS and isinstance(value, str) else value


def check_value(name: str, value: Any, type_: Any) -> None:
    """Raise BadInput where `value` breaks the rule of a known name, or is not of the annotated type of another.

    The rule says which known names may be null: papermill cannot read an annotation such as `str | None`.
    Types are strict: True is no integer and "5" no number; an integer serves as a float.
    """
    try:
        TypeAdapter(RULES.get(name, type_), config=_STRICT).validate_python(value)
    except ValidationError as error:
        raise BadInput(_one_line(name, value, error)) from None


_STRICT = ConfigDict(strict=True, allow_inf_nan=False)
_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")


def _one_line(name: str, value: Any, error: ValidationError) -> str:
    # A union reports one error for each member; None is the least informative of them.
    first = next((e for e in error.errors() if e["type"] != "none_required"), error.errors()[0])
    inner = [f"[{part}]" for part in first["loc"] if isinstance(part, int)]
    what = first["msg"].removeprefix("Value error, ").replace("Input should", "should").split(" after validation")[0]
    hint = ""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        hint = f" (YAML reads {value} as text: write {value.replace('e', '.0e', 1)})"
    elif first["type"] == "string_type" and isinstance(first["input"], int | float):
        hint = f' (YAML reads a name of digits as a number: write it in quotes, "{first["input"]}")'
    return f"{name}{''.join(inner)}: {what}, got {value!r}{hint}"


def declared_in(source: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The types and the defaults, by name, that the source of a parameters cell declares.

    Raises BadInput where a line is anything but `NAME: type = literal`: papermill would not see such a parameter.
    """
    tree = ast.parse(source)
    for node in tree.body:
        if not isinstance(node, ast.AnnAssign) or node.end_lineno != node.lineno or not _is_literal(node.value):
            raise BadInput(f"parameters cell, line {node.lineno}: write `NAME: type = literal  # help`, on one line")
    values: dict[str, Any] = {}
    exec(compile(tree, "<parameters>", "exec"), values)  # literals only, as just checked
    types = values.pop("__annotations__", {})
    return types, {name: values[name] for name in types}


def _is_literal(node: ast.expr | None) -> bool:
    try:
        ast.literal_eval(node or "")
    except (ValueError, SyntaxError):
        return False
    return True


def differing(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The values that differ from a chapter's defaults: only these are written into the executed notebook."""
    return {name: value for name, value in values.items() if defaults[name] != value}
