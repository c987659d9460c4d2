"""`bench perf`: how fast the bench's own parts are, and how much memory they take; one module per subject."""
