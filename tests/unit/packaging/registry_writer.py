"""A process that deploys and rolls back until it is killed: `registry_writer.py REGISTRY PACKAGES SEED`."""

from __future__ import annotations

import logging
import random
import sys
from pathlib import Path

from daf.errors import DeploymentError
from daf.packaging.manifest import read_manifest
from daf.packaging.registry import FolderRegistry


def main(registry: str, packages: str, seed: str) -> None:
    logging.disable()
    rng, target, known = random.Random(int(seed)), FolderRegistry(registry), sorted(Path(packages).glob("*.zip"))
    while True:
        if rng.random() < 0.6:
            package = rng.choice(known)
            target.deploy(package, read_manifest(package))
        else:
            try:
                target.rollback("p")
            except DeploymentError:
                continue


if __name__ == "__main__":
    main(*sys.argv[1:])
