"""A model bundle: format, checks, calibration."""
