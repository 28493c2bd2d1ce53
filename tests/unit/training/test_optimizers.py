"""Optimizers compute what torch's own do, without importing torch's compiler."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from daf.config import Hyperparameters
from daf.training.optimizers import make_optimizer, take_step

KINDS = ("adam", "adamw", "sgd")
WITHOUT_COMPILER = """
import sys, torch
from daf.config import Hyperparameters
from daf.training.optimizers import make_optimizer, take_step
for kind in sys.argv[1:]:
    weights = [torch.nn.Parameter(torch.ones(3))]
    optimizer = make_optimizer(weights, Hyperparameters(optimizer=kind))
    weights[0].grad = torch.ones(3)
    take_step(optimizer)
    optimizer.load_state_dict(optimizer.state_dict())
    optimizer.zero_grad(set_to_none=True)
print(*sorted({"torch._dynamo", "torch._inductor", "sympy"} & sys.modules.keys()))
"""


@pytest.mark.parametrize("kind", KINDS)
def test_steps_equal_those_of_torch_to_the_last_bit(kind: str) -> None:
    generator = torch.Generator().manual_seed(1)
    hyperparameters = Hyperparameters.model_validate({"optimizer": kind, "weight_decay": 0.1})
    ours = [torch.nn.Parameter(torch.randn(50, 3, generator=generator))]
    theirs = [torch.nn.Parameter(ours[0].detach().clone())]
    optimizer, reference = make_optimizer(ours, hyperparameters), make_optimizer(theirs, hyperparameters)
    for _ in range(4):
        gradient = torch.randn(50, 3, generator=generator)
        ours[0].grad, theirs[0].grad = gradient, gradient.clone()
        take_step(optimizer)
        reference.step()
        optimizer.load_state_dict(optimizer.state_dict())
        assert torch.equal(ours[0], theirs[0])


@pytest.mark.slow
def test_no_optimizer_imports_the_compiler_of_torch() -> None:
    command = [sys.executable, "-c", WITHOUT_COMPILER, *KINDS]
    printed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == ""
