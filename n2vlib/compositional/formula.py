"""Formulas over concepts, as values: `(water OR river) AND NOT blue`.

    said = parse("(water OR river) AND NOT blue")
    said.length                      # 3 concepts
    said.truth({"water": w, "river": r, "blue": b})       # bool arrays of any one shape -> the same shape

Two formulas are equal if they differ only in the order or grouping of what is joined by OR, or by AND and AND NOT.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from n2vlib.errors import BadInput, near

OPERATORS = ("OR", "AND", "AND NOT")
LONGEST = 2000  # characters: brackets are read by functions that call each other
_KEYWORDS = {"OR", "AND", "NOT"}
_TOKENS = re.compile(r'\s*(?:([()])|"((?:[^"\\]|\\.)*)"|([^\s()"]+))')


@dataclass(frozen=True, eq=False)
class Formula:
    """A concept, or two formulas joined by an operator.

    concept   its name; "" where two formulas are joined
    operator  "OR", "AND" or "AND NOT" (the left one without the right one); "" for a concept
    """

    concept: str = ""
    operator: str = ""
    left: "Formula | None" = None
    right: "Formula | None" = None

    @cached_property
    def concepts(self) -> tuple[str, ...]:
        """The concepts from left to right, as often as they stand there."""
        return (self.concept,) if self._leaf else tuple(name for part in self.parts for name in part.concepts)

    @property
    def length(self) -> int:
        """The number of concepts, repeated ones counted again: the paper's length."""
        return len(self.concepts)

    @property
    def released_length(self) -> int:
        """The length in the released tables, where NOT counts as one more."""
        return self.length + sum(part.operator == "AND NOT" for part in self.walk())

    @property
    def parts(self) -> tuple["Formula", ...]:
        """The two joined formulas; none of a concept."""
        return tuple(part for part in (self.left, self.right) if part is not None)

    @property
    def _leaf(self) -> bool:
        return not self.operator

    def walk(self) -> Iterator["Formula"]:
        """The formula and all formulas in it, the outermost first."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def truth(self, values: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.bool_]:
        """Where the formula holds.

        values   where each concept holds, arrays of one shape; BadInput for a concept that is missing
        """
        if self._leaf:
            if self.concept not in values:
                raise BadInput(f"formula {self}: no concept {self.concept!r}; {near(self.concept, list(values))}")
            return np.asarray(values[self.concept], bool)
        left, right = (part.truth(values) for part in self.parts)
        return joined(self.operator, left, right)

    def simplified(self) -> "Formula":
        """A formula with the same truth for all values, from which no concept can be left out."""
        names = sorted(set(self.concepts))
        rows = np.array(list(product([False, True], repeat=len(names))), bool).reshape(-1, len(names))
        values = dict(zip(names, rows.T, strict=True))
        return _shortened(self, values, self.truth(values))

    def __str__(self) -> str:
        if self._leaf:
            return _quoted(self.concept)
        left, right = self.parts
        first = str(left) if left._leaf or left.operator == self.operator else f"({left})"
        return f"{first} {self.operator} {right if right._leaf else f'({right})'}"

    def __repr__(self) -> str:
        return f"parse({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Formula) and self._canonical == other._canonical

    def __hash__(self) -> int:
        return hash(self._canonical)

    @cached_property
    def _canonical(self) -> tuple:
        """The same for equal formulas: what is joined by OR; or what must hold and what must not."""
        if self._leaf:
            return ("concept", self.concept)
        if self.operator == "OR":
            return ("or", frozenset(self._joined_by_or()))
        holds, holds_not = self._joined_by_and()
        return ("and", frozenset(holds), frozenset(holds_not))

    def _joined_by_or(self) -> list[tuple]:
        if self.operator != "OR":
            return [self._canonical]
        return [each for part in self.parts for each in part._joined_by_or()]

    def _joined_by_and(self) -> tuple[list[tuple], list[tuple]]:
        if self.operator not in ("AND", "AND NOT"):
            return [self._canonical], []
        left, right = self.parts
        holds, holds_not = left._joined_by_and()
        if self.operator == "AND NOT":
            return holds, [*holds_not, *right._joined_by_or()]
        others = right._joined_by_and()
        return [*holds, *others[0]], [*holds_not, *others[1]]


def concept(name: str) -> Formula:
    """The formula of one concept."""
    return Formula(concept=name)


def join(left: Formula, operator: str, right: Formula) -> Formula:
    """Two formulas joined by one of OPERATORS."""
    if operator not in OPERATORS:
        raise BadInput(f"operator {operator!r}: choose from {', '.join(OPERATORS)}")
    return Formula(operator=operator, left=left, right=right)


def joined(operator: str, left: NDArray[np.bool_], right: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where two formulas joined by an operator hold."""
    if operator == "OR":
        return left | right
    return left & (~right if operator == "AND NOT" else right)


