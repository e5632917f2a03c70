"""Executors run an engine's segments: on Ray Tune, or one at a time in this process."""
