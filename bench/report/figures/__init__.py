"""Figures: what they share in looks and numbers. Each experiment draws its own from these."""
