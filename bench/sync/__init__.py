"""Music-motion synchronicity: yardsticks, what it predicts, for whom, and what drives it."""
