"""Compare two answers written in LaTeX."""
