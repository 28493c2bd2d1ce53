from daf import comparison, visualization

results = comparison.daf_compare_policies(...)
visualization.daf_export_comparison_html(results)
