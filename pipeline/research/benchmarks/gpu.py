"""Benchmark on one GPU: `python -m pipeline.research.benchmarks.gpu PHOTO.jpg`.

Prints two tables: the speed of training steps, compared with a plain float32 step and a large matrix product;
and the speed of enhancing photos on the device, compared with decoding and encoding them there (nvJPEG).
Only needs torch and wespe: no Ray, MLflow or params.yaml.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode
from torchvision.io import decode_jpeg, encode_jpeg, read_file

from pipeline.research.benchmarks.clock import seconds
from pipeline.research.benchmarks.plain import PlainLearner
from wespe.batch import Batch
from wespe.learner import Learner, LearnerConfig
from wespe.method import Method
from wespe.methods import MethodConfig, build_generator, build_method
from wespe.methods.lut_residual import LutResidualConfig
from wespe.methods.lut_restore import LutRestoreConfig
from wespe.methods.srcnn import SrcnnConfig
from wespe.methods.wespe import WespeConfig
from wespe.networks.features import ContentConfig
from wespe.networks.resnet import ResNetConfig

SIZE_PX, PRODUCT = 100, 8192
HEIGHT, WIDTH = 3000, 4000
RANDOM = ContentConfig(layers={"relu5_4": 1.0}, weights="random")  # costs what ImageNet's weights cost
STEPS = (
    (LearnerConfig(precision="fp32"), torch.float32),
    (LearnerConfig(precision="bf16"), torch.bfloat16),
    (LearnerConfig(precision="bf16", compile=True), torch.bfloat16),
)
GENERATORS: dict[str, MethodConfig] = {
    "lut_restore": LutRestoreConfig(),
    "lut_residual": LutResidualConfig(),
    "srcnn": SrcnnConfig(),
    "wespe": WespeConfig(),
    "wespe-stable": WespeConfig(generator=ResNetConfig(norm="none", output="residual")),
}


def measure_steps(batch_size: int, repeats: int) -> Iterator[str]:
    """Measure training steps with the paper's settings, by precision, with and without torch.compile."""
    yield from _head(
        f"wespe, {batch_size} × {SIZE_PX} px", "images/s", "to plain", "TFLOP/s", "of matrix product"
    )
    source, target = torch.rand(2, batch_size, 3, SIZE_PX, SIZE_PX, device="cuda")
    batch = Batch(source, target, batch_size)
    plain = PlainLearner(_method(), LearnerConfig(precision="fp32"))
    with FlopCounterMode(display=False) as counter:
        plain.learn(batch)
    operations = counter.get_total_flops()
    plain_s = _median(partial(plain.learn, batch), repeats)

    def row(name: str, step_s: float, dtype: torch.dtype) -> str:
        rate = operations / step_s
        speeds = (f"{batch_size / step_s:,.0f}", f"{plain_s / step_s:.2f}", f"{rate / 1e12:.1f}")
        return _line(name, *speeds, f"{rate / _product_rate(dtype):.2f}")

    yield row("plain float32 step", plain_s, torch.float32)
    for config, dtype in STEPS:
        learn = partial(Learner(_method(), config).learn, batch)
        first_s = seconds(learn)
        compiled = ", compiled" if config.compile else ""
        yield row(
            f"{config.precision}{compiled} (first step {first_s:.0f} s)", _median(learn, repeats), dtype
        )


def measure_photos(photo: Path, repeats: int) -> Iterator[str]:
    """Measure whole photos of 12 megapixels on the device, compared with the codec on the same device."""
    yield from _head("12 megapixels on the device", "MP/s", "to the codec", "levels off", "GiB")
    large, codec_s = _photo_and_codec(photo, repeats)
    megapixels = HEIGHT * WIDTH / 1e6
    yield _line("decode + encode (nvJPEG)", f"{megapixels / codec_s:,.0f}", "1.00", "", "")
    for name, config in GENERATORS.items():
        generator = build_generator(config).eval().requires_grad_(False).cuda()
        exact = _enhanced(generator, large, torch.float32)
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            torch.cuda.reset_peak_memory_stats()
            levels = (_enhanced(generator, large, dtype).int() - exact.int()).abs().max().item()
            enhance_s = _median(partial(_enhanced, generator, large, dtype), repeats)
            gib = torch.cuda.max_memory_allocated() / 2**30
            speeds = (f"{megapixels / enhance_s:,.0f}", f"{codec_s / enhance_s:.2f}")
            yield _line(f"{name}, {str(dtype)[6:]}", *speeds, f"{levels}", f"{gib:.1f}")


def _photo_and_codec(photo: Path, repeats: int) -> tuple[torch.Tensor, float]:
    """Return a photo enlarged to 12 megapixels (3, h, w), and the seconds for decoding and encoding it."""
    small = decode_jpeg(read_file(str(photo)), device="cuda")[None].float()
    large = functional.interpolate(small, (HEIGHT, WIDTH), mode="bicubic").clamp(0, 255).round().byte()[0]
    data = encode_jpeg(large, quality=95).cpu()
    return large, _median(lambda: encode_jpeg(decode_jpeg(data, device="cuda"), quality=95), repeats)


@torch.inference_mode()
def _enhanced(generator: nn.Module, photo_chw: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    photos = photo_chw[None].float().div(255).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
        enhanced = generator(photos)
    return enhanced.float().clamp(0, 1).mul(255).round().byte()


def _method() -> Method:
    torch.manual_seed(0)
    return build_method(WespeConfig(content=RANDOM), size_px=SIZE_PX).cuda()


def _median(work: Callable[[], object], repeats: int) -> float:
    work()
    return statistics.median(seconds(work) for _ in range(repeats))


def _product_rate(dtype: torch.dtype) -> float:
    """Measure the floating point operations per second of a large matrix product."""
    matrix = torch.rand(PRODUCT, PRODUCT, device="cuda").to(dtype)
    return 2 * PRODUCT**3 / _median(lambda: matrix @ matrix, 5)


def _head(*cells: str) -> Iterator[str]:
    yield _line(*cells)
    yield _line(*["---"] * len(cells))


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photo", type=Path, help="any JPEG; it is enlarged to 12 megapixels")
    parser.add_argument("--batch-size", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=15)
    asked = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("gpu: no CUDA device here; `make bench` measures a CPU")
    print(torch.cuda.get_device_name(), torch.__version__, flush=True)
    for lines in (measure_steps(asked.batch_size, asked.repeats), measure_photos(asked.photo, asked.repeats)):
        for line in lines:
            print(line, flush=True)
        print()


if __name__ == "__main__":
    main()
