"""Measures one step of the learner, against a plain step with the same losses and the processor's peak."""

import shutil
from collections.abc import Callable
from dataclasses import replace

import torch
from torch.utils.flop_counter import FlopCounterMode

from pipeline.params import Preset
from pipeline.research.benchmarks.clock import medians, seconds
from pipeline.research.benchmarks.plain import PlainLearner
from pipeline.research.benchmarks.tables import Ratio
from wespe.batch import Batch
from wespe.learner import Learner
from wespe.method import Method
from wespe.methods import build_method


def measure_step(name: str, preset: Preset, size_px: int, batch_size: int, repeats: int) -> list[Ratio]:
    """Measure source patches per second, and operations relative to a large matrix product."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    source, target = torch.rand(2, batch_size, 3, size_px, size_px, device=device)
    batch = Batch(source, target, batch_size)
    learner = Learner(method(preset, size_px, device), preset.learner)
    plain = PlainLearner(method(preset, size_px, device), preset.learner)
    with FlopCounterMode(display=False) as counter:
        plain.learn(batch)  # also allocates, and lets cuDNN choose
    precision = "bf16" if learner.bfloat16 else "fp32"
    multiply, products = _matrix_product(device, precision)

    def measure() -> tuple[float, ...]:
        learn_s = seconds(lambda: learner.learn(batch))
        plain_s = seconds(lambda: plain.learn(batch))
        return 1 / learn_s, 1 / plain_s, 1 / seconds(multiply)

    start_s = seconds(lambda: learner.learn(batch))
    learned, plainly, multiplied = medians(repeats, measure)
    operations = counter.get_total_flops()
    return [
        Ratio(
            what=f"step of preset {name}, {batch_size} × {size_px} px",
            unit="images",
            speed=batch_size * learned,
            ceiling="plain float32 step",
            ceiling_speed=batch_size * plainly,
            start_s=start_s,
        ),
        Ratio(
            what="  its operations",
            unit="TFLOP",
            speed=operations * learned / 1e12,
            ceiling=f"{precision} matrix product",
            ceiling_speed=products * multiplied / 1e12,
        ),
    ]


def compiler() -> bool:
    """Tell whether torch.compile works here."""
    return torch.cuda.is_available() or shutil.which("c++") is not None


def method(preset: Preset, size_px: int, device: torch.device) -> Method:
    """Build a method without downloads: random content weights take as much time as ImageNet's."""
    content = getattr(preset.method, "content", None)
    offline = replace(preset.method, content=replace(content, weights="random")) if content else preset.method
    return build_method(offline, size_px=size_px).to(device)


def _matrix_product(device: torch.device, precision: str) -> tuple[Callable[[], object], int]:
    """Return a matrix product large enough to reach peak speed, and its floating point operations."""
    size, times = (8192, 20) if device.type == "cuda" else (2048, 4)
    matrix = torch.rand(size, size, device=device, dtype=torch.bfloat16 if precision == "bf16" else None)
    matrix @ matrix  # warms

    def multiply() -> None:
        for _ in range(times):
            matrix @ matrix

    return multiply, times * 2 * size**3
