"""Chooses a model for each photo: the one that the user names, or by the camera in the photo's EXIF.

Without a name: the model whose card lists the camera, the user's own before those of the package; else the
only model that the user has added; else `generic-phone`. Nothing is remembered between two calls.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.enhancement.routing import Router
from pipeline.enhancement.settings import Route
from pipeline.errors import CheckpointError
from pipeline.models.known_models import HOW_TO_ADD, KnownModel, find_model, known_models

GENERIC = "generic-phone"
LONGEST = 60  # characters of the cameras in a line


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """A router from photos to the folders of models.

    reasons: why a folder is chosen; empty if there is nothing to choose from.
    names: of all models, for messages.
    """

    router: Router
    reasons: Mapping[str, str] = field(default_factory=dict)
    names: Sequence[str] = ()

    def lines(self, chosen: Iterable[str], noun: str = "photo") -> list[str]:
        """Tell which models were chosen and why; `chosen` has a folder for each photo, or film."""
        counts = Counter(folder for folder in chosen if folder in self.reasons)
        return [
            f"model {Path(folder).name} for {count} {noun}{'s' * (count > 1)}: "
            f"{self.reasons[folder]}; choose another with --model, see `wespe models`"
            for folder, count in counts.items()
        ]

    @property
    def unmatched(self) -> str:
        """The reason why a photo gets no model."""
        return f"no model is made for its camera; choose one with --model: {', '.join(self.names)}"


def choose_models(wanted: str = "") -> ModelChoice:
    """Return the choice among the known models, or the one model that is wanted, by its name or folder.

    Raises CheckpointError if there is none, or if nothing tells which of several to take.
    """
    if wanted:
        return ModelChoice(router=Router(fixed=str(find_model(wanted))))
    models = known_models()
    if not models:
        raise CheckpointError(f"no models on this machine yet; {HOW_TO_ADD}")
    if len(models) == 1:
        only = str(models[0].folder)
        reasons = {only: "the only one on this machine"} if models[0].shipped else {}
        return ModelChoice(router=Router(fixed=only), reasons=reasons)
    return _choice_among(models)


def _choice_among(models: Sequence[KnownModel]) -> ModelChoice:
    names = [model.name for model in models]
    routes = [route for model in sorted(models, key=lambda one: one.shipped) for route in _routes(model)]
    reasons = {_address(model): _made_for(model) for model in models}
    fallback, reason = _fallback(models)
    if fallback:
        routes.append(Route(use=_address(fallback)))
        reasons[routes[-1].use] = reason
    if not routes:
        raise CheckpointError(f"several models are known; choose one with --model: {', '.join(names)}")
    return ModelChoice(router=Router(routes=routes), reasons=reasons, names=names)


def _routes(model: KnownModel) -> list[Route]:
    """Return a route for each camera on the card; a pattern that matches all of them names none."""
    patterns = model.card.cameras if model.card else ()
    named = [one for one in patterns if one.make.strip("*?") or one.model.strip("*?")]
    return [Route(make=one.make, model=one.model, use=_address(model)) for one in named]


def _made_for(model: KnownModel) -> str:
    cameras = ", ".join(map(str, model.card.cameras)) if model.card else ""
    return f"made for {cameras[:LONGEST]}{'…' if len(cameras) > LONGEST else ''}"


def _fallback(models: Sequence[KnownModel]) -> tuple[KnownModel | None, str]:
    own = [model for model in models if not model.shipped]
    if len(own) == 1:
        return own[0], "the only one that you have added"
    generic = next((model for model in models if model.name == GENERIC), None)
    return generic, "no other is made for the camera"


def _address(model: KnownModel) -> str:
    return model.folder.absolute().as_posix()  # with a /, which tells a route's folder from a camera
