"""Reading YAML as its author meant it.

The values are those of YAML 1.2, which is what people expect: `1e-3` is a number, `12:30` and dates are text, numbers
with a leading zero are text, and keys are text as written, even `on` and `007`. Only the values that JSON has can be
written, and a key written twice is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import yaml

from daf.errors import BadInputError, ConfigError, shorten
from daf.system.readers import LARGEST_INTEGER, MAX_DEPTH, check_structure, read_text

MAX_NODES = 1_000_000  # after aliases are expanded
_STANDARD = "tag:yaml.org,2002:"
_MERGE = f"{_STANDARD}merge"
_HINTS = {
    "could not find expected ':'": "is a space missing after a colon, or is a line indented too far?",
    "mapping values are not allowed here": "put text that holds a colon in quotes",
    "cannot start any token": "indent with spaces, and put text that starts with a special character in quotes",
}
_DEFAULT_HINT = "check the indentation, brackets and quotes around that line"


def read_yaml(path: str | Path, what: str = "a YAML file") -> Any:
    """The content of a YAML file.

    Raises:
        BadInputError: the file is missing or is not YAML; ConfigError: keys are written twice.
    """
    return parse_yaml(read_text(path, what), str(path))


def parse_yaml(text: str, where: str) -> Any:
    """Parse YAML; raises as `read_yaml`."""
    loader, node = _compose(text, where)
    if problems := list(_repeated(node, where)):
        raise ConfigError(problems)
    if node is None:
        return None
    value = _construct(loader, node, where)
    try:
        check_structure(value)
    except ValueError as error:
        raise BadInputError("valid YAML", str(error), where, "write the character itself") from None
    return value


def repeated_keys(text: str, where: str, *, ignored_prefix: str | None = None) -> list[BadInputError]:
    """One problem, with its lines, for every key that is written twice.

    Args:
        ignored_prefix: keys that start with it may repeat: in a profile, `?if` is a statement.
    """
    _, node = _compose(text, where)
    return list(_repeated(node, where, ignored_prefix))


def plain_value(text: str) -> Any:
    """The value that unquoted text has in a file: null, true, a number, or itself."""
    tag = _Loader("").resolve(  # type: ignore[no-untyped-call]
        yaml.ScalarNode, text, (True, False)
    )
    return _construct(_Loader(""), yaml.ScalarNode(tag, text, style=None), "value")


class _Loader(yaml.SafeLoader):
    """Composes and constructs, with limits on what a small file can expand to."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[Any]]] = {  # type: ignore[misc]
        first: [(tag, pattern) for tag, pattern in resolvers if tag in (f"{_STANDARD}null", f"{_STANDARD}bool", _MERGE)]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    yaml_constructors: ClassVar[dict[str | None, Any]] = {
        tag: constructor
        for tag, constructor in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.removeprefix(_STANDARD) in ("null", "bool", "int", "float", "str", "seq", "map")
    }

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._extents: dict[int, tuple[int, int]] = {}  # of finished nodes: nodes in it, and levels, aliases expanded

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        is_alias, mark = self.check_event(yaml.AliasEvent), self.peek_event().start_mark  # type: ignore[no-untyped-call]
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, f"values are nested more than {MAX_DEPTH} deep", mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        if is_alias and id(node) not in self._extents:
            raise yaml.composer.ComposerError(None, None, "an alias inside the value that it repeats", mark)
        if node is not None and not is_alias:
            inside = [self._extents[id(child)] for child in _children(node)]
            size, levels = 1 + sum(nodes for nodes, _ in inside), 1 + max((depth for _, depth in inside), default=0)
            if size > MAX_NODES or levels > MAX_DEPTH:
                raise yaml.composer.ComposerError(None, None, "aliases expand to too much data", mark)
            self._extents[id(node)] = (size, levels)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        self.flatten_mapping(node)  # resolves `<<:`
        return {key.value: self.construct_object(value, deep=True) for key, value in node.value}

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        text = node.value.replace("_", "")
        if len(text) > 70:
            raise yaml.constructor.ConstructorError(None, None, f"an integer of {len(text)} digits", node.start_mark)
        number = int(text, 0 if text.lstrip("+-").startswith(("0x", "0b", "0o")) else 10)
        if abs(number) > LARGEST_INTEGER:
            raise yaml.constructor.ConstructorError(None, None, "an integer of more than 64 bits", node.start_mark)
        return number


