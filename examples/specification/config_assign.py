from daf.config import DAFSweepConfig

cfg = DAFSweepConfig.from_yaml("sweep_config.yaml")
cfg.policy_class_path = "lstm"
cfg.validate()
