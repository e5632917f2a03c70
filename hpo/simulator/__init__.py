"""Plays studies by a fake clock, with the searchers and schedulers that the engine runs: for tests and comparisons."""
