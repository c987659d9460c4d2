"""Features: every distinct item encoded once, into a cache; batches gathered from it."""
