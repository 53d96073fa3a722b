"""Adds models of a zoo to the user's own, and brings them up to date."""

from dataclasses import dataclass

from pipeline.errors import ZooError
from pipeline.models.card import UNSTATED, printable, version_key
from pipeline.models.known_models import KnownModel, known_models, models_in, nearest, user_folder
from pipeline.models.own_models import install, require_new
from pipeline.models.package import CARD_PAGE, PACKAGE_MANIFEST
from pipeline.zoo.index import ListedModel, find_listed, newest
from pipeline.zoo.reading import Zoo


@dataclass(frozen=True, kw_only=True)
class Update:
    """A model of the user: its version before, and the newest of the zoo, which it now has."""

    name: str
    before: str
    after: str


def search(zoo: Zoo, text: str = "") -> list[ListedModel]:
    """Return the newest version of each model whose name, cameras or summary have all words of `text`."""
    words = text.split()
    return [listed for listed in newest(zoo.index()) if listed.matches(words)]


def add_from_zoo(name: str, zoo: Zoo) -> KnownModel:
    """Fetch the newest version of a model, verify it and add it. Raises ZooError, CheckpointError."""
    listed = find_listed(zoo.index(), name, zoo.address)
    require_new(listed.name, f"run `wespe models update {listed.name}`")
    return install(listed.name, zoo.fetch(listed), f"{zoo.address}/{listed.folder}")


def update(zoo: Zoo, name: str = "") -> list[Update]:
    """Replace the models that came from a zoo by newer versions: all, or one. Raises ZooError.

    An updated model is whole at any time; the older version stays if anything is wrong with the newer.
    """
    own = _from_a_zoo()
    if name and name not in own:
        has = f"those are {', '.join(own)}" if own else "none has been added"
        raise ZooError(f"{name} is not a model added from a zoo{nearest(name, own)}; {has}")
    latest = {listed.name: listed for listed in newest(zoo.index())}
    if name and name not in latest:
        raise ZooError(f"{zoo.address} has no model {name}; name the zoo that it came from with --zoo")
    wanted = [name] if name else [one for one in own if one in latest]
    return [_updated(own[one], latest[one], zoo) for one in wanted]


def _from_a_zoo() -> dict[str, KnownModel]:
    """Return the user's models that have a manifest, by name: only they are ever replaced."""
    own = models_in(user_folder())
    return {name: model for name, model in own.items() if (model.folder / PACKAGE_MANIFEST).is_file()}


def _updated(model: KnownModel, listed: ListedModel, zoo: Zoo) -> Update:
    before = model.card.version if model.card else "0"
    if version_key(listed.version) <= version_key(before):
        return Update(name=model.name, before=before, after=before)
    install(listed.name, zoo.fetch(listed), f"{zoo.address}/{listed.folder}", replace=True)
    return Update(name=model.name, before=before, after=listed.version)


def card_here(name: str) -> str:
    """Return the card of a known model as text. Raises ZooError."""
    models = {model.name: model for model in known_models()}
    if name not in models:
        raise ZooError(f"no model {name} on this machine{nearest(name, models)}; --zoo URL looks in a zoo")
    page = models[name].folder / CARD_PAGE
    return _plain(page.read_text("utf-8", "replace") if page.is_file() else _facts(models[name]))


def card_there(name: str, zoo: Zoo) -> str:
    """Return the card of the newest version of a zoo's model as text. Raises ZooError."""
    return _plain(zoo.text(find_listed(zoo.index(), name, zoo.address), CARD_PAGE))


def _plain(text: str) -> str:
    return "\n".join(map(printable, text.splitlines())).strip()


def _facts(model: KnownModel) -> str:
    """Describe a model without a page for people."""
    licence = model.card.licence if model.card else UNSTATED
    facts = {"camera": model.camera, "target": model.target, "method": model.method, "licence": licence}
    lines = [f"{key}: {value or UNSTATED}" for key, value in facts.items()]
    return "\n".join([f"# {model.name}", "", *lines, f"folder: {model.folder}"])
