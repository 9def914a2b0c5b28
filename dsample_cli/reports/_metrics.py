"""Names of the metrics for people."""

METRIC_NAMES = {
    "macro_f1": "Macro-F1",
    "balanced_accuracy": "Balanced accuracy",
    "accuracy": "Accuracy",
    "weighted_f1": "Weighted F1",
    "g_mean": "G-mean",
    "mcc": "MCC",
    "kappa": "Cohen's kappa",
    "macro_average_precision": "Macro average precision",
    "ece": "Calibration error (ECE)",
    "classwise_ece": "Class-wise ECE",
    "loss": "Loss (lower is better)",
}


def metric_name(metric: str) -> str:
    """Name of a metric for people."""
    return METRIC_NAMES.get(metric, metric.replace("_", " ").capitalize())
