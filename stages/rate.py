"""Train and use the Flickr Faves Score: `python -m stages.rate crawl|train|score`."""

import argparse
from pathlib import Path

from pipeline.errors import ParamsError
from stages.command import parse, run

EXAMPLE = """example:
  export FLICKR_API_KEY=…
  python -m stages.rate crawl street --photos 16000
  python -m stages.rate train data/flickr/photos.csv --weights vgg19-dcbb9e9d.pth
  python -m stages.rate score models/rater photos enhanced

To resume an interrupted crawl, run the same command again. 16,000 photos take 4.5 hours, since Flickr allows
3,600 calls per hour. photos.csv lists the licence and author of each photo. `train` accepts any CSV with the
columns photo, faves and views. The score is the Flickr Faves Score of Ignatov et al. 2018.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.rate",
        description="The Flickr Faves Score: crawl photos with their faves, train a rater, score folders.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="crawl|train|score")
    _add_crawl(verbs.add_parser("crawl", help="download photos with their faves and views from Flickr"))
    _add_train(verbs.add_parser("train", help="learn from a table of photos, faves and views"))
    _add_score(verbs.add_parser("score", help="score folders of photos"))
    arguments = parse(parser)
    work = {"crawl": _crawl, "train": _train, "score": _score}[arguments.verb]
    run(f"rate {arguments.verb}", lambda: work(arguments))


def _add_crawl(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "tags", nargs="+", metavar="TAG", help="download photos with at least one of these tags"
    )
    parser.add_argument("--photos", type=int, default=16_000, help="number of photos (default: %(default)s)")
    parser.add_argument(
        "--licences",
        nargs="+",
        default=["by", "by-sa", "zero", "mark"],
        help="allowed (default: by by-sa zero mark)",
    )
    parser.add_argument("--calls-per-hour", type=int, default=3600, help="limit (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("data/flickr"), help="folder (default: %(default)s)")


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "table", type=Path, metavar="CSV", help="a table with the columns photo, faves and views"
    )
    parser.add_argument(
        "--weights",
        required=True,
        help="VGG-19's ImageNet weights: torchvision's vgg19-dcbb9e9d.pth, a .safetensors file such as the"
        " data/cameras/NAME/features.safetensors of a camera whose content loss uses relu5_4; or random",
    )
    parser.add_argument(
        "--min-views", type=int, default=1, help="leave out photos with fewer views (default: %(default)s)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("models/rater"), help="folder (default: %(default)s)"
    )


def _add_score(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rater", type=Path, metavar="RATER", help="the folder that `train` wrote")
    parser.add_argument("originals", type=Path, metavar="FOLDER", help="original photos")
    parser.add_argument(
        "others", type=Path, nargs="*", metavar="ENHANCED", help="enhanced versions with the same names"
    )
    parser.add_argument("--json", type=Path, help="also write the scores to this file")


def _crawl(arguments: argparse.Namespace) -> None:
    from pipeline.research.rating.crawling import (  # imports torch, which would slow down --help
        Search,
        crawl,
    )
    from pipeline.research.rating.flickr import Flickr, Pace, api_key

    try:
        search = Search(
            tags=tuple(arguments.tags), photos=arguments.photos, licences=tuple(arguments.licences)
        )
        pace = Pace(calls_per_hour=arguments.calls_per_hour)
    except ValueError as error:
        raise ParamsError(f"{error}; see --help") from None
    print(crawl(search, arguments.out, Flickr(api_key(), pace)))


def _train(arguments: argparse.Namespace) -> None:
    from pipeline.research.rating.training import Rating, train_rater

    try:
        rating = Rating(weights=arguments.weights, min_views=arguments.min_views)
    except ValueError as error:
        raise ParamsError(f"{error}; see --help") from None
    print(f"{arguments.out}: {train_rater(arguments.table, rating, arguments.out).accuracy.in_words}")


def _score(arguments: argparse.Namespace) -> None:
    from pipeline.models.rater_folder import load_rater
    from pipeline.research.rating.scoring import score_folders

    scores = score_folders(load_rater(arguments.rater), [arguments.originals, *arguments.others])
    if arguments.json:
        scores.write(arguments.json)
    print(scores)


if __name__ == "__main__":
    main()
