"""Networks of the zoo as shipped: float16 weights whose hash is verified, and random ones drawn from their seed."""

import hashlib
import json
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from n2vlib.errors import BadInput, near
from n2vlib.files.partial import atomic
from n2vlib.networks.preprocessing import Preprocessing
from n2vlib.zoo.others import OTHERS
from n2vlib.zoo.random_init import random_state
from n2vlib.zoo.recipes import ARCHITECTURES, PREPROCESSING, RECIPES, Recipe

FOLDER = Path(__file__).parent / "files"


def names() -> list[str]:
    """Names of the zoo's networks, snapshots of a training (name@step) before its final network."""
    return [name for row in RECIPES.values() for name in row.files]


def recipe(name: str) -> Recipe:
    """The row of the table; BadInput with near matches for a name that is not in it."""
    if name not in names():
        raise BadInput(f"zoo: no network {name!r}; {near(name, names())}")
    return RECIPES[name.partition("@")[0]]


def load(name: str, folder: Path = FOLDER) -> tuple[nn.Module, Preprocessing]:
    """The network and its preprocessing, in eval mode, float32 on the CPU.

    folder   where the weights lie: <name>.safetensors and <name>.json
    Raises BadInput where a file is missing, the card is another network's, or the sha256 is not the card's.
    """
    row = recipe(name)
    state = random_state(new_state(row), row.seed) if row.task is None else verified(name, folder)
    outputs = len(state["head.bias"])
    module = ARCHITECTURES[row.architecture](outputs=outputs, **row.options)
    module.load_state_dict({key: values.float() for key, values in state.items()})
    return module.eval(), PREPROCESSING


def dictionary(name: str, folder: Path = FOLDER) -> Path:
    """The file of one of the zoo's dictionaries, as `networks.units` reads it; BadInput where `load` raises it."""
    verified(name, folder)
    return folder / f"{name}.safetensors"


def card(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """The card of a network or of one of OTHERS, the JSON beside its weights: recipe, data, accuracy, sha256; of random
    weights the recipe.

    Raises BadInput where it is missing, damaged, or another network's.
    """
    row = None if name in OTHERS else recipe(name)
    if row and row.task is None:
        return {"name": name, "task": None, "architecture": row.architecture, "seed": row.seed}
    path = folder / f"{name}.json"
    if not path.exists():
        raise BadInput(f"zoo: {name} has not been trained yet ({path} is missing); run python -m n2vlib zoo {name}")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise BadInput(
            f"zoo: {path} is damaged (it is no JSON); get it again, or run python -m n2vlib zoo {name}"
        ) from None
    if not isinstance(found, dict) or not isinstance(found.get("sha256"), str):
        raise BadInput(f"zoo: {path} is damaged (it has no sha256); get it again, or run python -m n2vlib zoo {name}")
    if found.get("name") != name:
        raise BadInput(
            f"zoo: {path} is the card of {found.get('name')!r}; get {name} again, or run python -m n2vlib zoo {name}"
        )
    return found


def verified(name: str, folder: Path = FOLDER) -> dict[str, Tensor]:
    """The tensors of a file of the zoo; BadInput where it is missing, or its sha256 is not its card's."""
    from safetensors.torch import load

    wanted, path = card(name, folder)["sha256"], folder / f"{name}.safetensors"
    if not path.exists():
        raise BadInput(f"zoo: {path} is missing; run python -m n2vlib zoo {name}")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != wanted:
        raise BadInput(
            f"zoo: {path} is damaged (sha256 differs from its card); get it again, or run python -m n2vlib zoo {name}"
        )
    return load(data)


def write(folder: Path, name: str, weights: bytes, card: dict[str, Any]) -> None:
    """Write <name>.safetensors and <name>.json: the weights first, so that a card never stands beside older ones."""
    folder.mkdir(parents=True, exist_ok=True)
    for ending, content in ((".safetensors", weights), (".json", f"{json.dumps(card, indent=1)}\n".encode())):
        with atomic(folder / f"{name}{ending}") as part:
            part.write_bytes(content)


def new_state(row: Recipe) -> dict[str, Tensor]:
    """Names and shapes of a recipe's weights."""
    return ARCHITECTURES[row.architecture](**row.options).state_dict()
