"""The fast forms of what torch computes as the reference."""
