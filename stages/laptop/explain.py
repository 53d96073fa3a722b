"""`wespe explain`: print as JSON what a model decides for a photo."""

import argparse
import json
from pathlib import Path
from typing import Any

from stages.laptop.parsers import add_command

EXAMPLES = """examples:
  wespe explain beach.jpg --model my-box > edits.json
  wespe enhance holiday/ --model edits.json          the same edits on other photos, of any size

The file is text: change a number, remove an edit or add one. Models of the presets whitebox, distort-recover
and enhancegan decide in words and numbers. Only lists of edits, which the first two decide, can be given to
`wespe enhance`.
"""


def add(commands: Any) -> None:
    help = "print as JSON what a model decides for a photo, such as a list of edits"
    parser = add_command(commands, "explain", help, _explain, EXAMPLES)
    parser.add_argument("photo", metavar="PHOTO", type=Path)
    parser.add_argument("--model", default="", help="a known model's name, or a model folder")


def _explain(arguments: argparse.Namespace) -> None:
    from pipeline.enhancement.model_choice import choose_models
    from pipeline.errors import PhotoError

    choice = choose_models(arguments.model)
    from pipeline.models.model_folder import load_model  # imports torch, which takes seconds
    from pipeline.photos.decoding import decode_original
    from pipeline.photos.headers import header_of

    try:
        original = decode_original(arguments.photo.read_bytes())
    except OSError as error:
        raise PhotoError(f"{arguments.photo}: {error.strerror}; name a photo") from None
    except PhotoError as error:
        raise PhotoError(f"{arguments.photo}: {error}") from None
    folder = choice.router.choose(header_of(arguments.photo))
    if not folder:
        raise PhotoError(f"{arguments.photo}: {choice.unmatched}")
    model = load_model(Path(folder))
    decided = model.explain(original.photo_hwc, original.colours)
    if not decided:
        raise PhotoError(
            f"{Path(folder).name} decides nothing that can be told in words; models of whitebox, "
            "distort-recover and enhancegan do"
        )
    print(json.dumps(decided, indent=2))
