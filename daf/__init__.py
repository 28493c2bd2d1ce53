"""DAF: train, compare and deploy multi-agent policies on CoGames, one file target per step.

Importing this package is cheap: it loads neither torch nor the engine. The README's table lists the public modules;
only `daf.engine` imports cogames, mettagrid or pufferlib.
"""

__version__ = "0.1.0"
