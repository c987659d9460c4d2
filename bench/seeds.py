"""Seeds derived from named components, so that no number depends on the order of execution."""

import hashlib


def derive(seed: int, *names: str) -> int:
    """A seed in [0, 2^63) for one component, e.g. ``derive(0, "fusion", "mfb")``."""
    text = "/".join([str(seed), *names])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
