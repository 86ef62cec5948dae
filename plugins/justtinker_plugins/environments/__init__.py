"""Environments: plugins that fill several roles, such as their problems, how they are played, how they are judged."""
