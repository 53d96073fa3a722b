"""The films of `wespe enhance`: one after the other, each with its own progress."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.enhancement.destinations import Work
    from pipeline.enhancement.model_choice import ModelChoice
    from pipeline.films.settings import FilmSettings
    from pipeline.models.model_folder import Model


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that only films have."""
    films = parser.add_argument_group("films")
    films.add_argument("--codec", default="", help="h264, hevc, av1 or vp9; default: h264, in WebM vp9")
    films.add_argument(
        "--crf",
        type=int,
        metavar="0…63",
        help="the encoder's quality, lower for better; default: 18 for h264",
    )
    films.add_argument(
        "--score", action="store_true", help="print how much the result flickers, relative to the film"
    )


def film_settings(arguments: argparse.Namespace) -> "FilmSettings":
    """Raises EnhancementError for a value out of range."""
    from pipeline.errors import EnhancementError
    from pipeline.films.settings import FilmSettings

    try:
        return FilmSettings(strength=arguments.strength, codec=arguments.codec, crf=arguments.crf)
    except ValueError as error:
        raise EnhancementError(f"--{error}") from None


def films_of(work: "Work") -> "list[Work]":
    """Return a film, or those in a folder that are no results, each with its destination."""
    from pipeline.enhancement.destinations import is_result
    from pipeline.video.formats import films_below

    if not work.is_folder:
        return [work]
    folder, results = work.source, work.destination
    return [
        replace(work, source=film, destination=results / film.relative_to(folder), is_folder=False)
        for film in films_below(folder)
        if not film.is_relative_to(results) and not is_result(film)
    ]


def enhance_films(
    work: "Sequence[Work]",
    choice: "ModelChoice",
    arguments: argparse.Namespace,
    load: Callable[[list[str]], Any],
) -> list[str]:
    """Enhance films one by one, and print the paths of the results. Return failures with their reasons.

    A result in a folder that is newer than its film, and of the same model and settings, is kept.
    """
    if not work:
        return []
    from pipeline.enhancement.enhancer import reason_of
    from pipeline.errors import EnhancementError, FilmError
    from pipeline.films.about import header_of_film
    from pipeline.video.library import pyav

    try:
        pyav()
    except FilmError as error:
        return [f"{one.source}: {error}" for one in work]
    settings, failed = film_settings(arguments), list[str]()
    if arguments.max_megapixels or arguments.format or arguments.quality:
        print(
            "films keep size and container: --max-megapixels, --format, --quality are for photos; see --crf",
            file=sys.stderr,
        )
    chosen = [choice.router.choose(header_of_film(one.source)) for one in work]
    models = load(chosen)
    for line in choice.lines(chosen, "film"):
        print(line, file=sys.stderr)
    for one, folder in zip(work, chosen, strict=True):
        try:
            if not folder:
                raise EnhancementError(choice.unmatched)
            _enhance(models[folder], one, settings, arguments)
        except Exception as error:  # no error of one film may stop the others
            failed.append(f"{one.source}: {reason_of(error)}")
    return failed


def _enhance(model: "Model", work: "Work", settings: "FilmSettings", arguments: argparse.Namespace) -> None:
    from pipeline.enhancement.destinations import keep_others
    from pipeline.films.one_film import enhance_film, is_up_to_date

    keep_others(work.destination)
    if work.source not in arguments.sources and is_up_to_date(model, work.source, work.destination, settings):
        print(f"{work.destination} (up to date)")
        return
    work.destination.parent.mkdir(parents=True, exist_ok=True)
    made = enhance_film(model, work.source, work.destination, settings, score=arguments.score)
    if arguments.keep_dates:
        facts = work.source.stat()
        os.utime(work.destination, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    print(work.destination)
    for warning in made.warnings:
        print(f"  {work.source}: {warning}", file=sys.stderr)
    if made.source and made.result:
        ratio = made.result.over(made.source)
        print(
            f"  flicker at static places ({ratio.static:.0%}), relative to the film: luma {ratio.luma:.2f}, "
            f"chroma {ratio.chroma:.2f}; noise {ratio.noise:.2f}"
        )
