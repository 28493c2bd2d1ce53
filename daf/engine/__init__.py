"""The one seam to cogames, mettagrid and pufferlib: no other package of DAF imports them.

missions         names and files → environment configurations
mission_checks   whether missions resolve
documents        missions that documents name
mission_success  what counts as success on the missions of CoGames
policies         shorthands, class paths, weights, bundles → policy objects
teams            several policies that share the agents of a mission
grid_policy      the trainable policy that DAF ships: one self-contained module, so that it can travel in a bundle
networks         one interface to the networks of trainable policies
model_files      model.safetensors and model.json
observations     the engine's observation objects, built from raw buffers
simulation       engine simulations on shared buffers
vector           many environments stepped together, for training
evaluation       episodes → rows of the episodes table
batches          many episodes of one network in lock step
rollout          one episode of any other policy
episode          what is kept of an episode
replays          an episode played again from its seed and actions
types            the engine's types, for signatures elsewhere
"""
