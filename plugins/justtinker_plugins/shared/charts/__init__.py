"""The curves of a run: which panels there are, and how to draw them."""
