"""Trials of the same shape that train as one computation, a lane for each (`fuse_trials: true`)."""
