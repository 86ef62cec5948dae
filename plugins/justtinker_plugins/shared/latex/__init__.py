"""Compare two answers written in LaTeX, from cheap checks to expensive ones."""
