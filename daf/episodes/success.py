"""Success expressions: a small language over the statistics of one episode.

Example: ``agent_sum('heart.gained') >= 4 and length < 200``. Names: ``mean_reward``, ``length`` (steps). Functions:
``game('stat')``, and over the agents ``agent_sum``, ``agent_mean``, ``agent_min``, ``agent_max`` with one or more
statistics, which are added per agent. A statistic that the engine did not report is 0. Everything else is forbidden, so
an expression from a file cannot run code.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from daf.errors import BadInputError, did_you_mean

_BINARY: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARE: dict[type[ast.AST], Callable[[float, float], bool]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_AGENT: dict[str, Callable[[list[float]], float]] = {
    "agent_sum": sum,
    "agent_mean": lambda values: sum(values) / len(values),
    "agent_min": min,
    "agent_max": max,
}
_FUNCTIONS = ("game", *_AGENT)
_VARIABLES = ("mean_reward", "length")


MAX_CHARACTERS = 10_000
MAX_LEVELS = 200  # of nested operations: an expression is checked and evaluated recursively
LARGEST_NUMBER = 1e100


@dataclass(frozen=True, kw_only=True)
class EpisodeFacts:
    """The values that an expression may use."""

    mean_reward: float
    length: int
    game_stats: Mapping[str, float]
    agent_stats: Sequence[Mapping[str, float]]


def check_success_expression(expression: str, where: str) -> None:
    """Raise BadInputError, naming `where`, unless `expression` is valid."""
    if len(expression) > MAX_CHARACTERS:
        expected = f"an expression of at most {MAX_CHARACTERS:,} characters"
        raise BadInputError(expected, f"{len(expression):,}: {expression}", where, "leave out what does not decide")
    try:
        with warnings.catch_warnings(action="ignore"):  # of the compiler, about code that is refused below
            tree = ast.parse(expression, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        problem = getattr(error, "msg", None) or str(error) or "nested too deeply"
        raise BadInputError("an expression", f"{problem}: {expression!r}", where, __doc__.split("\n\n")[1]) from None
    if _levels(tree) > MAX_LEVELS:
        expected = f"an expression nested at most {MAX_LEVELS} levels"
        raise BadInputError(expected, expression, where, "a sum of many terms is nested, too: shorten it")
    _check(tree.body, expression, where)


def _levels(tree: ast.AST) -> int:
    levels, level = 0, [tree]
    while level:
        levels, level = levels + 1, [child for node in level for child in ast.iter_child_nodes(node)]
    return levels


def is_success(expression: str, facts: EpisodeFacts) -> bool:
    """Evaluate a checked expression. Division by zero makes it false."""
    try:
        return bool(_value(ast.parse(expression, mode="eval").body, facts))
    except ZeroDivisionError:
        return False


def statistics_in(expression: str) -> tuple[list[str], list[str]]:
    """The names of the game's and the agents' statistics that a checked expression uses."""
    calls = [node for node in ast.walk(ast.parse(expression, mode="eval")) if isinstance(node, ast.Call)]
    names: dict[bool, set[str]] = {True: set(), False: set()}
    for call in calls:
        of_game = isinstance(call.func, ast.Name) and call.func.id == "game"
        names[of_game] |= {str(arg.value) for arg in call.args if isinstance(arg, ast.Constant)}
    return sorted(names[True]), sorted(names[False])


def _check(node: ast.AST, expression: str, where: str) -> None:
    match node:
        case ast.BoolOp(values=values):
            for value in values:
                _check(value, expression, where)
        case ast.Compare(left=left, ops=ops, comparators=right) if all(type(op) in _COMPARE for op in ops):
            for value in (left, *right):
                _check(value, expression, where)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            _check(left, expression, where)
            _check(right, expression, where)
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            _check(operand, expression, where)
        case ast.Constant(value=bool() | int() | float() as number):
            if abs(number) > LARGEST_NUMBER:
                raise BadInputError(f"numbers up to {LARGEST_NUMBER:g}", str(number), where, "is a digit too many?")
        case ast.Name(id=name) if name in _VARIABLES:
            pass
        case ast.Name(id=name):
            hint = did_you_mean(name, (*_VARIABLES, *_FUNCTIONS))
            raise BadInputError("a known name", f"'{name}' in {expression!r}", where, hint)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            if name not in _FUNCTIONS:
                raise BadInputError("a known function", f"'{name}'", where, did_you_mean(name, _FUNCTIONS))
            if not args or not all(isinstance(arg, ast.Constant) and isinstance(arg.value, str) for arg in args):
                raise BadInputError(f"{name}('statistic', …)", ast.unparse(node), where, "quote statistics")
        case _:
            hint = __doc__.split("\n\n")[1]
            raise BadInputError("comparisons, and, or, not, + - * / and numbers", ast.unparse(node), where, hint)


def _value(node: ast.AST, facts: EpisodeFacts) -> float:
    match node:
        case ast.BoolOp(op=ast.And(), values=values):
            return all(_value(value, facts) for value in values)
        case ast.BoolOp(values=values):
            return any(_value(value, facts) for value in values)
        case ast.Compare(left=left, ops=ops, comparators=right):
            numbers = [_value(value, facts) for value in (left, *right)]
            return all(_COMPARE[type(op)](a, b) for op, a, b in zip(ops, numbers, numbers[1:], strict=False))
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](_value(left, facts), _value(right, facts))
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not _value(operand, facts)
        case ast.UnaryOp(operand=operand):
            return -_value(operand, facts)
        case ast.Constant(value=bool() | int() | float() as value):
            return float(value)  # products of integers would outgrow floats
        case ast.Name(id=name):
            return float(getattr(facts, name))
        case ast.Call(func=ast.Name(id=name), args=args):
            stats = [str(arg.value) for arg in args if isinstance(arg, ast.Constant)]
            if name == "game":
                return sum(facts.game_stats.get(stat, 0.0) for stat in stats)
            return _AGENT[name]([sum(agent.get(stat, 0.0) for stat in stats) for agent in facts.agent_stats])
    raise AssertionError(f"unchecked expression: {ast.dump(node)}")
