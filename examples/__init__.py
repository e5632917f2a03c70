"""Trainables to copy from: each file is whole, and the study file of its name in `search_spaces/` searches it."""
