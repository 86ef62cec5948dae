"""What `justtinker_plugins.bridges.http` is made of: limits, threads, counters, and the shapes of other toolkits."""
