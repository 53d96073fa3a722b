"""Train a CORNIA score on good photos: `python -m stages.cornia --help`."""

import argparse
from pathlib import Path

from pipeline.errors import PipelineError
from stages.command import parse, run

READING = """example, with test photos that are in none of the training folders:
  python -m stages.cornia ~/Pictures/good --out cornia.safetensors --test ~/Pictures/other

CORNIA (Ye et al. 2012) measures how distorted a photo is, without a truth. Its authors' codebook is not
published, so this command trains one: crops of 256 px are distorted (JPEG, blur, noise, down- and up-scaling,
five levels each) and graded by 100 sqrt(1 - MS-SSIM) against the clean crop; k-means clusters their 7x7
patches to a codebook, and a linear support vector regression learns the grades. The score is about 0 for a
clean photo and 100 for a ruined one. It is not comparable with scores in papers.

Use sharp, clean photos of at least 256 px a side, of as many different scenes as possible. --test prints how
well scores rank distortions of other photos (Spearman's correlation, 1 is perfect).
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.cornia",
        description="Train a CORNIA score, which needs no truth, on folders of good photos.",
        epilog=READING,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folders", nargs="+", type=Path, metavar="FOLDER", help="good photos, including sub-folders"
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
    parser.add_argument("--crops", type=int, default=40, help="total number of crops (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    arguments = parse(parser)
    run("cornia", lambda: _cornia(arguments))


def _cornia(arguments: argparse.Namespace) -> None:
    from pipeline.research.codebook import Recipe, rank_agreement, save_cornia, train_cornia  # slow to import

    try:
        recipe = Recipe(words=arguments.words, crops=arguments.crops, seed=arguments.seed)
    except ValueError as error:
        raise PipelineError(f"{error}; correct the option") from None
    if arguments.out.is_dir():  # check before training, which takes minutes
        raise PipelineError(f"{arguments.out} is a folder; give a file with --out")
    cornia = train_cornia(arguments.folders, recipe)
    save_cornia(cornia, arguments.out)
    print(f"cornia: {arguments.out}, {recipe.words} words")
    if arguments.test:
        agreement = rank_agreement(cornia, arguments.test, recipe)
        print("  ".join(f"{name} {value:.3f}" for name, value in agreement.items()))


if __name__ == "__main__":
    main()
