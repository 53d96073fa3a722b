"""Train and compare presets: `python -m stages.compare --help`."""

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import PipelineError
from stages.command import parse, run

if TYPE_CHECKING:
    from pipeline.params import Params

EXAMPLE = """example, for pairs of a phone and a better camera, with the same names in two folders:
  python -m stages.compare wespe wespe-stable dped srcnn --steps 2000 --batch-size 8 \\
      --source phone --target camera --pairs train/phone train/camera --tests test/phone test/camera

Each preset is trained once per seed on the same patches, by the same loop as in production, but in this
process, without Ray, on the GPU if there is one. Paired presets learn from --pairs, the others from --source
and --target, which may show different scenes. All are scored on --tests, which must not overlap with the
other folders. The untouched photo, the histogram match, and each preset before training are scored as well;
the difference to the latter is the effect of training. With the weights of learned_scores.lpips, the table
also has LPIPS and the probe: how well a classifier tells enhanced patches from the target's, from 0.5 (not at
all) to 1.

With --minutes, each preset takes as many steps as fit in that time on this machine: this compares what
methods reach at the same cost.

The nearest seed is chosen without pairs: its enhanced patches of --source are closest to those of --target,
as sets, in colour and texture. This detects failed seeds; among seeds that differ by a tenth of a dB it was
no better than chance. OUT gets table.md, scores.json and all models.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.compare",
        description="Compare presets on folders of photos, over several seeds, for research.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("presets", nargs="*", metavar="PRESET", help="names under `presets` in params.yaml")
    parser.add_argument("--all", action="store_true", help="all presets; without --pairs, all that need none")
    add_folders = partial(parser.add_argument, type=Path, metavar="FOLDER")
    add_folders("--source", nargs="+", required=True, help="the camera's photos")
    add_folders("--target", nargs="+", required=True, help="photos whose look is learned")
    add_folders("--pairs", nargs=2, help="aligned photos to learn from, for paired presets")
    add_folders("--tests", nargs=2, required=True, help="aligned photos to score on")
    add_number = partial(parser.add_argument, type=int)
    add_number(
        "--steps", help="training steps; 0 only scores presets before training (default: the preset's)"
    )
    parser.add_argument("--minutes", type=float, help="length of each training, instead of --steps")
    add_number("--batch-size", help="patches per step (default: the preset's)")
    add_number("--size-px", default=100, help="side of a patch (default: %(default)s)")
    add_number("--per-photo", default=50, help="patches per photo (default: %(default)s)")
    add_number("--seeds", nargs="+", default=[1, 2, 3], help="random seeds (default: 1 2 3)")
    parser.add_argument("--no-starts", action="store_true", help="do not score presets before training")
    parser.add_argument(
        "--out", type=Path, default=Path("reports/comparison"), help="output folder (default: %(default)s)"
    )
    arguments = parse(parser)
    run("compare", lambda: _compare(arguments))


def _compare(arguments: argparse.Namespace) -> None:
    from pipeline import params
    from pipeline.evaluation.learned_scores import load_lpips
    from pipeline.patches.patches import Patches
    from pipeline.research.comparison import Settings, compare
    from pipeline.research.comparison_photos import read_data
    from pipeline.research.comparison_table import table

    file = params.load()
    presets = file.named_presets(_names(arguments, file))
    try:
        settings = Settings(
            steps=arguments.steps,
            batch_size=arguments.batch_size,
            minutes=arguments.minutes,
            patches=Patches(size_px=arguments.size_px, per_photo=arguments.per_photo),
            seeds=arguments.seeds,
            starts=not arguments.no_starts,
            lpips=load_lpips(file.learned_scores),
        )
    except ValueError as error:
        raise PipelineError(f"{error}; correct the option") from None
    data = read_data(settings.patches, arguments.source, arguments.target, arguments.pairs, arguments.tests)
    print(table(compare(presets, settings, data, arguments.out), data.tests))


def _names(arguments: argparse.Namespace, file: "Params") -> list[str]:
    """Return the presets to compare: those named, or all that can learn from what is given."""
    from pipeline.research.comparison import paired_presets

    if bool(arguments.presets) == arguments.all:
        raise PipelineError("name presets, or give --all")
    if not arguments.all:
        return arguments.presets
    left_out = [] if arguments.pairs else paired_presets(file.presets)
    if left_out:
        print(f"compare: left out {', '.join(left_out)}, which need --pairs", flush=True)
    return [name for name in file.presets if name not in left_out]


if __name__ == "__main__":
    main()
