"""What `check`, `train` and `eval` inspect before a run."""
