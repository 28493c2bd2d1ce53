from daf.output_manager import get_output_manager

output_mgr = get_output_manager(base_dir="./daf_output")
output_mgr.print_output_info()

output_mgr.save_json_results(
    results,
    operation="sweep",
    filename="results",
)
