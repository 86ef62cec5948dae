"""What verl's bridge needs: one response, and the responses of a group."""
