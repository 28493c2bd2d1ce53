from daf.config import DAFSweepConfig
from daf import sweeps

cfg = DAFSweepConfig.from_yaml("sweep.yaml")
cfg.seed = 42  # Deterministic
results = sweeps.daf_launch_sweep(cfg)
