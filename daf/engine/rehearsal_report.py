"""What a dress rehearsal has found: every fault with its place in the user's code."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import Callable
from typing import Any

from daf.engine.forked import Note, TookTooLongError
from daf.engine.network_policy import NetworkContractError
from daf.engine.networks import place_in_network
from daf.errors import DafError
from daf.system.checks import CheckResult
from daf.system.failure_report import FailureReport, chain_of, place_of, place_of_class

ENDS = "user code must not end the process: raise an exception instead"
SIGNATURES = {  # of what DAF and CoGames call
    "__init__": "__init__(self, policy_env_info, …): the environment's interface first, then the init_kwargs by name",
    "step_batch": "step_batch(self, raw_observations, raw_actions)",
    "step": "step(self, obs)",
    "reset": "reset(self), and in an AgentPolicy reset(self, simulation=None)",
    "agent_policy": "agent_policy(self, agent_id)",
    "network": "network(self)",
    "make_network": "make_network(self, info), with the init_kwargs as further arguments",
    "forward_eval": "forward_eval(self, observations, state=None)",
    "save_policy_data": "save_policy_data(self, policy_data_path)",
    "load_policy_data": "load_policy_data(self, policy_data_path)",
}


class RehearsalReport:
    """Collects findings about one policy. Tracebacks go to standard error, which is the log of the check.

    Attributes:
        label: of the policy.
        note: called with what is tried next.
        findings: errors and warnings, in the order in which they were found, each once.
        faults: how many times something was found wrong.
        network: of the policy, once it is known.
    """

    def __init__(self, label: str, note: Note = lambda _: None) -> None:
        self.findings: list[CheckResult] = []
        self.faults = 0
        self.network: Any = None
        self.label, self.note = label, note
        self._class: type | None = None
        self._failed: set[str] = set()
        self._causes: set[tuple[str, str | None]] = set()

    def name_class(self, policy_class: type) -> None:
        """Later findings name this class."""
        self._class = policy_class

    def attempt[T](self, what: str, action: Callable[[], T], *, owner: Any = None) -> T | None:
        """The action's result; None if it raised something, which is then a finding.

        Args:
            what: the method that is called, in words that contain its name.
            owner: whose method it is; default: the policy's.
        """
        self.note(f"calling {what}")
        try:
            return action()
        except DafError as error:
            self._failed.add(what)
            self.add_error(error)
        except BaseException as error:  # a real Ctrl-C ends this process, which is a copy, from outside
            self._failed.add(what)
            self.add_exception(f"{what} without an exception", error, _method_in(what), owner)
        return None

    def add_exception(self, expected: str, error: BaseException, method: str, owner: Any = None) -> None:
        """A finding about what user code raised, or about what DAF raised when it called a method of the user's."""
        self._log(error)
        failure, method = FailureReport.of(error), _called(error) or method
        contract = next((link for link in chain_of(error) if isinstance(link, NetworkContractError)), None)
        place = failure.frame if failure.in_user_code else self.line_of(method, owner)
        if method == "forward_eval" and self.network is not None and not failure.in_user_code:
            place = self.line_of_network(self.network)
        if contract is not None:
            self.add(contract.expected, contract.found, place, contract.hint)
            return
        cause = (type(error).__name__, place)
        if place is not None and cause in self._causes:
            self.faults += 1
            return  # one fault that several interfaces meet
        self._causes.add(cause)
        found = failure.error if failure.in_user_code else failure.cause
        self.add(expected, found, place, _remedy(error, failure.in_user_code, method))

    def add_build_error(self, error: DafError) -> None:
        """A finding about a policy that cannot be imported or built."""
        cause = chain_of(error)[-1]
        if isinstance(cause, DafError) or self._class is None:
            self.add_error(error)
        elif isinstance(cause, NetworkContractError):
            self.add_exception(error.expected, cause, "make_network")
        else:
            self._log(cause)
            failure = FailureReport.of(cause)
            probed = "_probe" in [frame.name for frame in traceback.extract_tb(cause.__traceback__)]
            method = "make_network" if probed or isinstance(cause, NotImplementedError) else "__init__"
            method = _called(cause) or method
            place = failure.frame if failure.in_user_code else self.line_of(method)
            hint = error.hint or _remedy(cause, failure.in_user_code, method)
            if probed and not failure.in_user_code:
                hint = "make_network's module is called with uint8 [agents, tokens, 3]; convert, scale and flatten them"
            self.add(error.expected, error.found, place, hint)

    def failed(self, what: str) -> bool:
        """Whether this attempt failed."""
        return what in self._failed

    def add(
        self, expected: str, found: str, place: str | None = None, hint: str = "", *, is_error: bool = True
    ) -> None:
        self.faults += 1
        path = "" if self._class is None else f"{self._class.__module__}.{self._class.__qualname__}"
        name = f"policy '{self.label}'" + (f" ({path})" if path not in ("", self.label) else "")
        name += f", {place}" if place else ""
        status = "error" if is_error else "warning"
        finding = CheckResult(name=name, status=status, found=found, expected=expected, hint=hint)  # type: ignore[arg-type]
        if (finding.expected, finding.found) not in [(known.expected, known.found) for known in self.findings]:
            self.findings.append(finding)

    def add_error(self, error: DafError) -> None:
        if error.__cause__ is not None:
            self._log(error.__cause__)
        self.findings.append(
            CheckResult(name=error.where, status="error", found=error.found, expected=error.expected, hint=error.hint)
        )

    def line_of(self, method: str | None, owner: Any = None) -> str | None:
        """`file:line` of a method that a user wrote, otherwise of the class."""
        owner = owner or self._class
        place = place_of(owner, method) if method else None
        return place or place_of_class(self._class)

    def line_of_network(self, module: Any) -> str | None:
        """`file:line` of the user's code that computes the outputs, otherwise of what makes the network."""
        made = (place_of(self._class, name) for name in ("make_network", "network"))
        own = place_in_network(module) or place_of_class(type(getattr(module, "inner", module)))
        return own or next(filter(None, made), None) or self.line_of(None)

    def _log(self, error: BaseException) -> None:
        print(f"\npolicy '{self.label}':", file=sys.stderr)
        traceback.print_exception(error)
        sys.stderr.flush()


