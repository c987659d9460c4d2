"""Methods: networks around a fusion, and references that need none; how they learn and predict."""
