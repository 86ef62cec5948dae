"""Private to the `console` reporter."""
