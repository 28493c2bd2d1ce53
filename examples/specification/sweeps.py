from daf import sweeps, config

cfg = config.DAFSweepConfig.from_yaml("sweep.yaml")
results = sweeps.daf_launch_sweep(cfg)
best = sweeps.daf_sweep_best_config(results)
print(f"Best learning rate: {best.hyperparameters['learning_rate']}")
