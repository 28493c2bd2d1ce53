"""Makes the disk appear full for some files, chosen by their names: flushing them raises ENOSPC."""

import errno
import os
import random

_SHARE, _SEED = float(os.environ.get("DAF_CHAOS_FULL", "0")), os.environ.get("DAF_CHAOS_SEED", "")
_fsync = os.fsync


def _full(descriptor):
    name = os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")).split(".")[1:3]
    if random.Random(f"{_SEED}{name}").random() < _SHARE:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    _fsync(descriptor)


if _SHARE:
    os.fsync = _full
