"""Which engine this is: the versions that a mission, a checkpoint or a result belongs to."""

from __future__ import annotations

from importlib import metadata

ENGINE_PACKAGES = ("cogames", "mettagrid", "pufferlib-core", "torch")


def engine_stamp() -> dict[str, str]:
    """Installed versions of the engine's packages; a missing one is an honest "not installed"."""
    stamp = {}
    for package in ENGINE_PACKAGES:
        try:
            stamp[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            stamp[package] = "not installed"
    return stamp
