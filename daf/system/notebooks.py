"""Whether this process runs a notebook, and what is done differently there."""

from __future__ import annotations

import importlib
import sys
import warnings
from contextlib import suppress


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    if "IPython" not in sys.modules:
        return False
    return getattr(sys.modules["IPython"].get_ipython(), "kernel", None) is not None


def import_tqdm_silently() -> None:
    """Import tqdm before a library does, which warns in notebooks without ipywidgets: DAF never shows its bars."""
    if not in_notebook() or "tqdm.auto" in sys.modules:
        return
    with warnings.catch_warnings(), suppress(ImportError):
        warnings.simplefilter("ignore")
        importlib.import_module("tqdm.auto")
