"""One step of the learner, against forward and backward of the same networks and losses."""

from dataclasses import replace

import torch

from pipeline.benchmarks.clock import medians, seconds
from pipeline.benchmarks.tables import Ratio
from pipeline.params import Preset
from wespe.batch import Batch
from wespe.learner import Learner
from wespe.method import Method
from wespe.methods import MethodConfig, build_method


def measure_step(name: str, preset: Preset, size_px: int, batch_size: int, repeats: int) -> Ratio:
    """Source patches per second. Single steps alternate, since the difference is small."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    method = build_method(_without_download(preset.method), size_px=size_px).to(device)
    learner = Learner(method, preset.learner)
    source, target = torch.rand(2, batch_size, 3, size_px, size_px, device=device)
    batch = Batch(source, target, batch_size)

    def measure() -> tuple[float, ...]:
        learn_s = seconds(lambda: learner.learn(batch))
        bare_s = seconds(lambda: forward_backward(method, batch))
        return batch_size / learn_s, batch_size / bare_s

    learner.learn(batch)  # allocates, and lets cuDNN choose
    speed, ceiling_speed = medians(repeats, measure)
    return Ratio(
        what=f"step of preset {name}, {batch_size} × {size_px} px",
        unit="images",
        speed=speed,
        ceiling="forward and backward only",
        ceiling_speed=ceiling_speed,
    )


def forward_backward(method: Method, batch: Batch) -> None:
    """What a step must compute: no optimiser, no moving average, no record of the losses."""
    networks, scene = dict(method.networks.items()), None
    for turn in method.turns:
        for name, group in networks.items():
            group.requires_grad_(name == turn.learns)
        scene = method.render(networks, batch) if scene is None else scene
        losses = turn.losses(networks, scene)
        method.networks.zero_grad(set_to_none=True)
        torch.stack([turn.weights[name] * loss for name, loss in losses.items()]).sum().backward()


def _without_download(method: MethodConfig) -> MethodConfig:
    """Random weights cost as much time as ImageNet's."""
    return replace(method, content=replace(method.content, weights="random"))
