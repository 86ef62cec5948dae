"""Published histories that `justtinker monitor` and `justtinker curves` replay by name. README.md names the source."""
