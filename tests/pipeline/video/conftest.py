"""Films as in the tests of enhancing them."""

from tests.pipeline.films.conftest import make

__all__ = ["make"]
