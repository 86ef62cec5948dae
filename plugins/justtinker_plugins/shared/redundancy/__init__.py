"""Measure how much texts repeat themselves."""
