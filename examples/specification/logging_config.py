from daf.logging_config import create_daf_logger

logger = create_daf_logger("my_experiment")

with logger.track_operation("training"):
    logger.info("Starting training...")
    # Your code here

logger.print_metrics_summary()
