"""The licences of the public data sets that a camera's model is learned from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pipeline.catalogue.lookup import find_part
from pipeline.sources.dataset import Dataset
from pipeline.sources.settings import PhotoSet


@dataclass(frozen=True, kw_only=True)
class Licences:
    """Which licences of public data sets are allowed.

    commercial_use: `required` stops if a data set forbids commercial use or does not mention it.
    """

    commercial_use: Literal["any", "required"] = "any"


@dataclass(frozen=True, kw_only=True)
class DataSetUse:
    """A data set that a camera uses, and what its licence allows. role: photos, truth or target."""

    role: str
    name: str
    part: str
    licence: str
    licence_url: str
    commercial_use: str
    citation: str


def data_sets_of(photos: PhotoSet, target: PhotoSet) -> Iterator[DataSetUse]:
    """Yield the public data sets of a camera and its target; photos of other sources are the user's own."""
    for role, source in (("photos", photos.source), ("truth", photos.truth), ("target", target.source)):
        if isinstance(source, Dataset):
            entry, _ = source.described()
            part, _ = find_part(entry, source.part)
            yield DataSetUse(
                role=role,
                name=entry.name,
                part=part,
                licence=entry.licence,
                licence_url=entry.licence_url,
                commercial_use=entry.commercial_use,
                citation=entry.citation,
            )


def refusal(licences: Licences, use: DataSetUse) -> str:
    """Explain why a data set must not be used; '' if it may be."""
    if licences.commercial_use == "any" or use.commercial_use == "yes":
        return ""
    says = (
        "forbids commercial use"
        if use.commercial_use == "no"
        else "does not say that commercial use is allowed"
    )
    return (
        f"the data set {use.name} ({use.role}) {says} (licence: {use.licence}, {use.licence_url}), but"
        " licences.commercial_use is required; choose another set from `wespe datasets`, or allow `any`"
    )
