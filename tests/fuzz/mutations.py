"""Inputs made of a valid one: damaged bytes, and documents with wrong values."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import yaml
from hypothesis import strategies as st

Position = st.integers(0, 2**31)

# What has broken readers: encodings, nesting, numbers beyond every type, YAML's features, ends of structures.
PIECES = [
    b"\xff", b"\xff\xfe", b"\x00", b"\x80", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r\n", b"\t", b"\x1b[31m",
    b"[" * 3000, b"{" * 3000, b"{a: " * 300, b"[[[[[[]]]]]]", b"9" * 5000, b"1e999", b"-1e400", b"NaN", b"Infinity",
    b"null", b"true", b"[]", b"{}", b'""', b"''", b"-1", b"0", b"1.5", b"1e4", b"007", b"12:30", b"on", b"1_000",
    b"2024-01-01", b"~", b"~stranger/x", b"$UNDEFINED_VARIABLE/x", b"&a [*a]", b"*a", b"!!python/object:os.system x",
    b"!!binary aGk=", b"!!set {a}", b"<<: ", b"? [1]\n: 2", b"---\n", b"\\ud800", b"\\u0000", b"a" * 50_000, b": ",
    b"%", b"\nname: a\nname: b\n", b'"a": 1, "a": 2,', b"../", b"/", b"\n",
]  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """The content with a few bytes changed, pieces inserted, ranges removed or doubled."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(Position) % (len(content) + 1)
        length = draw(st.integers(1, 40))
        match draw(st.sampled_from(["change", "insert", "replace", "remove", "double", "cut", "flip"])):
            case "change":
                content = content[:at] + draw(st.binary(min_size=1, max_size=4)) + content[at + length :]
            case "insert":
                content = content[:at] + draw(st.sampled_from(PIECES)) + content[at:]
            case "replace":
                content = content[:at] + draw(st.sampled_from(PIECES)) + content[at + length :]
            case "remove":
                content = content[:at] + content[at + length :]
            case "double":
                content = content[:at] + content[at : at + length] + content[at:]
            case "cut":
                content = content[:at]
            case "flip" if at < len(content):
                flipped = content[at] ^ (1 << draw(st.integers(0, 7)))
                content = content[:at] + bytes([flipped]) + content[at + 1 :]
    return content


SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([2**31, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**400]),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        [
            "", " ", "a" * 5000, "\x00", "\ud800", "../x", "~", "~/x", "$HOME/x", "$NO_SUCH_THING", "{x}", "on", "1e4",
            "auto", "random", "overall", "tutorial.miner", "x.yaml", "x.zip", "x/y.json", "inf", "nan", "completed",
        ]
    ),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@st.composite
def mistaken(draw: st.DrawFn, document: Any) -> Any:
    """The document with a few values replaced, removed, added or moved to a wrong key."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(document))
        if not places:
            return draw(VALUES)
        holder, key = places[draw(Position) % len(places)]
        match draw(st.sampled_from(["replace", "remove", "rename", "nest", "copy"])):
            case "replace":
                holder[key] = draw(VALUES)
            case "remove":
                del holder[key]
            case "rename" if isinstance(holder, dict):
                holder[str(draw(SCALARS))[:300]] = holder.pop(key)
            case "nest":
                value = holder[key]
                for _ in range(draw(st.sampled_from([1, 2, 150]))):
                    value = [value]
                holder[key] = value
            case "copy":
                other, its_key = places[draw(Position) % len(places)]
                holder[key] = copy.deepcopy(other.get(its_key) if isinstance(other, dict) else None)
    return document


def _places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every (dict or list, key or index) of a document, the outer ones first."""
    if isinstance(document, dict | list):
        items = list(document.items() if isinstance(document, dict) else enumerate(document))
        for key, value in items:
            yield document, key
            yield from _places(value)


def as_json(document: Any) -> bytes:
    return json.dumps(document).encode(errors="replace")


def as_yaml(document: Any) -> bytes:
    try:
        return yaml.safe_dump(document, allow_unicode=True).encode(errors="surrogatepass")
    except yaml.YAMLError:
        return as_json(document)


def as_lines(document: Any) -> bytes:
    rows = document if isinstance(document, list) else [document]
    return b"".join(as_json(row) + b"\n" for row in rows)


def documents(document: Any, write: Callable[[Any], bytes]) -> st.SearchStrategy[bytes]:
    """A document, damaged as bytes or mistaken in its values."""
    return st.one_of(damaged(write(document)), mistaken(document).map(write), mistaken(document).map(write))


EXPRESSION_PARTS = [
    "length", "mean_reward", "game('a')", "agent_sum('a', 'b')", "agent_min('x')", " and ", " or ", "not ", " < ",
    " >= ", " + ", " * ", " / ", " - ", "(", ")", "1", "0", "1e308", "9" * 400, "**", ".", "lambda: 0", "[]", "'",
    "\\", "\x00",
    "length.real", "__import__('os')", "agent_sum()", "agent_sum(1)", "f'{length}'", "if", ":=", "\n", "é", "0x10",
    "1_0",
]  # fmt: skip


@st.composite
def expressions(draw: st.DrawFn) -> bytes:
    """Success expressions: nearly right ones, and ones of up to 50,000 characters."""
    parts = draw(st.lists(st.sampled_from(EXPRESSION_PARTS), min_size=1, max_size=8))
    text = "".join(parts) * draw(st.sampled_from([1, 1, 1, 2, 50, 3000]))
    shape = draw(st.sampled_from(["plain", "parentheses", "sum", "nots", "minus"]))
    count = draw(st.sampled_from([1, 50, 150, 500, 20_000]))
    match shape:
        case "parentheses":
            text = "(" * count + text + ")" * count
        case "sum":
            text = "+".join(["1"] * count) + " < length"
        case "nots":
            text = "not " * count + text
        case "minus":
            text = "-" * count + "1 < length"
    return text[:50_000].encode()
