"""All paths, relative to the folder that contains params.yaml.

dvc.yaml repeats them, because DVC needs them there; a test in tests/rules compares both.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

MANIFEST = "manifest.parquet"
INDEX = "index.json"
WEIGHTS = "generator.safetensors"
START = "start.safetensors"  # the generator's weights before the first step of training
CONFIG = "config.json"
CONFIG_FORMAT = 1  # what config.json says as `format`; a larger number is of a newer version
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
# Names in dvc.yaml, in their order.
CAMERA_STAGES = ("fetch-camera", "patchify-camera", "features", "train", "evaluate", "register", "report")
TARGET_STAGES = ("fetch-target", "patchify-target")
FLEET_LOGS = Path("runs/.fleet")  # of `python -m stages.fleet`, one per camera
MLFLOW_DATABASE = Path("mlflow.db")
MLFLOW_ARTIFACTS = Path("mlartifacts")
OWN_CATALOGUE = Path("catalogue")  # a user's own descriptions of data sets
MANUAL_DOWNLOADS = Path("data/manual")  # data sets that a user downloads by hand, one folder each


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
        """Weights of the content loss's network."""
        return self.root / FEATURES

    @property
    def method(self) -> Path:
        """The name of a camera's method, and the digest of its code."""
        return self.root / METHOD

    @property
    def downloads(self) -> Path:
        """Unfinished downloads. DVC does not manage it, so it survives an interruption."""
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
        """Ray Train's checkpoints. DVC does not manage it, so it survives an interruption."""
        return Path("runs") / self.camera

    @property
    def report(self) -> Path:
        return REPORTS / self.camera

    @property
    def losses(self) -> Path:
        """All records of the training: a JSON list, because `dvc plots` cannot read JSON lines."""
        return self.report / "losses.json"

    @property
    def loss_curves(self) -> Path:
        """A folder with one file per loss: `dvc plots` draws the last field of each file."""
        return self.report / "losses"

    @property
    def metrics(self) -> Path:
        """A folder with one small JSON file of means per variant: a row of `dvc metrics show`."""
        return self.report / "metrics"

    @property
    def intervals(self) -> Path:
        """The same means with their intervals, and the gain over the untouched photo."""
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
        """The report, a single file."""
        return self.report / PAGE

    @property
    def registered(self) -> Path:
        return self.report / "registered.json"


def photo_set(address: str) -> PhotoSetPaths:
    """`cameras.phone` or `targets.canon` → its paths."""
    kind, _, name = address.partition(".")
    return PhotoSetPaths(kind=kind, name=name)


def reported_cameras(cameras: Iterable[str]) -> list[str]:
    """Those of the cameras that have a report and the scores that it was made from, by name."""
    made_of = {name: CameraPaths(camera=name) for name in sorted(cameras)}
    return [
        name
        for name, paths in made_of.items()
        if paths.page.exists() and paths.scores.exists() and paths.intervals.exists()
    ]


def leftovers(cameras: Collection[str], targets: Collection[str]) -> list[Path]:
    """Return the folders of cameras and targets that are no longer in params.yaml."""
    found = []
    for kind, names in (("cameras", cameras), ("targets", targets)):
        for folder in sorted((Path("data") / kind).glob("*")):
            if folder.is_dir() and folder.name not in names:
                paths = CameraPaths(camera=folder.name)
                made = [paths.model, paths.runs, paths.report] if kind == "cameras" else []
                found += [folder, *(path for path in made if path.exists())]
    return found
