"""Play two policies on the same episodes and compare them."""

from daf import comparison

EPISODES = 16

if __name__ == "__main__":
    results = comparison.daf_compare_policies(
        policies=["random", "baseline"],
        missions=["training_facility_1", "tutorial.miner"],
        episodes_per_mission=EPISODES,
        equivalence_margin=0.5,
        output_dir="out/comparison",
    )
    print(results.pairwise[["policy_a", "policy_b", "mission", "difference", "verdict"]])
    print("The page: out/comparison/report.html")
