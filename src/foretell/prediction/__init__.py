"""Fitted models: features, families, calibration; how they are fitted, stored, judged and asked."""
