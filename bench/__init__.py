"""Benchmarks: ratios and spans measured side by side on this machine, told in a table. No test asserts on them."""
