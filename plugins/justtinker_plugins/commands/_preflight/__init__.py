"""What `check`, `train` and `eval` look at before a run."""
