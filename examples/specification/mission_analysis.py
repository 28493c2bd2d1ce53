from daf import mission_analysis

analysis = mission_analysis.daf_analyze_mission(
    mission_name="assembler_2"
)
print(f"Success rate: {analysis.success_rate}")
print(f"Mean reward: {analysis.mean_reward}")
