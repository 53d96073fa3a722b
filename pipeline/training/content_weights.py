"""What training needs besides patches: weights of the content features, and a digest of the method's code.

Both are written to files per camera. So training downloads nothing, and a camera is retrained only if the
code that its method imports has changed.
"""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from pickle import UnpicklingError
from urllib.error import URLError

import torch
from safetensors.torch import save
from torchvision import models

from pipeline.code import code_digest
from pipeline.errors import SourceError
from pipeline.files import write_atomically
from pipeline.layout import FEATURE_DOWNLOADS, FEATURES, METHOD
from pipeline.sources.web_files import WebFile, download_files, sha256_of
from pipeline.urls import public_url
from wespe.networks.features import ContentConfig, needed_weights, read_weights

TIMEOUT_S = 60  # torch.hub sets none, and would wait forever for a server that does not answer
OTHER_WAYS = "content.weights may also be a file's path, a URL with its sha256, or random"

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class FeatureWeights:
    """The weights that were written for a camera; str() gives one line."""

    content: ContentConfig | None
    bytes: int

    def __str__(self) -> str:
        if self.content is None:
            return "the method has no content loss, so no weights are needed"
        network = f"{self.content.backbone} {', '.join(self.content.layers)}"
        if self.content.weights == "random":
            return f"{network}, random from seed {self.content.seed}, so no weights are needed"
        weights = public_url(self.content.weights) if self.content.from_url else self.content.weights
        return f"{network}, weights {weights}, {self.bytes / 1e6:.1f} MB"


def fetch_features(address: str, content: ContentConfig | None, folder: Path) -> FeatureWeights:
    """Write features.safetensors: the content network's weights, or no tensors if it needs none.

    Raises: SourceError naming `address`, such as cameras.demo-phone.
    """
    try:
        weights = _weights(content, f"features {address}") if content else {}
    except SourceError as error:
        raise SourceError(f"{address}: {error}") from None
    except ValueError as error:
        raise SourceError(f"{address}: {error}; correct method.content in params.yaml") from None
    data = save(weights)
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / FEATURES, data)
    return FeatureWeights(content=content, bytes=len(data))


def write_method(name: str, folder: Path) -> None:
    """Write method.json: the method's name, and the digest of all code that it imports."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"method": name, "sha256": code_digest(f"wespe.methods.{name}")}
    write_atomically(folder / METHOD, json.dumps(content).encode() + b"\n")


def _weights(content: ContentConfig, label: str) -> Weights:
    if content.weights == "random":
        return {}
    if content.weights == "imagenet":
        return _imagenet(content)
    if content.from_url:
        file = WebFile(url=content.weights, sha256=content.sha256)
        [path] = download_files([file], FEATURE_DOWNLOADS / content.sha256, label)
        return read_weights(path, content)
    path = Path(content.weights).expanduser()
    if content.sha256 and path.exists() and (digest := sha256_of(path)) != content.sha256:
        raise SourceError(
            f"{path} has sha256 {digest}, not {content.sha256};"
            " correct content.sha256 in params.yaml if the file was replaced on purpose"
        )
    return read_weights(path, content)


def _imagenet(content: ContentConfig) -> Weights:
    """Load torchvision's weights, from its cache (TORCH_HOME) or the network."""
    stored = models.get_model_weights(content.backbone)["IMAGENET1K_V1"]
    try:
        with _timeout(TIMEOUT_S):
            weights = stored.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (URLError, HTTPException, ConnectionError, TimeoutError) as error:
        reason = str(error).strip("<>") or type(error).__name__
        raise SourceError(f"{stored.url} cannot be reached ({reason}); {OTHER_WAYS}") from None
    except (RuntimeError, UnpicklingError, EOFError):  # damaged download or cached file
        cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(stored.url).name
        raise SourceError(
            f"{stored.url} or its copy {cached} is damaged; delete the copy and run the same command again"
        ) from None
    return needed_weights(weights, content, stored.url)


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
