"""What made each figure of an executed chapter: the cells and parameters its names come from, the entries they read.

Names are followed through the text of the cells: a name comes from the last cell before that sets it.
"""

import ast
import symtable
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from nbformat import NotebookNode

from n2vlib.display.style import MIME

KEPT = "n2v"  # in the metadata of a cell with a figure: {"cells": [...], "parameters": [...], "entries": [...]}
_PARAMETERS = {"parameters", "injected-parameters"}


class Names(NamedTuple):
    """The names that a cell reads from cells before it, those that it sets, and those that it imports."""

    reads: set[str]
    sets: set[str]
    imports: set[str]


def mark(notebook: NotebookNode, reads: Mapping[int, set[str]]) -> None:
    """Write into every cell with a figure what made it.

    reads   {execution count of a cell: entries of the store}
    """
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    known = [names_of(cell.source) for cell in cells]
    given = [bool(_PARAMETERS & {*cell.metadata.get("tags", [])}) for cell in cells]
    origins = [*_origins(known)]
    for at, cell in enumerate(cells):
        if not has_figure(cell):
            continue
        behind = _behind(at, origins)
        parameters = {name for each in behind for name, origin in origins[each].items() if given[origin]}
        counts = [cells[each].execution_count for each in sorted(behind) if not given[each]]
        entries = {entry for count in counts for entry in reads.get(count, ())}
        cell.metadata[KEPT] = {"cells": counts, "parameters": sorted(parameters), "entries": sorted(entries)}


def has_figure(cell: NotebookNode) -> bool:
    """Whether a cell puts out a chart or a grid of pictures."""
    data = [output.get("data", {}) for output in cell.get("outputs", [])]
    return any(MIME in each or 'class="n2v-gallery"' in "".join(each.get("text/html", "")) for each in data)


def names_of(source: str) -> Names:
    """The names of a cell; none where it is no Python."""
    found = Names(set(), set(), set())
    try:
        statements = [part for statement in ast.parse(source).body for part in _simple(statement)]
    except SyntaxError:
        return found
    for text in statements:
        table, tree = symtable.symtable(text, "cell", "exec"), ast.parse(text)
        found.reads.update(name for name in _referenced(table) if name not in found.sets | found.imports)
        bound = {each.get_name() for each in table.get_symbols() if each.is_assigned() or each.is_imported()}
        kind = found.imports if isinstance(tree.body[0], ast.Import | ast.ImportFrom) else found.sets
        kind.update(bound, _changed(tree))
    return found


def _simple(statement: ast.stmt) -> Iterator[str]:
    """The parts of a statement in the order in which they run: loops, conditions and blocks are taken apart."""
    match statement:
        case ast.For():
            yield ast.unparse(statement.iter)
            yield f"{ast.unparse(statement.target)} = None"
        case ast.If() | ast.While():
            yield ast.unparse(statement.test)
        case ast.With():
            for item in statement.items:
                yield ast.unparse(item.context_expr)
                yield from [f"{ast.unparse(item.optional_vars)} = None"] if item.optional_vars else []
        case ast.Try():
            pass
        case ast.AugAssign():
            yield ast.unparse(statement.target)
            yield ast.unparse(statement)
            return
        case _:
            yield ast.unparse(statement)
            return
    for block in ("body", "handlers", "orelse", "finalbody"):
        for part in getattr(statement, block, []):
            for one in part.body if isinstance(part, ast.ExceptHandler) else [part]:
                yield from _simple(one)


def _referenced(table: symtable.SymbolTable) -> Iterator[str]:
    """The names that a statement reads, in its functions too, but not those of their own."""
    outermost = table.get_type() == "module"
    yield from (
        each.get_name() for each in table.get_symbols() if each.is_referenced() and (outermost or each.is_global())
    )
    for inner in table.get_children():
        yield from _referenced(inner)


def _changed(statement: ast.Module) -> Iterator[str]:
    """The names of objects of which a statement sets a part: x in `x[0] = 1` and `x.part = 1`."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store):
            base: ast.expr = node
            while isinstance(base, ast.Attribute | ast.Subscript):
                base = base.value
            if isinstance(base, ast.Name):
                yield base.id


def _origins(known: list[Names]) -> Iterator[dict[str, int]]:
    """For each cell, {name it reads: position of the cell that set it}; names that no cell sets are left out."""
    last: dict[str, int] = {}
    for at, names in enumerate(known):
        yield {name: last[name] for name in names.reads if name in last}
        last = {name: origin for name, origin in last.items() if name not in names.imports}
        last |= dict.fromkeys(names.sets, at)


def _behind(at: int, origins: list[dict[str, int]]) -> set[int]:
    """The positions of a cell and of all cells that its names come from."""
    found, waiting = set(), [at]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += origins[one].values()
    return found
