"""What `reasoning_gym` needs: the sets made once, their entries as JSON, and the judge that runs in a worker."""
