"""Projections of the ledger: each reads events in order and shows them somewhere; none is ever read back."""
