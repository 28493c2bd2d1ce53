"""DAF: train, compare and deploy multi-agent policies on CoGames, one file target per step.

Importing this package is cheap: neither torch nor the engine is loaded. The public modules are those of the
README's table; `daf.engine` is the only place that imports cogames, mettagrid or pufferlib.
"""

__version__ = "0.1.0"
