"""Timings: `make bench`. Ratios to a ceiling measured in the same run; absolute limits are medians of three."""
