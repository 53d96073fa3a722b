"""dvc.yaml spells the paths of pipeline/layout.py a second time, because DVC must: here the two are compared.

DVC itself expands dvc.yaml, for the camera and the target of the demo.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from dvc.repo import Repo
from dvc.stage import PipelineStage

from pipeline.layout import CAMERA_STAGES, CHECKED, TARGET_STAGES, CameraPaths, photo_set

CAMERA, TARGET = "demo-phone", "demo-photos"
camera, target, paths = (
    photo_set(f"cameras.{CAMERA}"),
    photo_set(f"targets.{TARGET}"),
    CameraPaths(camera=CAMERA),
)
Stages = Mapping[str, PipelineStage]


@pytest.fixture(scope="module")
def stages(repository: Path) -> Stages:
    with Repo(str(repository)) as repo:
        return {stage.addressing: stage for stage in repo.index.stages}


def spelled(ends: list) -> set[str]:
    return {end.def_path for end in ends}


@pytest.mark.parametrize(
    ("stage", "outs"),
    [
        ("check", [CHECKED]),
        (f"fetch-camera@{CAMERA}", [camera.photos]),
        (f"fetch-target@{TARGET}", [target.photos]),
        (f"patchify-camera@{CAMERA}", [camera.patches]),
        (f"patchify-target@{TARGET}", [target.patches]),
        (f"features@{CAMERA}", [camera.features, camera.method]),
        (f"train@{CAMERA}", [paths.model, paths.losses, paths.loss_curves]),
        (f"evaluate@{CAMERA}", [paths.scores, paths.metrics, paths.intervals, paths.pictures, paths.shown]),
        (f"register@{CAMERA}", [paths.registered]),
        (f"report@{CAMERA}", [paths.page]),
    ],
)
def test_outs_are_the_layouts(stages: Stages, stage: str, outs: list[Path]) -> None:
    assert spelled(stages[stage].outs) == {str(path) for path in outs}


def test_every_dep_is_a_file_of_the_checkout_or_anothers_out(stages: Stages, repository: Path) -> None:
    made = {path for stage in stages.values() for path in spelled(stage.outs)}
    needed = {path for stage in stages.values() for path in spelled(stage.deps)}
    assert not [path for path in needed - made if not (repository / path).exists()]


def test_dvc_reads_the_example_as_well(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DVC reads params.yaml by itself: anchors of YAML, and sources that depend on the code of their kind."""
    shutil.copy(repository / "examples" / "paper.yaml", tmp_path / "params.yaml")
    shutil.copy(repository / "dvc.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    with Repo.init(no_scm=True) as repo:
        stages = {stage.addressing: stage for stage in repo.index.stages}
    assert "pipeline/sources/dataset.py" in spelled(stages["fetch-camera@sony-div2k"].deps)
    assert "data/targets/div2k/patches" in spelled(stages["train@sony-div2k"].deps)


def test_the_fleet_runs_all_stages_in_their_order(stages: Stages) -> None:
    """Protects: a stage that is added to dvc.yaml and that `stages.fleet` would leave out."""
    for name, listed in ((CAMERA, CAMERA_STAGES), (TARGET, TARGET_STAGES)):
        assert [stage.partition("@")[0] for stage in stages if stage.endswith(f"@{name}")] == list(listed)
