"""User studies: a page that asks which of two photos people prefer, and an analysis of the answers."""
