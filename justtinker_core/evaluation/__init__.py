"""Evaluate weights on evaluation sets, during a run or by themselves."""

from justtinker_core.evaluation.evaluations import Evaluations, evaluate

__all__ = ["Evaluations", "evaluate"]
