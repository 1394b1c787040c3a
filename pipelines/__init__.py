"""Orchestration: catalogue, plan, execution, folds, reports and the command line."""
