from daf.config import DAFConfig
cfg = DAFConfig(max_parallel_jobs=2)

# Or reduce episodes per trial
sweep_cfg.episodes_per_trial = 1
