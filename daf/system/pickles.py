"""Recognizing pickles that call something, without unpickling them. Uses the standard library alone.

torch's own protection can be switched off, and loaders of policy classes are third-party code. A pickle of an old
protocol has no signature, so a file's name and first bytes do not tell.
"""

from __future__ import annotations

import pickletools
import re

_NAMES = {"GLOBAL", "STACK_GLOBAL", "INST"}
_CALLS = {"INST", "OBJ", "REDUCE", "NEWOBJ", "NEWOBJ_EX", "BUILD"}
_IDENTIFIER = re.compile(r"[A-Za-z_][\w.]*")


def called_by_pickle(content: bytes) -> str:
    """What a pickle of any protocol would call; empty if it is plain data, or not a pickle.

    A pickle that is cut off still runs up to there, so its end does not matter. Text that happens to begin like a
    pickle would have to name something, too.
    """
    named, texts = "", [""]
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name in _NAMES:
                named = ".".join(texts[-2:] if opcode.name == "STACK_GLOBAL" else str(argument).split(" "))
                if not _IDENTIFIER.fullmatch(named):
                    return ""
            elif isinstance(argument, str):
                texts.append(argument)
            if opcode.name in _CALLS and named:
                return named
    except Exception:  # pickletools raises whatever it meets: not a pickle, or the end of a damaged one
        pass
    return ""
