"""Curricula: which problems a step samples."""