_Loader.add_constructor(f"{_STANDARD}int", _Loader.construct_yaml_int)
_Loader.add_implicit_resolver(
    f"{_STANDARD}float",
    re.compile(
        r"[-+]?(?:(?:0|[1-9][0-9_]*)?\.[0-9][0-9_]*|(?:0|[1-9][0-9_]*)\.|(?:0|[1-9][0-9_]*)(?=[eE]))(?:[eE][-+]?[0-9]+)?$"
        r"|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$"
    ),
    list("-+.0123456789"),
)
_Loader.add_implicit_resolver(
    f"{_STANDARD}int",
    re.compile(r"[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|0b[01_]+|0o[0-7_]+)$"),
    list("-+0123456789"),
)


def _compose(text: str, where: str) -> tuple[_Loader, yaml.Node | None]:
    try:
        loader = _Loader(text)
        return loader, loader.get_single_node()
    except yaml.YAMLError as error:
        raise _problem(error, where) from None
    except (ValueError, OverflowError) as error:  # an escape of an impossible character
        raise BadInputError(
            "valid YAML", f"an invalid escape ({error})", where, "put the text in single quotes"
        ) from None


def _construct(loader: _Loader, node: yaml.Node, where: str) -> Any:
    try:
        for key in _keys(node):
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a list or mapping as a key", key.start_mark)
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise _problem(error, where) from None
    except (ValueError, KeyError, OverflowError) as error:  # a tag on text that is no such value, as `!!int x`
        found = f"text that does not fit its tag ({error})"
        raise BadInputError("valid YAML", found, where, "leave out the tags that start with !!") from None


def _problem(error: yaml.YAMLError, where: str) -> BadInputError:
    mark = getattr(error, "problem_mark", None)
    place = f"line {mark.line + 1}: " if mark else ""
    problem = " ".join((getattr(error, "problem", None) or str(error)).split())
    hint = next((hint for text, hint in _HINTS.items() if text in problem), _DEFAULT_HINT)
    if "constructor for the tag" in problem:
        hint = "leave out tags that start with !: DAF reads plain values only"
    if isinstance(error, yaml.reader.ReaderError):
        place, problem, hint = (
            "",
            f"the character {chr(error.character)!a}"
            if isinstance(error.character, int)
            else ("an unreadable character"),
            "remove it, or write it as an escape in double quotes",
        )
    return BadInputError("valid YAML", place + problem, where, hint)


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def _nodes(root: yaml.Node | None) -> Iterator[yaml.Node]:
    """Every node once, in the order of the file."""
    seen: set[int] = set()
    waiting = [] if root is None else [root]
    while waiting:
        node = waiting.pop()
        if id(node) not in seen:
            seen.add(id(node))
            yield node
            waiting += reversed(list(_children(node)))


def _keys(root: yaml.Node) -> Iterator[yaml.Node]:
    return (key for node in _nodes(root) if isinstance(node, yaml.MappingNode) for key, _ in node.value)


def _repeated(root: yaml.Node | None, where: str, ignored_prefix: str | None = None) -> Iterator[BadInputError]:
    for node in _nodes(root):
        if not isinstance(node, yaml.MappingNode):
            continue
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            if ignored_prefix is not None and key.value.startswith(ignored_prefix):
                continue
            line = key.start_mark.line + 1
            if key.value in lines:
                first = lines[key.value]
                again = f"twice in line {line}" if first == line else f"in line {first} and again in line {line}"
                found = f"'{shorten(key.value, 80)}' {again}"
                hint = "only the last one would count: remove one, or merge the two"
                yield BadInputError("each key once", found, where, hint)
            lines.setdefault(key.value, line)
