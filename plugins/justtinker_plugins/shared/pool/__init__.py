"""Processes that grade answers and can be killed."""
