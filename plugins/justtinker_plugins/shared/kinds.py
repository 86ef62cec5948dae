"""Kinds of problems that several plugins know."""

GOLD_KINDS = ("math", "number", "text", "choice")
"""Kinds of problems whose gold is itself a right answer. Others may have tests, a schema or the like, in other columns
of their row, and no gold at all."""
