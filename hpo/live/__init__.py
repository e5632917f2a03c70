"""Studies in a browser while they run: pages that are read from the ledgers alone, in whatever process."""
