"""Train the project's own CORNIA on any good photos: `python -m stages.cornia --help`."""

import argparse
from pathlib import Path

from pipeline.errors import PipelineError
from stages.command import parse, run

READING = """example, with test photos that are in none of the training folders:
  python -m stages.cornia ~/Pictures/good --out cornia.safetensors --test ~/Pictures/other

CORNIA (Ye et al. 2012) says how distorted a photo is, without a truth. Its authors' codebook is not
published, so this trains one: crops of 256 px are distorted (JPEG, blur, noise, down- and up-scaling, five
levels each) and graded by 100 sqrt(1 - MS-SSIM) against the clean crop; k-means makes the codebook of their
7x7 patches, and a linear support vector regression learns the grades. A score is about 0 for a clean photo
and 100 for a ruined one. It is this project's own version: compare photos by it, but not with figures in
papers.

Give sharp, clean photos of at least 256 px a side, of as many different scenes as possible. --test prints how
well scores rank distortions of photos that were not trained on (Spearman's correlation, 1 is perfect).
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.cornia",
        description="Train the project's own CORNIA, a score without a truth, on folders of good photos.",
        epilog=READING,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folders", nargs="+", type=Path, metavar="FOLDER", help="good photos, sub-folders too"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="a .safetensors file to write"
    )
    parser.add_argument(
        "--test", nargs="+", type=Path, metavar="FOLDER", help="photos to test the ranking on"
    )
    parser.add_argument(
        "--words", type=int, default=10_000, help="size of the codebook (default: %(default)s)"
    )
    parser.add_argument("--crops", type=int, default=40, help="of all photos together (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of crops and clusters (default: %(default)s)")
    arguments = parse(parser)
    run("cornia", lambda: _cornia(arguments))


def _cornia(arguments: argparse.Namespace) -> None:
    from pipeline.research.codebook import Recipe, rank_agreement, save_cornia, train_cornia  # slow to import

    try:
        recipe = Recipe(words=arguments.words, crops=arguments.crops, seed=arguments.seed)
    except ValueError as error:
        raise PipelineError(f"{error}; correct the option") from None
    if arguments.out.is_dir():  # checked before minutes of training
        raise PipelineError(f"{arguments.out} is a folder; name a file with --out")
    cornia = train_cornia(arguments.folders, recipe)
    save_cornia(cornia, arguments.out)
    print(f"cornia: {arguments.out}, {recipe.words} words, the project's own")
    if arguments.test:
        agreement = rank_agreement(cornia, arguments.test, recipe)
        print("  ".join(f"{name} {value:.3f}" for name, value in agreement.items()))


if __name__ == "__main__":
    main()
