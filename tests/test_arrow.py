"""Imports follow the data: a module imports only from its own stage and from stages before it."""

import ast

import pytest

from n2vlib.paths import ROOT
from n2vlib.sources import _imports_in, module_file

# A folder or module and its stage; the longest name that fits decides.
STAGES = {
    0: "errors vocabulary lazy paths progress device files workers sources reads store published tables display",
    1: "kernels masks.iou masks.conventions probe world spaces.names pages games",
    2: "networks zoo",
    3: "activations",
    4: "masks.counts methods",
    5: "analysis baselines significance compositional planted spaces released_units vectors sentences words agents "
    "generator local text_image",
    6: "charts",
    7: "claims compare_page report exports probe_page rating_page made_by parameters",
    8: "builder doctor cli __main__",
}
STAGE_OF = {name: stage for stage, names in STAGES.items() for name in names.split()}


def stage(module: str) -> int:
    """The stage of n2vlib.<module>."""
    parts = module.removeprefix("n2vlib.").split(".")
    known = [name for n in range(len(parts), 0, -1) if (name := ".".join(parts[:n])) in STAGE_OF]
    assert known, f"{module} has no stage: add it to STAGES"
    return STAGE_OF[known[0]]


def modules() -> list[str]:
    files = [path.relative_to(ROOT).with_suffix("") for path in (ROOT / "n2vlib").rglob("*.py")]
    names = [".".join(path.parts).removesuffix(".__init__") for path in files]
    return sorted(name for name in names if name not in ("n2vlib", "n2vlib.masks"))


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_what_comes_before_it(module):
    path = module_file(module)
    assert path is not None
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    imported = _imports_in(ast.parse(path.read_bytes()), package)
    later = [name for name in imported if name not in ("n2vlib", "n2vlib.masks") and stage(name) > stage(module)]
    assert not later, f"{module} (stage {stage(module)}) imports {later}"