def _method_in(what: str) -> str:
    """The last method that is named in words."""
    words = what.replace("(0)", "").replace("()", "").replace(".", " ").replace("reset before", "").split()
    named = [word for word in words if word in SIGNATURES]
    return "reset" if what.startswith("reset") else named[-1] if named else "__init__"


def _called(error: BaseException) -> str | None:
    """The method whose arguments do not fit, as Python's message names it."""
    named = (
        re.match(r"(?:[\w<>.]*\.)?(\w+)\(\) (?:takes|missing|got)", str(error))
        if isinstance(error, TypeError)
        else None
    )
    return named[1] if named and named[1] in SIGNATURES else None


def _remedy(error: BaseException, in_user_code: bool, method: str) -> str:
    """What to do about something that user code, or a call of it, raised."""
    text = str(error)
    if isinstance(error, SystemExit | GeneratorExit):
        return ENDS
    if isinstance(error, KeyboardInterrupt):
        return "the policy raised it, it was not Ctrl-C: raise another exception"
    if isinstance(error, TookTooLongError):
        return "is there an endless loop, or does it wait for something?"
    if isinstance(error, NotImplementedError) and "make_network" in text:
        return f"write {SIGNATURES['make_network']}"
    if isinstance(error, TypeError) and not in_user_code and "argument" in text:
        return f"write it as {SIGNATURES[method]}"
    if isinstance(error, AttributeError) and "_policy_env_info" in text:
        return "call super().__init__(policy_env_info) first in the policy's __init__"
    if isinstance(error, AttributeError) and "Module.__init__()" in text:
        return "call super().__init__() first in the network's __init__"
    return "fix what this line does; the traceback is in the log of the check"
