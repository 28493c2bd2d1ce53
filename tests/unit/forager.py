"""A scripted agent for CoGames missions that remembers what it saw: it shows that their success can be reached."""

from __future__ import annotations

from collections import deque

from mettagrid.policy.policy import AgentPolicy, MultiAgentPolicy
from mettagrid.simulator import Action

ELEMENTS = ("carbon", "oxygen", "germanium", "silicon")
STEPS = {"north": (-1, 0), "south": (1, 0), "west": (0, -1), "east": (0, 1)}
CARGO = 4  # what an agent without gear carries


class Foragers(MultiAgentPolicy):
    """Every agent carries one element to the hub, again and again; which one goes round by its number.

    With `gear`, the agents take that gear and explore instead. With `make_hearts`, the last agent takes hearts at the
    hub, ready ones first and then those that the hub makes. Without `deliver`, nothing is brought to the hub.
    """

    def __init__(self, policy_env_info, gear=None, make_hearts=False, deliver=True):
        super().__init__(policy_env_info)
        self.options = {"gear": gear, "make_hearts": make_hearts, "deliver": deliver}

    def agent_policy(self, agent_id):
        return Forager(self.policy_env_info, agent_id, **self.options)


class Forager(AgentPolicy):
    def __init__(self, policy_env_info, agent_id, gear, make_hearts, deliver):
        super().__init__(policy_env_info)
        self.tags = policy_env_info.tags
        self.rows, self.columns = policy_env_info.obs_height // 2, policy_env_info.obs_width // 2
        self.element, self.gear, self.deliver = ELEMENTS[agent_id % 4], gear, deliver
        self.only_hearts = make_hearts and agent_id == policy_env_info.num_agents - 1
        self.seen: dict[tuple[int, int], set[str]] = {}

    def step(self, obs):
        here, around, goods = self._read(obs)
        self.seen |= around
        goal = self._goal(goods)
        goals = {place for place, tags in self.seen.items() if goal in tags} if goal else set()
        step = self._way(here, goals) or self._way(here, None)
        return Action(name=f"move_{step}" if step else "noop")

    def _read(self, obs):
        """Where the agent is, counted from its start; what lies around it; what it carries."""
        offset = {t.feature.name: t.value for t in obs.tokens if t.feature.name.startswith("lp:")}
        row = offset.get("lp:south", 0) - offset.get("lp:north", 0)
        column = offset.get("lp:east", 0) - offset.get("lp:west", 0)
        around = {
            (row + r, column + c): set()
            for r in range(-self.rows, self.rows + 1)
            for c in range(-self.columns, self.columns + 1)
            if r * r + c * c <= self.rows * self.columns
        }
        goods = {}
        for token in obs.tokens:
            if token.location is None:
                continue
            place = (row + token.location[0] - self.rows, column + token.location[1] - self.columns)
            if token.feature.name == "tag":
                around.setdefault(place, set()).add(self.tags[token.value])
            elif place == (row, column) and token.feature.name.startswith("inv:"):
                goods[token.feature.name[4:]] = token.value
        return (row, column), around, goods

    def _goal(self, goods):
        if self.gear:
            return None if goods.get(self.gear) else f"type:{self.gear}"
        full = sum(goods.get(element, 0) for element in ELEMENTS) >= CARGO
        if self.only_hearts or (full and self.deliver):
            return "type:hub"
        return f"type:{self.element}_extractor"

    def _way(self, here, goals):
        """First step of a shortest way to a goal, or to a place not seen yet."""
        queue, first = deque([here]), {here: None}
        while queue:
            place = queue.popleft()
            for name, (r, c) in STEPS.items():
                beside = (place[0] + r, place[1] + c)
                if beside in first:
                    continue
                first[beside] = first[place] or name
                if beside in goals if goals is not None else beside not in self.seen:
                    return first[beside]
                if beside in self.seen and not self.seen[beside]:
                    queue.append(beside)
        return None
