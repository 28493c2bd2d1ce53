from pathlib import Path
ckpt = Path("checkpoints/model.pt")
assert ckpt.exists(), f"Checkpoint not found: {ckpt}"
