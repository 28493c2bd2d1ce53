from daf import comparison
from mettagrid.policy.policy import PolicySpec

results = comparison.daf_compare_policies(
    policies=[
        PolicySpec(class_path="lstm"),
        PolicySpec(class_path="baseline"),
        PolicySpec(class_path="random"),
    ],
    missions=["training_facility_1", "assembler_2"],
    episodes_per_mission=10
)
print(results.summary_statistics)

from daf import visualization

visualization.daf_export_comparison_html(
    results,
    output_path="comparison_report.html"
)
visualization.daf_export_comparison_html(results)
