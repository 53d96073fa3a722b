"""One version per weights, a champion by merit, and errors a user can act on; on a real SQLite MLflow."""

import json
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipeline.errors import RegistryError
from pipeline.layout import CONFIG, WEIGHTS
from pipeline.registry import fetch_model, register_camera

NAME = "wespe-phone"


def client() -> MlflowClient:
    return MlflowClient(f"sqlite:///{Path('mlflow.db').resolve()}")


def test_the_first_model_becomes_champion_and_its_run_holds_all_that_is_known(evaluated):
    paths = evaluated(psnrs={"a": 20.0, "b": 22.0})
    registration = register_camera("phone")
    assert (registration.name, registration.version, registration.new) == (NAME, 1, True)
    assert registration.aliases == ["challenger", "champion"]
    assert json.loads(paths.registered.read_text())["sha256"] == registration.sha256
    run = client().get_run(registration.run_id)
    assert run.data.params["method.generator.width"] == "4"
    assert run.data.tags["data.source"] == "a1"
    assert run.data.metrics["test/enhanced/psnr"] == 21.0
    assert [m.value for m in client().get_metric_history(registration.run_id, "train/colour")] == [
        1,
        1 / 2,
        1 / 3,
    ]
    assert {"scores.parquet", "pictures"} <= {
        file.path for file in client().list_artifacts(registration.run_id)
    }
    tags = client().get_model_version(NAME, "1").tags
    assert tags["sha256"] == registration.sha256
    assert float(tags["enhanced.psnr"]) == 21.0


def test_the_same_weights_again_make_no_new_version(evaluated):
    evaluated(psnrs={"a": 20.0})
    first, again = register_camera("phone"), register_camera("phone")
    assert (again.version, again.aliases, again.new) == (1, first.aliases, False)
    assert len(client().search_model_versions(f"name = '{NAME}'")) == 1


def test_a_better_model_takes_the_champions_place_and_a_worse_one_does_not(evaluated):
    for seed, psnr in enumerate([20.0, 19.0, 23.0]):
        evaluated(seed=seed, psnrs={"a": psnr})
        registration = register_camera("phone")
        if seed == 1:
            assert registration.aliases == ["challenger"]
            assert "champion stays: PSNR 19.00 dB against 20.00 dB" in registration.reason
    assert registration.aliases == ["challenger", "champion"]
    assert client().get_registered_model(NAME).aliases == {"challenger": 3, "champion": 3}


def test_an_interrupted_registration_is_finished_by_the_next(evaluated):
    evaluated(psnrs={"a": 20.0})
    register_camera("phone")
    client().delete_model_version_tag(NAME, "1", "verdict")
    client().delete_registered_model_alias(NAME, "champion")
    registration = register_camera("phone")
    assert (registration.version, registration.aliases) == (1, ["challenger", "champion"])


@pytest.mark.parametrize("address", ["champion", "challenger", "1"])
def test_a_registered_model_comes_back_byte_for_byte(evaluated, address):
    paths = evaluated(psnrs={"a": 20.0})
    register_camera("phone")
    folder = fetch_model(f"models:/{NAME}/1" if address == "1" else f"models:/{NAME}@{address}")
    for file in (WEIGHTS, CONFIG):
        assert (folder / file).read_bytes() == (paths.model / file).read_bytes()


def test_a_plain_model_folder_needs_no_registry(evaluated):
    paths = evaluated()
    assert fetch_model(str(paths.model)) == paths.model
    with pytest.raises(RegistryError, match=r"holds no generator\.safetensors"):
        fetch_model("reports")


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("models:/wespe-fone@champion", "no model wespe-fone; registered are wespe-phone"),
        ("models:/wespe-phone@best", "has no alias best; it has ch"),
        ("models:/wespe-phone/7", "no version 7; there is 1"),
        ("models:/wespe-phone", "write models:/NAME@champion"),
    ],
)
def test_an_unknown_model_is_an_error_that_lists_what_exists(evaluated, uri, message):
    evaluated()
    register_camera("phone")
    with pytest.raises(RegistryError, match=message):
        fetch_model(uri)


def test_a_server_that_is_down_is_one_line_within_seconds_and_without_the_password(evaluated, monkeypatch):
    paths = evaluated()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:hunter2@127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(RegistryError) as caught:
        register_camera("phone")
    assert time.monotonic() - began < 10
    assert "http://127.0.0.1:9" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not paths.registered.exists()
    assert not Path("mlartifacts").exists()
