"""The knobs of training, which a run sets and a sweep searches."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from daf.config.strict_model import Fraction, StrictModel


class Hyperparameters(StrictModel):
    """The knobs of PPO (Schulman et al. 2017) with generalized advantage estimation."""

    learning_rate: float = Field(0.002, gt=0, description="step size at the start")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        "linear", description="how the learning rate falls to zero"
    )
    optimizer: Literal["adam", "adamw", "sgd"] = Field("adam", description="gradient descent method")
    adam_beta1: float = Field(0.9, ge=0, lt=1, description="decay of the gradient mean (momentum for sgd)")
    adam_beta2: float = Field(0.999, ge=0, lt=1, description="decay of the squared gradient mean")
    adam_eps: float = Field(1e-5, gt=0, description="added to Adam's denominator")
    weight_decay: float = Field(0.0, ge=0, description="L2 penalty (decoupled for adamw)")
    gamma: Fraction = Field(0.98, description="discount per step")
    gae_lambda: Fraction = Field(0.95, description="decay of the advantage estimator")
    clip_coef: float = Field(0.2, gt=0, description="policy ratio clip")
    value_clip_coef: float | None = Field(0.2, gt=0, description="value clip; null: none")
    value_coef: float = Field(0.5, ge=0, description="weight of the value loss")
    entropy_coef: float = Field(0.005, ge=0, description="weight of the entropy bonus")
    normalize_advantages: bool = Field(True, description="zero mean and unit deviation per minibatch")
    max_grad_norm: float = Field(0.5, gt=0, description="gradients are scaled down to this L2 norm")
    reward_clip: float | None = Field(None, gt=0, description="rewards are clipped to ± this; null: not at all")
    num_envs: int = Field(16, ge=1, description="environments stepped together, over all processes")
    horizon: int = Field(64, ge=2, description="steps per environment between two updates")
    epochs: int = Field(2, ge=1, description="passes over the data of one update")
    minibatch_size: int = Field(512, ge=1, description="agent-steps per gradient step, over all processes")
