"""The only interface to cogames, mettagrid and pufferlib: no other package of DAF imports them.

missions         names and files → environment configurations
mission_checks   whether missions resolve
mission_agents   how many agents missions have, without the engine
documents        missions named in documents
mission_success  success criteria for CoGames missions
policies         shorthands, class paths, weights, bundles → policy objects
policy_classes   names → classes, imported one by one
loaded_weights   whether a policy uses the weights that it was given
network_policy   base classes of users' policies: one self-contained module, as grid_policy
rehearsal        what a user's policy must be able to do, tried before the first job
network_rehearsal  the part for policies that are trained
rehearsal_report   its findings
forked             calls in separate processes
teams            several policies that share the agents of a mission
grid_policy      DAF's trainable policy: one self-contained module, so that a bundle can include it
networks         one interface to the networks of trainable policies
model_files      model.safetensors and model.json
observations     the engine's observation objects, built from raw buffers
simulation       engine simulations on shared buffers
stepping         environments in shared arrays, and what steps them
environment_workers  the same in worker processes
teacher          what another policy would do in training environments
partners         frozen policies that play some of the seats in training environments
action_log       the actions of a running episode, from which it is replayed
vector           many environments stepped together, for training
evaluation       episodes → rows of the episodes table
matches          episodes of mixed teams → rows of the seats table
isolation        episodes of users' policies in a process that they may end
worker_pool      processes that share the episodes
play             how each kind of policy plays its episodes
team_play        how teams play theirs
batches          many episodes in lock step, for networks
rollout          one episode of any other policy
guest            one episode of a policy in another process
golden           what a policy answers to observations of a mission
user_code        what policies change of this process, restored
random_state     the global random generators
episode          the stored results of an episode
replays          episodes replayed from their seeds and actions
types            the engine's types, for signatures elsewhere
root_logger      the root logger, left alone when mettagrid is imported
"""

from daf.engine.root_logger import keep_root_logger
from daf.system.notebooks import import_tqdm_silently

keep_root_logger()
import_tqdm_silently()
