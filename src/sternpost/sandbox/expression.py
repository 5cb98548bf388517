"""The filter expressions of an aggregation: a subset of Pendo's [grammar S: OpenAPI; subset A: aggregation.subset].

`== != < > >= <= && || !`, parentheses, texts, numbers, true, false, null, fields with dots, contains(field, "text"),
isNull(field). A compiled expression is a function from a row to a value; nothing is ever handed to Python's `eval`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from sternpost.sandbox.limits import EXPRESSION_CHARS_MAX, EXPRESSION_DEPTH_MAX

Compiled: TypeAlias = Callable[[Mapping[str, Any]], Any]

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*)
    | (?P<sign>==|!=|<=|>=|&&|\|\||[<>!(),])
    )""",
    re.VERBOSE,
)
_COMPARISONS = ("==", "!=", "<", ">", "<=", ">=")
_CONSTANTS = {"true": True, "false": False, "null": None}


class Unsupported(Exception):
    """The expression is outside the subset; the message says what."""


def compile_expression(text: str) -> Compiled:
    """The expression as a function of a row; raises Unsupported."""
    if len(text) > EXPRESSION_CHARS_MAX:
        raise Unsupported(f"an expression of more than {EXPRESSION_CHARS_MAX} characters")
    parser = _Parser(_tokens(text))
    compiled = parser.either(0)
    if parser.next is not None:
        raise Unsupported(f"{parser.next[1]!r} in a filter")
    return compiled


def field_of(row: Mapping[str, Any], path: str) -> Any:
    """The value of a field named with dots; None when it is not there."""
    value: Any = row
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def order_key(value: Any) -> tuple[int, Any]:
    """A key that puts values of any kind in one order: nothing, numbers, texts, the rest."""
    if value is None:
        return (0, 0)
    if isinstance(value, bool | int | float):
        return (1, value)
    return (2, value) if isinstance(value, str) else (3, str(value))


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise Unsupported(f"{text[at : at + 20]!r} in a filter")
        tokens.append((found.lastgroup, found[found.lastgroup]))
        at = found.end()
    return tokens


class _Parser:
    """Recursive descent, loosest first: `||`, `&&`, comparison, `!`, value."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.at = 0

    @property
    def next(self) -> tuple[str, str] | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self, *signs: str) -> str | None:
        if self.next is not None and self.next[0] == "sign" and self.next[1] in signs:
            self.at += 1
            return self.tokens[self.at - 1][1]
        return None

    def expect(self, sign: str) -> None:
        if self.take(sign) is None:
            raise Unsupported(f"a filter in which {sign!r} is missing")

    def either(self, depth: int) -> Compiled:
        if depth > EXPRESSION_DEPTH_MAX:
            raise Unsupported("a filter nested so deeply")
        parts = [self.both(depth)]
        while self.take("||"):
            parts.append(self.both(depth))
        return parts[0] if len(parts) == 1 else lambda row: any(part(row) for part in parts)

    def both(self, depth: int) -> Compiled:
        parts = [self.comparison(depth)]
        while self.take("&&"):
            parts.append(self.comparison(depth))
        return parts[0] if len(parts) == 1 else lambda row: all(part(row) for part in parts)

    def comparison(self, depth: int) -> Compiled:
        left = self.unary(depth)
        sign = self.take(*_COMPARISONS)
        if sign is None:
            return left
        right = self.unary(depth)
        return lambda row: _compare(sign, left(row), right(row))

    def unary(self, depth: int) -> Compiled:
        if self.take("!"):
            if depth > EXPRESSION_DEPTH_MAX:
                raise Unsupported("a filter nested so deeply")
            inner = self.unary(depth + 1)
            return lambda row: not inner(row)
        if self.take("("):
            inside = self.either(depth + 1)
            self.expect(")")
            return inside
        return self.value(depth)

    def value(self, depth: int) -> Compiled:
        if self.next is None:
            raise Unsupported("a filter that ends early")
        kind, text = self.next
        self.at += 1
        match kind:
            case "text":
                constant = _unquoted(text)
                return lambda row: constant
            case "number":
                number = msgspec.json.decode(text) if _is_json_number(text) else float(text)
                return lambda row: number
            case "name" if self.take("("):
                return self.call(text, depth)
            case "name" if text in _CONSTANTS:
                return lambda row: _CONSTANTS[text]
            case "name":
                return lambda row: field_of(row, text)
            case _:
                raise Unsupported(f"{text!r} in a filter")

    def call(self, name: str, depth: int) -> Compiled:
        arguments = [self.either(depth + 1)]
        while self.take(","):
            arguments.append(self.either(depth + 1))
        self.expect(")")
        match name, arguments:
            case "contains", [where, what]:
                return lambda row: _contains(where(row), what(row))
            case "isNull", [what]:
                return lambda row: what(row) is None
            case _:
                raise Unsupported(f"the function {name} with {len(arguments)} arguments")


def _compare(sign: str, left: Any, right: Any) -> bool:
    if sign == "==":
        return bool(left == right)
    if sign == "!=":
        return bool(left != right)
    a, b = order_key(left), order_key(right)
    if a[0] != b[0]:
        return False  # values of different kinds are neither smaller nor larger
    if sign == "<":
        return bool(a < b)
    if sign == ">":
        return bool(a > b)
    return bool(a <= b) if sign == "<=" else bool(a >= b)


def _contains(where: Any, what: Any) -> bool:
    if isinstance(where, str):
        return isinstance(what, str) and what in where
    return isinstance(where, list) and what in where


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)


def _is_json_number(text: str) -> bool:
    return re.fullmatch(r"-?(0|[1-9]\d{0,300})", text, re.ASCII) is not None
