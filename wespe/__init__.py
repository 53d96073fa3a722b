"""Weakly supervised photo enhancement in pure torch: methods, losses and metrics."""
