"""Environments: plugins with several roles, such as bringing problems, playing them and judging the answers."""
