"""Training hyperparameters: set by a training run, searched by a sweep."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from daf.config.strict_model import Fraction, StrictModel


class Hyperparameters(StrictModel):
    """Hyperparameters of PPO (Schulman et al. 2017) with generalized advantage estimation."""

    learning_rate: float = Field(0.002, gt=0, description="initial learning rate")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        "linear", description="learning-rate schedule; linear and cosine decay to zero"
    )
    optimizer: Literal["adam", "adamw", "sgd"] = Field("adam", description="optimizer of the network's weights")
    adam_beta1: float = Field(0.9, ge=0, lt=1, description="decay rate of the gradient mean (momentum for sgd)")
    adam_beta2: float = Field(0.999, ge=0, lt=1, description="decay rate of the squared gradient mean")
    adam_eps: float = Field(1e-5, gt=0, description="added to Adam's denominator")
    weight_decay: float = Field(0.0, ge=0, description="L2 penalty (decoupled for adamw)")
    gamma: Fraction = Field(0.98, description="discount factor per step")
    gae_lambda: Fraction = Field(0.95, description="lambda of generalized advantage estimation")
    clip_coef: float = Field(0.2, gt=0, description="clipping range of the policy ratio")
    value_clip_coef: float | None = Field(0.2, gt=0, description="clipping range of the value; null: no clipping")
    value_coef: float = Field(0.5, ge=0, description="weight of the value loss")
    entropy_coef: float = Field(0.005, ge=0, description="weight of the entropy bonus")
    normalize_advantages: bool = Field(
        True, description="normalize advantages to mean 0 and standard deviation 1 per minibatch"
    )
    max_grad_norm: float = Field(0.5, gt=0, description="maximum L2 norm of the gradient; larger ones are scaled down")
    reward_clip: float | None = Field(None, gt=0, description="clip rewards to ± this value; null: no clipping")
    num_envs: int = Field(16, ge=1, description="parallel environments, across all processes")
    horizon: int = Field(64, ge=2, description="steps per environment and update")
    epochs: int = Field(2, ge=1, description="passes over the data per update")
    minibatch_size: int = Field(512, ge=1, description="agent-steps per gradient step, across all processes")
