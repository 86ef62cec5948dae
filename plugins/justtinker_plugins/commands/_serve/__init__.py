"""What `justtinker serve` is made of."""
