"""The boundary between DAF and the user's policies: what they change of this process's state is restored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from daf.engine.random_state import imported_torch
from daf.system.process_state import process_state_kept


@contextmanager
def state_kept() -> Iterator[None]:
    """As `process_state_kept`, and torch's settings, if it is imported: threads, default type and device, gradients,
    determinism.

    It costs a fraction of a millisecond, so it belongs around an episode or an update, not around a step.
    """
    torch = imported_torch()
    if torch is None:
        with process_state_kept():
            yield
        return
    threads, grad, dtype = torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype()
    device = torch.empty(0).device  # torch.get_default_device fails once the default was removed
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn = torch.backends.cudnn
    flags = (cudnn.enabled, cudnn.benchmark, cudnn.deterministic)
    anomalies = torch.is_anomaly_enabled()
    with process_state_kept():
        try:
            yield
        finally:
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)
            torch.set_grad_enabled(grad)
            torch.set_default_dtype(dtype)
            if torch.empty(0).device != device:
                torch.set_default_device(None if device.type == "cpu" else device)
            torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
            cudnn.enabled, cudnn.benchmark, cudnn.deterministic = flags
            torch.autograd.set_detect_anomaly(anomalies)
