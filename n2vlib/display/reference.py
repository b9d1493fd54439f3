"""A reference: public names, signatures as the source writes them, and docstrings."""

import ast
import inspect
from collections.abc import Iterator
from functools import cached_property
from html import escape
from importlib import import_module
from inspect import Parameter
from textwrap import dedent, indent
from typing import Any

from n2vlib import MODULES, PLACES
from n2vlib.display.html_table import Shown
from n2vlib.sources import module_file

_STARS = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}
_WIDTH = 84  # characters; a longer signature has one line for each parameter
_PRE = "white-space:pre-wrap;overflow-wrap:anywhere;margin:0;padding:0;border:0;background:none;font-size:.84em;"
_BELOW = "margin:.3em 0 1em 2em"


def reference(*things: Any, folded: bool = False) -> Shown:
    """The entries of functions, of classes with their public members, and of all functions of a module.

    folded   show name and first line; a click opens the rest
    The anchor of an entry is its public name, such as `#n2vlib.load_probe`.
    """
    entries = [_entry(name, thing, folded) for each in things for name, thing in _named(each)]
    return _together(entries)


def modules() -> Shown:
    """Every module that `import n2vlib` gives, with the first line of its docstring; a click opens the rest.

    The anchor of an entry is the module's public name. None is imported for it.
    """
    files = {f"n2vlib.{name}": module_file(f"n2vlib.{place}") for name, place in MODULES.items()}
    said = {name: ast.get_docstring(ast.parse(file.read_bytes())) or "" for name, file in sorted(files.items()) if file}
    entries = [Shown(_folded(name, each, _pre(each)), f"{name}\n{indent(each, '    ')}") for name, each in said.items()]
    return _together(entries)


def public_name(thing: Any) -> str:
    """The shortest name of a function, class or module of ours: n2vlib.load_probe, n2vlib.gallery.show."""
    if inspect.ismodule(thing):
        module = thing.__name__.removeprefix("n2vlib.")
        return f"n2vlib.{next((short for short, place in MODULES.items() if place == module), module)}"
    name, module = thing.__name__, import_module(thing.__module__)
    if PLACES.get(name) == module.__name__.removeprefix("n2vlib."):
        return f"n2vlib.{name}"
    package = import_module(module.__name__.rpartition(".")[0])
    return f"{public_name(package if getattr(package, name, None) is thing else module)}.{name}"


def _named(thing: Any) -> Iterator[tuple[str, Any]]:
    """The functions of a module by their public names, or the thing itself by its own."""
    if not inspect.ismodule(thing):
        yield public_name(thing), thing
        return
    own = [name for name, each in vars(thing).items() if name[0] != "_" and each.__class__ is type(_named)]
    own = getattr(thing, "__all__", [name for name in own if getattr(thing, name).__module__ == thing.__name__])
    yield from (
        (f"{public_name(thing)}.{name}", each) for name in own if inspect.isfunction(each := getattr(thing, name))
    )


def _together(entries: list[Shown]) -> Shown:
    # The style sheet gives outputs of this class the colors of the page.
    html = f'<div class="n2v-table">{"".join(entry.html for entry in entries)}</div>'
    return Shown(html, "\n\n".join(entry.text for entry in entries))


def _pre(text: str, style: str = "") -> str:
    return f'<pre style="{_PRE}{style}">{escape(text)}</pre>'


def _folded(name: str, said: str, html: str) -> str:
    words = f"<code>{name}</code> {escape(said.partition(chr(10))[0])}"
    return f'<details id="{name}"><summary>{words}</summary>{html}</details>'


def _entry(name: str, thing: Any, folded: bool = False) -> Shown:
    signature, said = _signature(name, thing), inspect.cleandoc(thing.__doc__ or "")
    own = vars(thing).items() if inspect.isclass(thing) else ()
    members = [_entry(name, each) for name, each in own if _is_member(name, each)]
    below = _pre(said) + "".join(member.html for member in members)
    html = f'{_pre(signature, "font-weight:600")}<div style="{_BELOW}">{below}</div>'
    anchor = f' id="{name}"' if "." in name else ' style="margin-top:.8em"'
    html = _folded(name, said, html) if folded else f"<div{anchor}>{html}</div>"
    texts = [said, *(member.text for member in members)]
    return Shown(html, "\n".join([signature, *(indent(text, "    ") for text in texts if text)]))


def _is_member(name: str, thing: Any) -> bool:
    is_one = inspect.isfunction(thing) or isinstance(thing, property | cached_property)
    return is_one and (name[0] != "_" or name == "__call__")


def _signature(name: str, thing: Any) -> str:
    """Name, parameters and result. Types stand as in the source: printed, they differ between versions of packages."""
    function = getattr(thing, "fget", getattr(thing, "func", thing))  # of a property
    node: Any = ast.parse(dedent(inspect.getsource(inspect.unwrap(function)))).body[0]
    returns = _text(getattr(node, "returns", None))
    if function is not thing:
        return f"{name}: {returns}"
    if inspect.isclass(thing) and issubclass(thing, Exception):
        return name
    given, types = [each for each in inspect.signature(thing).parameters.values() if each.name != "self"], _types(node)
    written = [_parameter(each, types.get(each.name, "")) for each in given]
    kinds = [each.kind for each in given]
    if Parameter.KEYWORD_ONLY in kinds and Parameter.VAR_POSITIONAL not in kinds:
        written.insert(kinds.index(Parameter.KEYWORD_ONLY), "*")
    after = f" -> {returns}" if returns else ""
    line = f"{name}({', '.join(written)}){after}"
    return line if len(line) <= _WIDTH else f"{name}(\n    " + ",\n    ".join(written) + f",\n){after}"


def _types(node: Any) -> dict[str, str]:
    """The types of a function's parameters, or of a class's, which are those of its fields or of __init__."""
    if isinstance(node, ast.FunctionDef):
        return {each.arg: _text(each.annotation) for each in ast.walk(node.args) if isinstance(each, ast.arg)}
    found = {_text(each.target): _text(each.annotation) for each in node.body if isinstance(each, ast.AnnAssign)}
    makers = [each for each in node.body if getattr(each, "name", "") == "__init__"]
    return found | (_types(makers[0]) if makers else {})


def _text(node: ast.expr | None) -> str:
    return str(node.value) if isinstance(node, ast.Constant) and node.value else ast.unparse(node) if node else ""


def _parameter(each: Parameter, type_: str) -> str:
    default = "" if each.default is Parameter.empty else f" = {each.default!r}"
    return f"{_STARS.get(each.kind, '')}{each.name}{f': {type_}' if type_ else ''}{default}"
