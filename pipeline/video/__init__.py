"""The frames of films: read with their colours, and the best of them as photos to learn from."""
