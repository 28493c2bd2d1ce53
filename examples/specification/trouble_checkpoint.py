# Error: Could not load checkpoint
# Solution: Verify path and format
from pathlib import Path
ckpt = Path("checkpoints/model.pt")
if not ckpt.exists():
    raise FileNotFoundError(f"Not found: {ckpt}")
