"""Every method there is: a config to check, a method to train, a generator to enhance with.

Adding a method is one file beside this one and one line in METHODS.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import nn

from wespe.method import Method
from wespe.methods.wespe import Wespe, WespeConfig
from wespe.networks.generator import Generator

MethodConfig = WespeConfig  # a union, once there are more


class Entry(NamedTuple):
    config: type
    method: Callable[..., Method]
    generator: Callable[[Any], nn.Module]


METHODS: dict[str, Entry] = {
    "wespe": Entry(WespeConfig, Wespe, lambda config: Generator(config.generator)),
}


def build_method(config: MethodConfig, *, size_px: int) -> Method:
    """A fresh method for patches of size_px."""
    return METHODS[config.name].method(config, size_px=size_px)


def build_generator(config: MethodConfig) -> nn.Module:
    """A fresh generator, without what only training needs."""
    return METHODS[config.name].generator(config)
