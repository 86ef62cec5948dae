"""Run Python programs that nobody trusts: in bubblewrap, or with limits only where a user says so."""
