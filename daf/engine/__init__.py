"""The one seam to cogames, mettagrid and pufferlib: no other package of DAF imports them.

missions      names and files → environment configurations
policies      shorthands, class paths, weights, bundles → policy objects
grid_policy   the trainable policy that DAF ships (one self-contained module, so that it can travel in a bundle)
simulation    engine simulations on shared buffers, and how a network sees their observations
vector        many environments stepped together, for training
evaluation    episodes → rows of the episodes table
stamps        which engine this is
"""
