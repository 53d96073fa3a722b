"""A real `dvc repro` in a checkout of its own: from nothing to two registered cameras."""

import json
import sys
from pathlib import Path

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer
from PIL import Image

from tests.flow.conftest import Checkout

TRIAL_METHOD = """
from dataclasses import dataclass
from typing import Literal

from wespe.methods.srcnn import Srcnn


@dataclass(frozen=True, kw_only=True)
class TrialConfig:
    name: Literal["trial"] = "trial"


class Trial(Srcnn):
    pass
"""
TRIAL_ROW = """
from wespe.methods.trial import Trial, TrialConfig

MethodConfig = MethodConfig | TrialConfig
METHODS["trial"] = METHODS["srcnn"]._replace(config=TrialConfig, method=Trial)
"""


def ran(output: str) -> set[str]:
    """The stages that this `dvc repro` really ran."""
    return {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage '")}


@pytest.fixture(scope="module")
def first(checkout: Checkout) -> str:
    return checkout.run("dvc", "repro")


def test_one_command_leads_to_a_registered_model(checkout: Checkout, first: str) -> None:
    assert len(ran(first)) == 10
    registered = json.loads((checkout.folder / "reports/demo-phone/registered.json").read_text())
    assert registered["name"] == "wespe-demo-phone"
    assert "challenger" in registered["aliases"]  # champion is who passes the gates
    assert (checkout.folder / "reports/demo-phone/pictures/before_after.png").stat().st_size > 10_000
    assert "data:image/jpeg" in (checkout.folder / "reports/demo-phone/report.html").read_text()
    assert "demo-phone/report.html" in (checkout.folder / "reports/index.html").read_text()


@pytest.mark.usefixtures("first")
def test_a_second_repro_does_nothing(checkout: Checkout) -> None:
    assert not ran(checkout.run("dvc", "repro"))


@pytest.mark.usefixtures("first")
def test_metrics_plots_and_dag_show_the_camera(checkout: Checkout) -> None:
    metrics = json.loads(checkout.run("dvc", "metrics", "show", "--json"))[""]["data"]
    assert metrics["reports/demo-phone/metrics/enhanced.json"]["data"]["psnr"] > 5
    checkout.run("dvc", "plots", "show", "--out", "page")
    page = (checkout.folder / "page/index.html").read_text()
    for shown in ("losses/content.json", "losses/colour_critic.json", "before_after.png"):
        assert shown in page
    assert "train@demo-phone" in checkout.run("dvc", "dag")


@pytest.mark.usefixtures("first")
def test_an_experiment_is_compared_with_the_last_commit(checkout: Checkout) -> None:
    checkout.commit()  # dvc.lock: what the metrics were
    output = checkout.run("dvc", "exp", "run", "-S", "presets.demo.training.steps=0", "evaluate@demo-phone")
    stages = ("train", "evaluate")
    assert ran(output) == {f"{stage}@demo-phone" for stage in stages} | {"check"}
    changes = json.loads(checkout.run("dvc", "metrics", "diff", "--json"))
    assert changes["reports/demo-phone/metrics/enhanced.json"]["psnr"]["diff"] != 0
    checkout.run("git", "checkout", "params.yaml", "dvc.lock")
    checkout.run("dvc", "checkout")


@pytest.mark.usefixtures("first")
def test_data_and_models_go_to_an_s3_remote(checkout: Checkout) -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    checkout.environment |= keys
    try:
        store = boto3.Session("test", "test", region_name="us-east-1").client("s3", endpoint_url=endpoint)
        store.create_bucket(Bucket="store")
        checkout.run("dvc", "remote", "add", "-f", "-d", "store", "s3://store/wespe")
        checkout.run("dvc", "remote", "modify", "store", "endpointurl", endpoint)
        checkout.run("dvc", "push")
        checkout.run("dvc", "remote", "remove", "store")
        assert store.list_objects_v2(Bucket="store", Prefix="wespe/files/md5/")["KeyCount"] > 10
    finally:
        server.stop()


@pytest.mark.usefixtures("first")
def test_a_wrong_params_file_stops_before_any_work(checkout: Checkout) -> None:
    good = checkout.params()
    bad = checkout.params()
    bad["cameras"]["demo-phone"]["photos"]["max_rejected_shar"] = 0.5
    checkout.write(bad)
    stopped = checkout.call("dvc", "repro")
    checkout.write(good)
    assert stopped.returncode != 0
    assert ran(stopped.stdout) == {"check"}
    assert "cameras.demo-phone.photos.max_rejected_shar: unknown key, did you mean 'max_rej" in stopped.stderr


@pytest.mark.usefixtures("first")
def test_a_new_method_and_a_new_source_retrain_no_camera(checkout: Checkout) -> None:
    """Each is its own file, a row of a table, and a block of params.yaml; what was made stays as it is."""
    table, sources = (
        checkout.folder / path / "__init__.py" for path in ("wespe/methods", "pipeline/sources")
    )
    before = {path: path.read_text() for path in (table, sources, checkout.folder / "params.yaml")}
    (table.with_name("trial.py")).write_text(TRIAL_METHOD)
    (sources.with_name("trial.py")).write_text("from pipeline.sources.folder import Folder as Trial\n")
    table.write_text(before[table] + TRIAL_ROW)
    sources.write_text(before[sources] + "\nfrom pipeline.sources.trial import Trial\n")
    params = checkout.params()
    params["presets"]["trial"] = {"method": {"name": "trial"}}
    checkout.write(params)
    assert ran(checkout.run("dvc", "repro")) == {"check", "features@demo-phone"}
    assert not ran(checkout.run("dvc", "repro"))

    for path, content in before.items():
        path.write_text(content)
        path.with_name("trial.py").unlink(missing_ok=True)
    checkout.run("dvc", "repro")


@pytest.mark.usefixtures("first")
def test_the_registered_model_enhances_a_folder(checkout: Checkout, demo_photos: Path) -> None:
    command = (sys.executable, "-m", "stages.enhance", "--model", "models:/wespe-demo-phone@challenger")
    checkout.run(*command, str(demo_photos), "enhanced")
    assert {p.name for p in (checkout.folder / "enhanced").glob("*.*g")} == {
        p.name for p in demo_photos.iterdir()
    }


@pytest.mark.usefixtures("first")
def test_a_new_camera_with_pairs_is_one_block_and_runs_alone(checkout: Checkout, demo_photos: Path) -> None:
    before = (checkout.folder / "dvc.lock").read_text()
    params = checkout.params()
    small = checkout.folder / "small"
    small.mkdir()
    for path in demo_photos.iterdir():
        with Image.open(path) as photo:
            photo.crop((0, 0, 192, 176)).save(small / path.name)
    photos = {"kind": "folder", "paths": [str(small)]}
    params["cameras"]["second"] = {
        "photos": {"source": photos, "truth": photos, "split": {"test": 0.4}},
        "patches": {"size_px": 32, "per_photo": 20},
        "target": "demo-photos",
        "preset": "pairs",
    }
    checkout.write(params)
    output = checkout.run("dvc", "repro")
    stages = {"fetch-camera", "patchify-camera", "features", "train", "evaluate", "register", "report"}
    assert ran(output) == {f"{stage}@second" for stage in stages} | {"check"}
    for name in ("train@demo-phone", "evaluate@demo-phone"):
        kept, now = (
            yaml.safe_load(t)["stages"][name] for t in (before, (checkout.folder / "dvc.lock").read_text())
        )
        assert kept == now
    registered = json.loads((checkout.folder / "reports/second/registered.json").read_text())
    assert registered["name"] == "wespe-second"
    assert json.loads((checkout.folder / "reports/second/metrics/untouched.json").read_text())["psnr"] > 90
