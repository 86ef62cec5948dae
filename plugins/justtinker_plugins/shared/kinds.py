"""Kinds of problems that several plugins know."""

GOLD_KINDS = ("math", "number", "text", "choice")
"""Kinds whose gold is itself a right answer. Others may have tests, a schema or the like, in other columns of their
row, and no gold at all."""
RULE_KINDS = ("code", "json_schema", "instructions", "regex")
"""Kinds whose gold, if there is one, says how to judge and is no answer."""
