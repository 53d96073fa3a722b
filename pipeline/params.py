"""Reads params.yaml into frozen dataclasses; errors are reported with the path of the key."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import date
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin, get_type_hints

import yaml
from pydantic import Discriminator, TypeAdapter, ValidationError

from pipeline.enhancement.settings import Route
from pipeline.errors import ParamsError
from pipeline.evaluation.settings import LearnedScoreFiles
from pipeline.patches.settings import Patches
from pipeline.registry.settings import Gates
from pipeline.sources.licences import DataSetUse, Licences, data_sets_of, refusal
from pipeline.sources.settings import PhotoSet
from pipeline.training.settings import Training
from wespe.guard import GuardConfig
from wespe.learner import LearnerConfig
from wespe.methods import METHODS, MethodConfig

FILE = Path("params.yaml")
NUMBER = re.compile(r"\d+(e\d+)?|0x[0-9a-f]+|0o[0-7]+")  # a number in YAML 1.1 or 1.2
NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


@dataclass(frozen=True, kw_only=True)
class Target:
    """A set of photos whose look is learned."""

    photos: PhotoSet
    patches: Patches


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A camera: its photos, the target whose look it gets, and the training preset.

    gates: the gates of the whole file, with this camera's overrides applied.
    """

    photos: PhotoSet
    patches: Patches
    target: str
    preset: str
    gates: Gates = field(default_factory=Gates)


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Training settings."""

    method: Annotated[MethodConfig, Discriminator("name")]
    learner: LearnerConfig = field(default_factory=LearnerConfig)
    guard: GuardConfig = field(default_factory=GuardConfig)
    training: Training = field(default_factory=Training)


@dataclass(frozen=True, kw_only=True)
class Params:
    cameras: dict[str, Camera]
    targets: dict[str, Target]
    presets: dict[str, Preset]
    gates: Gates = field(default_factory=Gates)
    learned_scores: LearnedScoreFiles = field(default_factory=LearnedScoreFiles)
    routes: list[Route] = field(default_factory=list)
    licences: Licences = field(default_factory=Licences)

    # Pydantic applies this to all nested dataclasses, so that they need not import pydantic.
    __pydantic_config__: ClassVar = {"extra": "forbid", "allow_inf_nan": False}

    def photo_set(self, address: str) -> Camera | Target:
        """Return the block at `cameras.x` or `targets.x`. Raises ParamsError."""
        kind, _, name = address.partition(".")
        kinds: dict[str, Mapping[str, Camera | Target]] = {"cameras": self.cameras, "targets": self.targets}
        blocks = kinds.get(kind, {})
        if name not in blocks:
            known = [f"cameras.{n}" for n in self.cameras] + [f"targets.{n}" for n in self.targets]
            raise ParamsError(f"no block {address}{_nearest(address, known)}; {FILE} has {', '.join(known)}")
        return blocks[name]

    def named_presets(self, names: Sequence[str]) -> dict[str, Preset]:
        """Return presets by name. Raises ParamsError."""
        for name in names:
            if name not in self.presets:
                raise ParamsError(
                    f"no preset {name}{_nearest(name, self.presets)}; {FILE} has {', '.join(self.presets)}"
                )
        return {name: self.presets[name] for name in names}

    def camera(self, name: str) -> Camera:
        """Return the block `cameras.name`. Raises ParamsError."""
        block = self.photo_set(f"cameras.{name}")
        assert isinstance(block, Camera)
        return block

    def data_sets(self, name: str) -> tuple[DataSetUse, ...]:
        """Return the public data sets of a camera and its target, with their licences."""
        camera = self.camera(name)
        return tuple(data_sets_of(camera.photos, self.targets[camera.target].photos))


def load(path: Path = FILE) -> Params:
    """Read and validate the whole file. Raises ParamsError."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8-sig"), _Loader)
    except OSError as error:
        raise ParamsError(f"{path}: {error.strerror}; run this in the folder that contains it") from None
    except yaml.MarkedYAMLError as error:  # do not show the line itself: it may contain a password
        where = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ParamsError(f"{path} is not valid YAML{where}: {error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ParamsError(f"{path} is not valid YAML: it contains characters that are not text") from None
    if not isinstance(content, dict):
        keys = ", ".join(field.name for field in fields(Params))
        raise ParamsError(f"{path} must be a mapping with the keys {keys}")
    _check_keys(content, path)
    try:
        params = TypeAdapter(Params).validate_python(content)
    except ValidationError as error:
        raise ParamsError(f"{path}: " + "; ".join(_explain(e) for e in error.errors())) from None
    _check_names(params, path)
    return _inherit_gates(params, content)


class _Loader(yaml.SafeLoader):
    """Rejects a key that is written twice: YAML forbids it, but PyYAML silently drops the first block."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set[str]()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen and key.value != "<<":
                problem = f"the key {key.value} appears twice in the same block; remove or rename one"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _check_keys(content: dict[Any, Any], path: Path) -> None:
    """Reject names that YAML does not read as text, here or in DVC, which uses another YAML version."""
    kinds = ("cameras", "targets", "presets")
    blocks = {kind: content.get(kind) for kind in kinds}
    for kind, names in blocks.items():
        for name in names if isinstance(names, dict) else ():
            if not isinstance(name, str) or NUMBER.fullmatch(name):
                raise ParamsError(
                    f"{path}: {kind}: YAML reads a name as {_kind_of(name)} ({name}), not as text; choose "
                    f"another, such as {kind[:-1]}-{'1' if isinstance(name, bool) or name is None else name}"
                )


def _kind_of(name: Any) -> str:
    if isinstance(name, bool):
        return "true or false"
    return "nothing" if name is None else "a date" if isinstance(name, date) else "a number"


def _inherit_gates(params: Params, content: Any) -> Params:
    """Give every camera the gates of the whole file, with the overrides in its own block."""

    def own(name: str, camera: Camera) -> Camera:
        given = content["cameras"][name].get("gates", {})
        return replace(camera, gates=replace(params.gates, **{k: getattr(camera.gates, k) for k in given}))

    return replace(params, cameras={name: own(name, camera) for name, camera in params.cameras.items()})


def _check_names(params: Params, path: Path) -> None:
    for kind in ("cameras", "targets", "presets"):
        for name in getattr(params, kind):
            if not NAME.fullmatch(name):
                raise ParamsError(
                    f"{path}: {kind}.{name}: a name must consist of a–z, 0–9 and -, such as my-phone"
                )
    for number, route in enumerate(params.routes):
        if route.camera and route.camera not in params.cameras:
            raise ParamsError(
                f"{path}: routes.{number}.use: there is no camera {route.camera!r}"
                f"{_nearest(route.camera, params.cameras)}; cameras has {', '.join(params.cameras)}"
            )
    for name, camera in params.cameras.items():
        for key, known in (("target", params.targets), ("preset", params.presets)):
            value = getattr(camera, key)
            if value not in known:
                raise ParamsError(
                    f"{path}: cameras.{name}.{key}: there is no {key} {value!r}{_nearest(value, known)}; "
                    f"{key}s has {', '.join(known)}"
                )
        preset = params.presets[camera.preset]
        _check_camera(f"{path}: cameras.{name}", camera, preset)
        for reason in filter(None, (refusal(params.licences, use) for use in params.data_sets(name))):
            raise ParamsError(f"{path}: cameras.{name}: {reason}")
        theirs = params.targets[camera.target].patches.size_px
        if not METHODS[preset.method.name].method.paired and camera.patches.size_px != theirs:
            raise ParamsError(
                f"{path}: cameras.{name}.patches.size_px is {camera.patches.size_px}, but "
                f"targets.{camera.target}.patches.size_px is {theirs}; they must be equal"
            )


def _check_camera(where: str, camera: Camera, preset: Preset) -> None:
    """Report combinations that would only fail after hours of fetching and training."""
    if camera.photos.split.test == 0:
        raise ParamsError(f"{where}.photos.split.test must be above 0: a model is evaluated on test photos")
    size_px, method = camera.patches.size_px, preset.method
    blur = getattr(method, "blur", None)  # of most methods
    if blur is not None and blur.taps // 2 >= size_px:
        raise ParamsError(f"{where}.patches.size_px is {size_px}, too small for method.blur.taps {blur.taps}")
    paired = METHODS[method.name].method.paired
    if paired and camera.photos.truth is None and camera.photos.simulated_camera is None:
        raise ParamsError(
            f"{where}.photos: preset {camera.preset} ({method.name}) needs aligned pairs; add `truth`, a "
            "source of photos with the same names, or choose another preset"
        )


def _explain(error: Any) -> str:
    """Describe one error: its path, what is wrong, and the most similar valid name."""
    path, block = _locate(error["loc"])
    match error["type"]:
        case "unexpected_keyword_argument":
            known = [f.name for f in fields(block)]
            return f"{path}: unknown key{_nearest(error['loc'][-1], known)}; allowed: {', '.join(known)}"
        case "union_tag_invalid":
            key, tag, known = _tag_key(block), error["ctx"]["tag"], list(_members(block))
            return f"{path}.{key}: unknown {key} {tag!r}{_nearest(tag, known)}; allowed: {', '.join(known)}"
        case "union_tag_not_found":
            return f"{path}.{_tag_key(block)}: is missing; allowed: {', '.join(_members(block))}"
        case "missing":
            return f"{path}: is missing"
        case "value_error":
            return f"{path}: {error['ctx']['error']}"
    return f"{path}: {error['msg']}" + _shown(error["input"])


def _shown(value: Any) -> str:
    """Return the invalid value as text; '' if it may contain a password, such as a URL."""
    return f", not {value!r}" if not isinstance(value, str | dict | list) or str(value).isidentifier() else ""


def _locate(loc: Sequence[Any]) -> tuple[str, Any]:
    """Return the path as in params.yaml, and the dataclass or union that its last valid part belongs to.

    pydantic's `loc` also contains the tags of unions; they are removed.
    """
    kind: Any = Params
    block, written = kind, []
    for part in loc:
        if is_dataclass(kind):
            block, kind = kind, get_type_hints(kind, include_extras=True).get(part)
        elif part in (members := _members(kind)):
            block = kind = members[part]
            continue
        else:  # dict[str, X] or list[X]
            block, kind = kind, (get_args(kind) or (None,))[-1]
        written.append(str(part))
        kind = _without_none(kind)
    ends_in_block = is_dataclass(kind) or _members(kind)
    return ".".join(written) or "the whole file", kind if ends_in_block else block


def _members(kind: Any) -> dict[str, Any]:
    """Return the dataclasses of a discriminated union by their tag."""
    if not (key := _tag_key(kind)):
        return {}
    return {get_args(get_type_hints(k)[key])[0]: k for k in get_args(get_args(kind)[0])}


def _tag_key(kind: Any) -> str:
    """Return the discriminator field of a union: `kind` for sources, `name` for methods; '' for no union."""
    marks = get_args(kind)[1:] if get_origin(kind) is Annotated else ()
    return next((m.discriminator for m in marks if isinstance(getattr(m, "discriminator", None), str)), "")


def _without_none(kind: Any) -> Any:
    """Turn `X | None` into X."""
    if get_origin(kind) in (Union, UnionType):
        return next(k for k in get_args(kind) if k is not NoneType)
    return kind


def _nearest(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {close[0]!r}?" if close else ""
