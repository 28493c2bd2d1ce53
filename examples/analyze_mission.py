"""How a policy performs on a mission: success, reward, and failure modes."""

from daf import mission_analysis

EPISODES = 20

if __name__ == "__main__":
    analysis = mission_analysis.daf_analyze_mission("assembler_2", policy="random", episodes=EPISODES)
    print(analysis.sentence())
    for mode in analysis.failure_modes:
        print(f"{mode.name}: {mode.share:.0%} of the episodes, for example seeds {mode.example_seeds}")
