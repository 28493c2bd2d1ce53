"""Licences of packages: SPDX identifiers, and the texts that DAF ships or the user provides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from daf.errors import BadInputError, did_you_mean
from daf.system.readers import read_text

TEXTS = Path(__file__).parent / "license_texts"
_HOLDER = "{holder}"


@dataclass(frozen=True, kw_only=True)
class License:
    """A licence with its text.

    Attributes:
        spdx: its SPDX identifier or expression; None for a text that the user wrote.
        text: the content of LICENSE.
    """

    spdx: str | None
    text: str


def shipped_licenses() -> list[str]:
    """The SPDX identifiers whose text DAF has."""
    return sorted(path.stem for path in TEXTS.glob("*.txt"))


def check_license(spdx: str | None, has_file: bool, where: str = "license") -> None:
    """Raise BadInputError unless this is an SPDX identifier or expression whose text is known or given."""
    if spdx is None or spdx in shipped_licenses():
        return
    from cyclonedx.spdx import fixup_id, is_expression, is_supported_id

    near = fixup_id(spdx)
    if not is_supported_id(spdx) and (near or not is_expression(spdx)):
        hint = f"did you mean '{near}'?" if near else did_you_mean(spdx, shipped_licenses())
        hint = hint or "for another licence, leave `license` out and set `license_file`"
        raise BadInputError("an SPDX licence identifier or expression, such as MIT", f"'{spdx}'", where, hint)
    if not has_file:
        expected = f"a licence whose text DAF has ({', '.join(shipped_licenses())}), or `license_file`"
        raise BadInputError(expected, f"'{spdx}' without a file", where, "set `license_file` to a file with its text")


def find_license(spdx: str | None, file: Path | None, holder: str, where: str = "license") -> License | None:
    """The licence with its text; None if neither is given.

    Args:
        holder: whose copyright the texts of MIT and BSD name.

    Raises:
        BadInputError: no such licence, or a file that is missing, empty or no text.
    """
    check_license(spdx, file is not None, where)
    if file is not None:
        text = read_text(file, "a file with the text of a licence")
        if not text.strip():
            raise BadInputError("the text of a licence", "an empty file", str(file), "write the text into it")
        return License(spdx=spdx, text=text)
    if spdx is None:
        return None
    text = read_text(TEXTS / f"{spdx}.txt", "the text of a licence")
    return License(spdx=spdx, text=text.replace(_HOLDER, holder))
