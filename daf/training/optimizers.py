"""Optimizers, without torch's compiler: importing it costs a process as much time as importing the rest of torch.

torch guards an optimizer's methods against its compiler, and imports the compiler for that, used or not. DAF compiles
no optimizer, so it calls the methods behind these guards. They compute the same.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch

from daf.config import Hyperparameters

_GUARD = "__dynamo_disable"  # where torch/_compile.py keeps the guarded method of a function


def make_optimizer(parameters: list[torch.nn.Parameter], hyperparameters: Hyperparameters) -> torch.optim.Optimizer:
    _without_guards()
    if hyperparameters.optimizer == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=hyperparameters.learning_rate,
            momentum=hyperparameters.adam_beta1,
            weight_decay=hyperparameters.weight_decay,
        )
    kind: Any = torch.optim.AdamW if hyperparameters.optimizer == "adamw" else torch.optim.Adam
    optimizer: torch.optim.Optimizer = kind(
        parameters,
        lr=hyperparameters.learning_rate,
        betas=(hyperparameters.adam_beta1, hyperparameters.adam_beta2),
        eps=hyperparameters.adam_eps,
        weight_decay=hyperparameters.weight_decay,
        fused=True,
    )
    return optimizer


def take_step(optimizer: torch.optim.Optimizer) -> None:
    """As `optimizer.step()`, without its hooks."""
    step = inspect.unwrap(type(optimizer).step)
    with torch.no_grad():
        step(optimizer)


def _without_guards() -> None:
    """Let the methods of all optimizers call what torch has wrapped, where torch would keep the guarded method."""
    for method in vars(torch.optim.Optimizer).values():
        if inspect.isfunction(method) and method.__code__.co_filename == torch._compile.__file__:
            plain: Any = inspect.unwrap(method)
            if not hasattr(plain, _GUARD):
                setattr(plain, _GUARD, plain)
