"""Where groups are judged: executors that take the place of the threads of a run."""
