"""Ways to break a study on purpose: used by tests within a CI's time, and for longer by benchmarks/chaos.py."""
