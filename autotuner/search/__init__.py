"""Optuna proposes, runners measure: baselines, search, confirmation and the verdict."""
