"""One version per weights, a champion by merit, and errors a user can act on; on a real SQLite MLflow."""

import json
import shutil
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from mlflow import MlflowClient

from pipeline.errors import RegistryError
from pipeline.layout import CONFIG, MLFLOW_DATABASE, WEIGHTS
from pipeline.registry.registry import explain_camera, fetch_model, log_study, register_camera, roll_back
from pipeline.registry.settings import Gates

NAME = "wespe-phone"
GATES = Gates(max_tile_difference=1)


@pytest.fixture
def three(evaluated) -> None:
    """Three versions, each better than the one before, all champions in their turn."""
    for seed, psnr in enumerate([20.0, 21.0, 22.0]):
        evaluated(seed, psnr)
        register_camera("phone", GATES)


@pytest.fixture
def reigned(migrated, tmp_path, monkeypatch) -> None:
    """What `three` leaves in the registry, without the models: made in no time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copy(migrated, MLFLOW_DATABASE)
    client().create_registered_model(NAME, {"champions": "1 2 3"})
    for number in "123":
        run = client().create_run("0")
        client().create_model_version(NAME, "models/phone", run.info.run_id, {"sha256": number})
    client().set_registered_model_alias(NAME, "champion", "3")


def aliases() -> dict[str, int]:
    return {alias: int(number) for alias, number in client().get_registered_model(NAME).aliases.items()}


def tags(version: int = 1) -> dict[str, str]:
    return client().get_model_version(NAME, str(version)).tags


def client() -> MlflowClient:
    return MlflowClient(f"sqlite:///{Path('mlflow.db').resolve()}")


def test_the_first_valid_model_becomes_champion_and_its_run_is_complete(evaluated):
    paths = evaluated(psnr=20.0)
    registration = register_camera("phone", GATES)
    assert (registration.name, registration.version, registration.new) == (NAME, 1, True)
    assert registration.aliases == ["challenger", "champion"]
    assert json.loads(paths.registered.read_text())["sha256"] == registration.sha256
    run = client().get_run(registration.run_id)
    assert run.data.params["method.generator.width"] == "4"
    assert run.data.tags["data.source"] == "a1"
    assert run.data.metrics["test/enhanced/psnr"] == 20.5
    losses = client().get_metric_history(registration.run_id, "train/colour")
    assert [m.value for m in losses] == [1, 1 / 2, 1 / 3]
    logged = {file.path for file in client().list_artifacts(registration.run_id)}
    assert {"scores.parquet", "intervals.json", "losses.json", "pictures"} <= logged
    assert tags()["sha256"] == registration.sha256
    assert float(tags()["enhanced.psnr"]) == 20.5
    assert "commercial_use" not in tags()  # photos of one's own
    found = client().search_model_versions("tags.camera = 'phone' and tags.\"data.source\" = 'a1'")
    assert [version.name for version in found] == [NAME]
    assert tags()["method"] == run.data.params["method.name"]
    sets = {one.dataset.name: one.dataset.digest for one in run.inputs.dataset_inputs}
    assert sets["cameras.phone"] == "a1"
    assert len(sets) == 2


def test_the_licences_of_data_sets_are_a_tag_of_the_version(evaluated):
    """Protects: whoever finds a model in the registry sees that it must not be sold."""
    paths = evaluated(psnr=20.0)
    config = json.loads((paths.model / CONFIG).read_bytes())
    uses = [("kodak", "yes"), ("div2k", "no")]
    config["data_sets"] = [{"name": name, "commercial_use": answer} for name, answer in uses]
    (paths.model / CONFIG).write_text(json.dumps(config))
    registration = register_camera("phone", GATES)
    assert tags()["commercial_use"] == "no (div2k)"
    assert "data_sets" not in client().get_run(registration.run_id).data.params


def test_every_gate_is_a_reason_on_the_version(evaluated):
    evaluated(psnr=20.0, noise_gain=2.5)
    registration = register_camera("phone", GATES)
    assert registration.aliases == ["challenger"]
    assert "noise gain failed" in tags()["verdict"]
    assert tags()["gate.noise_gain"] == "failed: 2.50 [2.50, 2.50], 6 photos (threshold: at most 2)"
    assert tags()["gate.beats_untouched"].startswith("passed: +2.50 dB [+1.93, +3.07], 6 photos")
    assert len([key for key in tags() if key.startswith("gate.")]) == 9


def test_the_same_weights_again_make_no_new_version_and_touch_nothing(evaluated):
    evaluated()
    first = register_camera("phone", GATES)
    before = (tags(), client().get_model_version(NAME, "1").last_updated_timestamp)
    again = register_camera("phone", GATES)
    assert (again.version, again.aliases, again.new) == (1, first.aliases, False)
    assert len(client().search_model_versions(f"name = '{NAME}'")) == 1
    assert (tags(), client().get_model_version(NAME, "1").last_updated_timestamp) == before


def test_a_better_model_takes_the_champions_place_and_a_worse_one_does_not(evaluated):
    for seed, psnr in enumerate([20.0, 19.0, 23.0]):
        evaluated(seed, psnr)
        registration = register_camera("phone", GATES)
        if seed == 1:
            assert registration.aliases == ["challenger"]
            assert "beats champion failed: -1.00 dB [-1.00, -1.00], 6 photos (ver" in registration.reason
    assert aliases() == {"challenger": 3, "champion": 3}


@pytest.mark.usefixtures("three")
def test_an_interrupted_registration_is_finished_by_the_next():
    assert client().get_registered_model(NAME).tags["champions"] == "1 2 3"
    for lost in ([], ["champion"], ["champion", "challenger"]):
        client().delete_model_version_tag(NAME, "3", "verdict")
        for alias in lost:  # version 3 was promoted in place of version 2
            client().set_registered_model_alias(NAME, alias, "2")
        registration = register_camera("phone", GATES)
        assert (registration.version, registration.aliases) == (3, ["challenger", "champion"])
        assert "(version 2)" in registration.reason
        assert client().get_registered_model(NAME).tags["champions"] == "1 2 3"


def test_a_new_evaluation_is_judged_again_without_a_new_version(evaluated):
    evaluated(tile_difference=9.0)
    assert register_camera("phone", GATES).aliases == ["challenger"]
    evaluated(psnr=21.0)
    registration = register_camera("phone", GATES)
    assert (registration.version, registration.new) == (1, False)
    assert registration.aliases == ["challenger", "champion"]
    assert client().get_run(registration.run_id).data.metrics["test/enhanced/psnr"] == 21.5
    assert float(tags()["enhanced.psnr"]) == 21.5


def test_looser_gates_promote_a_registered_model_and_stricter_ones_keep_the_champion(evaluated):
    evaluated(noise_gain=2.5)
    assert register_camera("phone", GATES).aliases == ["challenger"]
    assert register_camera("phone", Gates(max_noise_gain=3)).aliases == ["challenger", "champion"]
    strict = register_camera("phone", GATES)
    assert strict.aliases == ["challenger", "champion"]
    assert strict.reason.startswith("is champion, but would fail the gates now")


def test_explaining_judges_as_registering_does_and_changes_nothing(evaluated):
    evaluated()
    register_camera("phone", GATES)
    evaluated(7, 19.5)
    before = (aliases(), client().get_registered_model(NAME).tags)
    verdict = explain_camera("phone", GATES)
    assert {g.name: g.outcome for g in verdict.gates if not g.open} == {"beats champion": "failed"}
    assert (aliases(), client().get_registered_model(NAME).tags) == before
    assert len(client().search_model_versions(f"name = '{NAME}'")) == 1
    assert register_camera("phone", GATES).reason == verdict.reason


def test_explaining_before_anything_is_registered_makes_no_database(evaluated):
    evaluated()
    MLFLOW_DATABASE.unlink()
    assert explain_camera("phone", GATES).promote
    assert not MLFLOW_DATABASE.exists()


@pytest.mark.usefixtures("reigned")
def test_two_roll_backs_go_two_champions_back_and_a_third_is_refused():
    first, second = roll_back("phone"), roll_back("phone")
    assert (first.champion, first.replaced) == (2, 3)
    assert (second.champion, second.replaced) == (1, 2)
    assert aliases()["champion"] == 1
    assert tags(3)["rolled_back"] == "to version 2"
    with pytest.raises(RegistryError, match="wespe-phone has no champion to roll back to"):
        roll_back("phone")
    assert aliases()["champion"] == 1


@pytest.mark.usefixtures("three")
def test_a_model_that_was_rolled_back_does_not_come_back_by_itself_but_its_better_does(evaluated):
    roll_back("phone")
    registered = json.loads(Path("reports/phone/registered.json").read_text())
    assert registered["aliases"] == ["challenger"]
    assert registered["reason"] == "rolled back: version 2 is champion again"
    again = register_camera("phone", Gates(max_noise_gain=3))
    assert aliases()["champion"] == 2
    assert again.reason.startswith("was rolled back to version 2")
    evaluated(8, 25.0)
    register_camera("phone", GATES)
    assert aliases()["champion"] == 4
    assert [roll_back("phone").champion for _ in range(2)] == [2, 1]


@pytest.mark.usefixtures("reigned")
def test_a_roll_back_steps_over_versions_that_were_deleted():
    client().delete_model_version(NAME, "2")
    assert roll_back("phone").champion == 1


@pytest.mark.usefixtures("reigned")
def test_repeating_an_interrupted_roll_back_goes_no_further():
    client().set_registered_model_tag(NAME, "champions", "1 2")  # and then it was killed
    assert roll_back("phone").champion == 2
    assert roll_back("phone").champion == 1


@pytest.mark.usefixtures("reigned")
@pytest.mark.parametrize("step", ["_set_champions", "_write"])
def test_a_roll_back_that_was_cut_after_any_step_is_finished_and_not_repeated(step, monkeypatch):
    from pipeline.registry import registry

    whole = getattr(registry, step)

    def cut(*arguments):
        whole(*arguments)
        raise KeyboardInterrupt

    Path("reports/phone").mkdir(parents=True)
    Path("reports/phone/registered.json").write_text('{"version": 3}')
    monkeypatch.setattr(registry, step, cut)
    with pytest.raises(KeyboardInterrupt):
        roll_back("phone")
    monkeypatch.setattr(registry, step, whole)
    assert (roll_back("phone").champion, aliases()["champion"]) == (2, 2)
    assert "rolled_back" in tags(3)
    assert "rolled_back" not in tags(2)
    assert roll_back("phone").champion == 1


@pytest.mark.usefixtures("evaluated")
def test_nothing_to_roll_back_or_to_log_to_is_a_clear_error():
    with pytest.raises(RegistryError, match="no champion to roll back to"):
        roll_back("phone")
    with pytest.raises(RegistryError, match="no model wespe-phone to log the study to"):
        log_study("phone", {"study/preferred": 0.7})


@pytest.mark.usefixtures("reigned")
def test_a_studys_metrics_go_to_the_run_of_the_latest_version():
    roll_back("phone")
    log_study("phone", {"study/preferred": 0.7, "study/preferred.low": 0.6})
    run = client().get_run(client().get_model_version(NAME, "3").run_id)
    assert run.data.metrics["study/preferred"] == 0.7
    with pytest.raises(RegistryError, match="MLflow at"):
        log_study("phone", {"no*name": 0.7})


def test_no_champion_is_an_error_that_tells_what_to_use_and_where_to_look(evaluated):
    evaluated(fidelity=3.0)
    register_camera("phone", GATES)
    with pytest.raises(RegistryError, match="no version has passed the gates") as caught:
        fetch_model(f"models:/{NAME}@champion")
    assert "stages.register phone --explain" in str(caught.value)
    assert f"models:/{NAME}@challenger" in str(caught.value)


@pytest.mark.parametrize("address", ["champion", "challenger", "1"])
def test_a_registered_model_comes_back_byte_for_byte(evaluated, address):
    paths = evaluated()
    register_camera("phone", GATES)
    folder = fetch_model(f"models:/{NAME}/1" if address == "1" else f"models:/{NAME}@{address}")
    for file in (WEIGHTS, CONFIG):
        assert (folder / file).read_bytes() == (paths.model / file).read_bytes()


def test_a_plain_model_folder_needs_no_registry(evaluated):
    paths = evaluated()
    assert fetch_model(str(paths.model)) == paths.model
    with pytest.raises(RegistryError, match=r"is not a model folder \(generator\.safetensors"):
        fetch_model("reports")


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("models:/wespe-fone@champion", "no model wespe-fone; registered: wespe-phone"),
        ("models:/wespe-phone@best", "has no alias best; it has ch"),
        ("models:/wespe-phone/7", "no version 7; there are versions 1"),
        ("models:/wespe-phone", "write models:/NAME@champion"),
    ],
)
def test_an_unknown_model_is_an_error_that_lists_what_exists(evaluated, uri, message):
    evaluated()
    register_camera("phone", GATES)
    with pytest.raises(RegistryError, match=message):
        fetch_model(uri)


def test_a_server_that_is_down_is_one_line_within_seconds_and_without_the_password(evaluated, monkeypatch):
    paths = evaluated()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://user:hunter2@127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(RegistryError) as caught:
        register_camera("phone", GATES)
    assert time.monotonic() - began < 10
    assert "http://127.0.0.1:9" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not paths.registered.exists()
    assert not Path("mlartifacts").exists()


class Refusing(BaseHTTPRequestHandler):
    """A proxy that answers everything with one status."""

    status = 413

    def do_HEAD(self) -> None:
        self.answer(200)

    def do_GET(self) -> None:
        self.answer(self.status)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(self.status)

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(("status", "remedy"), [(413, "client_max_body_size"), (401, "MLFLOW_TRACKING_USER")])
def test_a_proxys_rejection_is_reported_with_a_remedy(monkeypatch, status, remedy):
    """Protects: nginx takes no body above 1 MB unless configured; the message must say so."""
    handler = type("Answer", (Refusing,), {"status": status})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(RegistryError, match=remedy) as caught:
            fetch_model("models:/wespe-phone@champion")
        server.shutdown()
    assert f"(HTTP {status})" in str(caught.value)
