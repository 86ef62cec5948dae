"""What `trl_reward` needs besides its options."""
