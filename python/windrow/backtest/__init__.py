"""What a pipeline's detector would have done on the past, held against labels and other thresholds."""
