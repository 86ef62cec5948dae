"""The loop: collect, train, inspect, record, save, evaluate. One loop for every algorithm."""

from justtinker_core.loop.loop import train
from justtinker_core.loop.opening import opened

__all__ = ["opened", "train"]
