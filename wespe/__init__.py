"""Weakly supervised photo enhancement in pure torch: pictures in; pictures, losses and scores out."""
