"""Curves of a run: what to draw, and how."""
