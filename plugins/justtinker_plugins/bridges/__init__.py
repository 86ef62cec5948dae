"""Reward stacks in other toolkits: one file each, a thin shape around `justtinker_core.Scorer`.

Each module is importable without its toolkit, which is imported when something is called. docs/bridges.md has an
example of each. What comes in from other toolkits is an ordinary plugin in its role's folder.
"""
