"""How much a text repeats itself."""
