"""The library speaks the field's language: names that an older version had do not come back."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from n2vlib.paths import ROOT

# Old word -> the field's, which is used in its place.
OLD = {
    "api": "the package itself", "rest": "downstream", "Rest": "Downstream", "tail": "quantiles",
    "Tail": "RunningQuantile",
    "record": "hooks.capture, zoo.card, settings, as_json", "look": "style, vocabulary",
    "outline": "contours, segmentation", "outlines": "contours, segmentation", "exam": "evaluation",
    "Exam": "Evaluation", "leads": "margins", "lead": "margin", "cut": "iou_threshold, mask_bias",
    "cuts": "thresholds", "at_best_cut": "at_best_bias", "likeness": "concept_similarity", "company": "co-occurrence",
    "between": "rsa", "detecting": "detectors", "taught": "training", "maximal": "top_images",
    "individual": "per_image", "making": "builder", "floor": "tau_max",
    "twin": "randomly initialised", "twins": "random_init", "random_twin": "randomly_initialised",
    "teacher": "training task", "body": "architecture", "riddle": "pretext task", "at_levels": "at_thresholds",
    "Told": "LinearClassifier", "tell": "linear_classifier", "told": "scores", "said": "predicted, formatted, one_line",
    "scenes_told": "scene_accuracy", "restless": "concepts_detected", "deal": "draw_questions, assign",
    "dealt_anew": "if_permuted", "turned": "permuted, rotated", "cut_to_width": "subset_sizes",
    "reading": "probe_accuracy", "reading_lost": "probe_accuracy_lost", "kinship": "relatedness", "rivals": "exclusive",
    "taken_out": "project_out", "homes": "typical_scenes", "spoken": "predicted_words", "retell": "update_text",
}  # fmt: skip
# The drawn world's things have bodies and tails, and its rooms have floors; noise has levels.
_DRAWN = ("world", "planted")
_TABLES = ("analysis", "charts", "claims", "methods", "tables.py", "released_units.py")
_LATER = (
    "agents", "baselines", "compositional", "exports", "games", "generator", "local", "sentences", "significance",
    "text_image", "vectors", "words",
)  # fmt: skip
_MEANT = {"floor", "body", "tail", "cut"}  # of scenes and creatures; the edit that sets filters to zero


def files() -> list[Path]:
    library = [
        path for path in (ROOT / "n2vlib").rglob("*.py") if path.relative_to(ROOT / "n2vlib").parts[0] not in _DRAWN
    ]
    return sorted([*library, *(ROOT / "book").rglob("*.py")])


def names(path: Path, tree: ast.Module) -> Iterator[str]:
    """The module, public functions and classes, their parameters and fields, and texts that may name a column."""
    yield path.parent.name if path.name == "__init__.py" else path.stem
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node.name
            if isinstance(node, ast.FunctionDef):
                yield from (each.arg for each in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs])
            yield from (
                each.target.id
                for each in node.body
                if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
            )
        if isinstance(node, ast.keyword) and node.arg:
            yield node.arg
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            later = set(_LATER) & set(path.parts) and node.value not in _MEANT
            yield from [node.value] if later or set(_TABLES) & set(path.parts) else []


@pytest.mark.parametrize("path", files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_name_is_an_old_one(path):
    found = set(names(path, ast.parse(path.read_text(encoding="utf-8")))) & set(OLD)
    assert not found, {name: f"say {OLD[name]}" for name in found}
