"""What happened to one policy of a registry: current.json and history.jsonl, which repair each other.

The pointer holds the newest event, and replacing it is the commit; the history then gets the same event. So the one of
the two with the higher number is right, and every version of the history was in use. Both carry digests of their
content; what is damaged, doubled or out of order is left out, and a later event says which ones before it were lost.
"""

from __future__ import annotations

import getpass
import logging
import os
import platform
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from pydantic import Field, StringConstraints

from daf.errors import BadInputError
from daf.packaging.manifest import SHA256_PATTERN
from daf.system.files import json_line, write_json, write_text
from daf.system.json_files import read_json, read_json_lines
from daf.system.provenance import utc_now
from daf.system.readers import read_bytes
from daf.system.validated import VERSION_PATTERN, validated

_log = logging.getLogger(__name__)
_MOST_LOST = 100  # numbers that one event names
Action = Literal["deploy", "rollback"]


@dataclass(frozen=True, kw_only=True)
class Event:
    """A deployment or rollback.

    Attributes:
        number: 1 for the first of this policy.
        action: what was done.
        version: in use since then.
        before: the version in use until then; None for the first.
        sha256: of the version's zip.
        time: UTC.
        user: who did it, as the machine knows them.
        host: on which machine.
        reason: why, in the words of who did it.
        evidence: what the version had shown: replayed golden vectors, non-inferiority to the version before.
        lost: numbers of earlier events that were missing from the history by then.
    """

    number: int
    action: Action
    version: str
    before: str | None
    sha256: str
    time: str
    user: str = ""
    host: str = ""
    reason: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)
    lost: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As a line of the history."""
        content = asdict(self)
        del content["lost"]
        if self.lost:
            content["lost"] = list(self.lost)
        return {"from" if key == "before" else key: value for key, value in content.items()}


_Fields = TypedDict(
    "_Fields",
    {
        "number": NotRequired[Annotated[int, Field(ge=1)]],
        "action": Action,
        "version": Annotated[str, StringConstraints(pattern=VERSION_PATTERN)],
        "from": str | None,
        "sha256": Annotated[str, StringConstraints(pattern=SHA256_PATTERN)],
        "time": str,
        "user": NotRequired[str],
        "host": NotRequired[str],
        "reason": NotRequired[str],
        "evidence": NotRequired[dict[str, Any]],
        "lost": NotRequired[tuple[int, ...]],
    },
)


class Journal:
    """The events of one policy, as they are on disk; `repair` and `commit` need the registry's lock."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._pointer_path, self._history_path = home / "current.json", home / "history.jsonl"
        self.events, self._damage = self._read()
        self._lost = self._missing()
        if self._lost:
            self._damage.append(f"event {', '.join(map(str, self._lost))} is lost")

    def exists(self) -> bool:
        """Whether anything was ever deployed here, as far as files tell."""
        return self._pointer_path.is_file() or self._history_path.is_file()

    @property
    def last(self) -> Event | None:
        """The event that made the current version current."""
        return self.events[-1] if self.events else None

    def versions(self) -> list[str]:
        """Every version that was in use, in the order of its first use."""
        return list(dict.fromkeys(event.version for event in self.events))

    def sha256_of(self, version: str) -> str | None:
        """The content that was deployed as this version; None if it never was."""
        return next((event.sha256 for event in self.events if event.version == version), None)

    def previous(self) -> str | None:
        """The version before the current one: deploying pushes on a stack, rolling back pops down to its target."""
        stack: list[str] = []
        for event in self.events:
            if event.action == "rollback" and event.version in stack:
                del stack[len(stack) - stack[::-1].index(event.version) :]
            elif not stack or stack[-1] != event.version:
                stack.append(event.version)
        while stack and self.last and stack[-1] == self.last.version:
            stack.pop()
        return stack[-1] if stack else None

    # ---- writing ----------------------------------------------------------------------------------------------

    def repair(self) -> None:
        """Write what one of the two files lacks, and say so once."""
        if not self._damage:
            return
        _log.warning("repaired %s: %s", self._home, "; ".join(self._damage))
        if self.last is not None:
            self._write_pointer(self.last)
        write_text(self._history_path, "".join(json_line(event.to_dict()) for event in self.events))
        self._damage = []

    def commit(
        self, action: Action, version: str, sha256: str, reason: str, evidence: dict[str, Any] | None = None
    ) -> Event:
        """Make a version current."""
        last = self.last
        event = Event(
            number=last.number + 1 if last else 1, action=action, version=version,
            before=last.version if last else None, sha256=sha256, time=utc_now(), user=_user(), host=platform.node(),
            reason=reason, evidence=evidence or {}, lost=self._lost,
        )  # fmt: skip
        self._write_pointer(event)
        with open(self._history_path, "a") as stream:
            stream.write(json_line(event.to_dict()))
            stream.flush()
            os.fsync(stream.fileno())
        self.events.append(event)
        self._lost = ()
        return event

    def _write_pointer(self, event: Event) -> None:
        """current.json: what readers need first, and the whole event."""
        name = self._home.name
        package = f"{name}/{event.version}/{name}-{event.version}.zip"
        short = {"name": name, "version": event.version, "sha256": event.sha256, "package": package}
        write_json(self._pointer_path, {**short, "since": event.time, "event": event.to_dict()})

    def _missing(self) -> tuple[int, ...]:
        """Numbers of events that are not there, unless a later event tells of them."""
        present = {event.number for event in self.events}
        told = {number for event in self.events for number in event.lost}
        highest = self.last.number if self.last else 0
        missing = (number for number in range(1, highest) if number not in present and number not in told)
        return tuple(islice(missing, _MOST_LOST))

    # ---- reading ----------------------------------------------------------------------------------------------

    def _read(self) -> tuple[list[Event], list[str]]:
        """The events, and what is wrong with the files."""
        events, damage = self._read_history()
        pointer, legacy = None, False
        if self._pointer_path.is_file():
            try:
                pointer, legacy = self._read_pointer(len(events))
            except BadInputError as error:
                damage.append(f"current.json was {error.found}")
        elif events:
            damage.append("current.json was missing")
        if pointer is None:
            return events, damage
        last = events[-1] if events else None
        if legacy and pointer.version in [event.version for event in events]:
            while events[-1].version != pointer.version:
                damage.append(f"'{events[-1].action} {events[-1].version}' was recorded, but did not happen")
                events.pop()
        elif last is None or pointer.number > last.number:
            damage.append(f"'{pointer.action} {pointer.version}' was not in history.jsonl")
            events.append(pointer)
        elif pointer != last:
            damage.append(f"current.json was older than history.jsonl ({pointer.version}, not {last.version})")
        return events, damage

    def _read_history(self) -> tuple[list[Event], list[str]]:
        events: list[Event] = []
        damage: list[str] = []
        if not self._history_path.is_file():
            return events, damage
        what = "the history of a registry"
        if (content := read_bytes(self._history_path, what)) and not content.endswith(b"\n"):
            damage.append("the last line of history.jsonl had no end")
        for record in read_json_lines(self._history_path, what, on_damage=damage.append):
            try:
                events.append(_event(record, len(events) + 1, str(self._history_path)))
            except BadInputError as error:
                damage.append(f"a line of history.jsonl was damaged ({error.found})")
        by_number = {event.number: event for event in events}
        if [event.number for event in events] != sorted(by_number):
            damage.append("lines of history.jsonl stood twice or in another order")
        return [by_number[number] for number in sorted(by_number)], damage

    def _read_pointer(self, num_events: int) -> tuple[Event, bool]:
        """The pointer's event, and whether an earlier DAF wrote it, which recorded events before they happened."""
        where = str(self._pointer_path)
        content = validated(dict[str, Any], read_json(self._pointer_path, "the pointer of a registry"), where)
        if content.get("name", self._home.name) != self._home.name:
            raise BadInputError("the pointer of this policy", f"that of '{content['name']}'", where)
        if "event" in content:
            return _event(content["event"], 0, where), False
        plain = {**content, "action": "deploy", "from": None, "time": content.get("since")}
        return _event(plain, num_events + 1, where), True


def _event(content: Any, number: int, where: str) -> Event:
    """A line of the history; those of an earlier DAF have no number."""
    fields = validated(_Fields, content, where)
    values = {"before" if key == "from" else key: value for key, value in fields.items()}
    return Event(**({"number": number} | values))  # type: ignore[arg-type]  # checked just now


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may know no name for its user
        return str(os.getuid())