def parse(text: str) -> Formula:
    """The formula that a text such as `(water OR "swimming pool") AND NOT blue` says; BadInput where it is none.

    Words beside each other are one name; a name with brackets, quotes or a word such as OR stands in double quotes.
    One operator several times needs no brackets and is read from the left; a mixture of operators does, since no rule
    says which comes first.
    """
    if len(text) > LONGEST:
        raise BadInput(f"formula {text[:40]!r}...: is too long, {len(text):,} characters; at most {LONGEST:,} are read")
    tokens = _tokens(text)
    found, at = _chain(tokens, 0, text)
    if at < len(tokens):
        raise BadInput(f"formula {text!r}: {tokens[at][1]!r} cannot stand there; check the brackets")
    return found


def _shortened(whole: Formula, values: Mapping[str, NDArray[np.bool_]], truth: NDArray[np.bool_]) -> Formula:
    for shorter in _with_less(whole):
        if np.array_equal(shorter.truth(values), truth):
            return _shortened(shorter, values, truth)
    return whole


def _with_less(whole: Formula) -> Iterator[Formula]:
    """The formulas that arise if one part is left out."""
    if whole._leaf:
        return
    left, right = whole.parts
    yield from (left, right)
    yield from (join(less, whole.operator, right) for less in _with_less(left))
    yield from (join(left, whole.operator, less) for less in _with_less(right))


def _quoted(name: str) -> str:
    plain = re.fullmatch(r'[^\s()"]+( [^\s()"]+)*', name) and not _KEYWORDS.intersection(name.split())
    return name if plain else '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'


def _tokens(text: str) -> list[tuple[str, str]]:
    """("bracket" | "word" | "name", text) of each part; words beside each other are joined to a name."""
    found, at = [], 0
    while at < len(text.rstrip()):
        part = _TOKENS.match(text, at)
        if part is None:
            raise BadInput(f"formula {text!r}: a quotation mark has no second one")
        bracket, quoted, word = part.groups()
        if bracket:
            found.append(("bracket", bracket))
        elif quoted is not None:
            found.append(("name", re.sub(r"\\(.)", r"\1", quoted)))
        elif word in _KEYWORDS:
            found.append(("word", word))
        elif found and found[-1][0] == "plain":
            found[-1] = ("plain", f"{found[-1][1]} {word}")
        else:
            found.append(("plain", word))
        at = part.end()
    return found


def _chain(tokens: list[tuple[str, str]], at: int, text: str) -> tuple[Formula, int]:
    """Operands joined by operators, from a position on; and the position after them."""
    found, at = _operand(tokens, at, text)
    used: set[str] = set()
    while at < len(tokens) and tokens[at][0] == "word":
        operator, at = _operator(tokens, at, text)
        used.add(operator)
        if len(used) > 1:
            raise BadInput(f"formula {text!r}: {' and '.join(sorted(used))} without brackets; say which comes first")
        right, at = _operand(tokens, at, text)
        found = join(found, operator, right)
    return found, at


def _operator(tokens: list[tuple[str, str]], at: int, text: str) -> tuple[str, int]:
    words = [word for kind, word in tokens[at : at + 2] if kind == "word"]
    if words[:2] == ["AND", "NOT"]:
        return "AND NOT", at + 2
    if words[0] not in OPERATORS:
        raise BadInput(f"formula {text!r}: {words[0]} cannot stand alone; write A AND NOT B")
    return words[0], at + 1


def _operand(tokens: list[tuple[str, str]], at: int, text: str) -> tuple[Formula, int]:
    if at == len(tokens):
        raise BadInput(f"formula {text!r}: ends where a concept should follow")
    kind, value = tokens[at]
    if kind in ("name", "plain"):
        return concept(value), at + 1
    if value != "(":
        raise BadInput(f"formula {text!r}: {value!r} stands where a concept should be")
    found, after = _chain(tokens, at + 1, text)
    if tokens[after : after + 1] != [("bracket", ")")]:
        raise BadInput(f"formula {text!r}: a bracket is not closed")
    return found, after + 1
