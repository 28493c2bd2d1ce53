cfg.seed = 42
results = daf_launch_sweep(cfg)
