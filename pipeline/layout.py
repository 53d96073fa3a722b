"""Where everything lies, relative to the folder that holds params.yaml. The only file that spells a path.

dvc.yaml spells the same paths a second time, because DVC must; tests/rules compares the two.
"""

from dataclasses import dataclass
from pathlib import Path

MANIFEST = "manifest.parquet"
INDEX = "index.json"
WEIGHTS = "generator.safetensors"
CONFIG = "config.json"
FEATURES = "features.safetensors"
METHOD = "method.json"
FEATURE_DOWNLOADS = Path("data/.downloads/features")  # by sha256, for all cameras
CHECKED = "data/checked.json"
SCORES = "scores.parquet"
REPORTS = Path("reports")
INDEX_PAGE = REPORTS / "index.html"
TABLES = REPORTS / "tables.md"
PAGE = "report.html"
STUDIES = REPORTS / "studies"
MLFLOW_DATABASE = Path("mlflow.db")
MLFLOW_ARTIFACTS = Path("mlartifacts")


@dataclass(frozen=True, kw_only=True)
class PhotoSetPaths:
    """One camera's or target's photos: `kind` is "cameras" or "targets"."""

    kind: str
    name: str

    @property
    def root(self) -> Path:
        return Path("data") / self.kind / self.name

    @property
    def photos(self) -> Path:
        return self.root / "photos"

    @property
    def patches(self) -> Path:
        return self.root / "patches"

    @property
    def features(self) -> Path:
        """Weights of the content features that a camera's method compares photos by."""
        return self.root / FEATURES

    @property
    def method(self) -> Path:
        """Which method a camera takes, and the digest of its code."""
        return self.root / METHOD

    @property
    def downloads(self) -> Path:
        """Unfinished downloads; DVC does not know it, so it survives a kill."""
        return Path("data/.downloads") / self.kind / self.name


@dataclass(frozen=True, kw_only=True)
class CameraPaths:
    camera: str

    @property
    def model(self) -> Path:
        """The trained model: weights and config.json."""
        return Path("models") / self.camera

    @property
    def runs(self) -> Path:
        """Ray Train's checkpoints; DVC does not know it, so it survives a kill."""
        return Path("runs") / self.camera

    @property
    def report(self) -> Path:
        return REPORTS / self.camera

    @property
    def losses(self) -> Path:
        """All records of the training, a JSON list, one a line: `dvc plots` reads no JSON lines."""
        return self.report / "losses.json"

    @property
    def loss_curves(self) -> Path:
        """One file per loss: `dvc plots` draws the last field of each."""
        return self.report / "losses"

    @property
    def metrics(self) -> Path:
        """One small JSON of means per variant: a row of `dvc metrics show`."""
        return self.report / "metrics"

    @property
    def intervals(self) -> Path:
        """The same means with their bootstrap intervals, and the gain over the untouched photo."""
        return self.report / "intervals.json"

    @property
    def scores(self) -> Path:
        """Every score of every test photo, for paired comparisons."""
        return self.report / SCORES

    @property
    def pictures(self) -> Path:
        return self.report / "pictures"

    @property
    def shown(self) -> Path:
        """Test photos for the report: every variant as a JPEG, and index.json, which lists them."""
        return self.report / "photos"

    @property
    def page(self) -> Path:
        """The report, all in one file."""
        return self.report / PAGE

    @property
    def registered(self) -> Path:
        return self.report / "registered.json"


def photo_set(address: str) -> PhotoSetPaths:
    """`cameras.phone` or `targets.canon` → its paths."""
    kind, _, name = address.partition(".")
    return PhotoSetPaths(kind=kind, name=name)


def reported_cameras() -> list[str]:
    """All cameras that have a report and the scores it was made of, by name."""
    cameras = sorted(path.parent.name for path in REPORTS.glob(f"*/{PAGE}"))
    made_of = {name: CameraPaths(camera=name) for name in cameras}
    return [name for name, paths in made_of.items() if paths.scores.exists() and paths.intervals.exists()]
