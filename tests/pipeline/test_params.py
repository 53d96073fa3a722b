"""Every mistake in params.yaml is named by its path, with what is allowed and the nearest name."""

import re
from pathlib import Path

import pytest
import yaml

from pipeline.errors import ParamsError
from pipeline.params import load
from pipeline.registry.settings import Gates


@pytest.fixture
def content(repository: Path) -> dict:
    """The project's own params.yaml: the mistakes are made in a file known to be right."""
    return yaml.safe_load((repository / "params.yaml").read_text())


def test_the_projects_own_file_is_valid(repository: Path) -> None:
    assert "demo-phone" in load(repository / "params.yaml").cameras


def change(content: dict, path: str, value: object) -> None:
    *parents, last = path.split("/")
    for key in parents:
        content = content[key]
    content[last] = value


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("camera", {}, "camera: unknown key, did you mean 'cameras'?; allowed: cameras, targets, presets"),
        ("cameras/demo-phone/tagret", "x", "cameras.demo-phone.tagret: unknown key, did you mean 'target'?"),
        (
            "cameras/demo-phone/photos/source/hlaf",
            "x",
            "cameras.demo-phone.photos.source.hlaf: unknown key, did you mean 'half'?; allowed: kind, half",
        ),
        (
            "cameras/demo-phone/photos/simulated_camera/gama",
            1,
            "cameras.demo-phone.photos.simulated_camera.gama: unknown key, did you mean 'gamma'?",
        ),
        (
            "cameras/demo-phone/photos/source/kind",
            "flder",
            "cameras.demo-phone.photos.source.kind: unknown kind 'flder', did you mean 'folder'?; "
            "allowed: folder, film, dataset, http, s3, demo",
        ),
        (
            "targets/demo-photos/photos/source",
            {"kind": "dataset", "name": "dvi2k"},
            "targets.demo-photos.photos.source: there is no data set 'dvi2k', did you mean 'div2k'?",
        ),
        (
            "cameras/demo-phone/photos/source",
            {"kind": "dataset", "name": "div2k", "part": "train"},
            "cameras.demo-phone.photos.source: data set div2k has no part 'train', did you mean 'train-hr'?",
        ),
        (
            "cameras/demo-phone/photos/truth",
            {"kind": "dataset", "name": "dped", "part": "canon70d"},
            "cameras.demo-phone.photos.truth: data set dped has no part 'canon70d', did you mean 'canon'?",
        ),
        (
            "licences",
            {"comercial_use": "required"},
            "licences.comercial_use: unknown key, did you mean 'commercial_use'?",
        ),
        ("targets/demo-photos/photos/source", {}, "targets.demo-photos.photos.source.kind: is missing"),
        (
            "presets/demo/training/steps",
            "many",
            "presets.demo.training.steps: Input should be a valid integer",
        ),
        ("presets/demo/training/steps", -1, "presets.demo.training: steps must be at least 0, not -1"),
        (
            "presets/wespe-stable/method/generator/norm",
            "batch",
            "presets.wespe-stable.method.generator.norm: Input should be 'instance' or 'none', not 'batch'",
        ),
        (
            "presets/wespe-stable/method/weights/content",
            -1,
            "presets.wespe-stable.method.weights: content must be at least 0, not -1",
        ),
        (
            "cameras/demo-phone/target",
            "demo-photo",
            "cameras.demo-phone.target: there is no target 'demo-photo', did you mean 'demo-photos'?",
        ),
        (
            "cameras/demo-phone/preset",
            "dmo",
            "cameras.demo-phone.preset: there is no preset 'dmo', did you mean 'demo'?",
        ),
        (
            "cameras/demo-phone/patches/size_px",
            64,
            "cameras.demo-phone.patches.size_px is 64, but targets.demo-photos.patches.size_px is 32",
        ),
        (
            "presets/My Preset",
            {"method": {"name": "wespe"}},
            "presets.My Preset: a name must consist of a–z, 0–9 and -",
        ),
        (
            "cameras/demo-phone/photos/split/test",
            0,
            "cameras.demo-phone.photos.split.test must be above 0: a model is evaluated on test photos",
        ),
        (
            "presets/demo/method/blur",
            {"taps": 65},
            "cameras.demo-phone.patches.size_px is 32, too small for method.blur.taps 65",
        ),
        ("presets/demo/method/content/weights", "imagnet", "weights must be imagenet, random, or the path"),
        (
            "presets/demo/learner/optimiser/learning_rate",
            float("nan"),
            "learning_rate: Input should be a finite number",
        ),
        (
            "presets/demo/method",
            {"name": "wepse"},
            "presets.demo.method.name: unknown name 'wepse', did you mean 'wespe'?; allowed: wespe, lut",
        ),
        ("presets/demo/method", {}, "presets.demo.method.name: is missing; allowed: wespe, lut_residual"),
        (
            "presets/demo/method/contnet",
            {},
            "presets.demo.method.contnet: unknown key, did you mean 'content'?; allowed: name, colour",
        ),
        (
            "presets/demo/method/content/layers",
            {"relu9_1": 1},
            "presets.demo.method.content: layers: vgg19 has no 'relu9_1'; it has relu1_1 … relu5_4",
        ),
        (
            "presets/demo/guard",
            {"rolbacks": 1},
            "presets.demo.guard.rolbacks: unknown key, did you mean 'rollbacks'?",
        ),
        (
            "gates/min_fidelty_db",
            10,
            "gates.min_fidelty_db: unknown key, did you mean 'min_fidelity_db'?; allowed: beat,",
        ),
        (
            "cameras/demo-phone/gates",
            {"max_noise_gain": -2},
            "cameras.demo-phone.gates: max_noise_gain must be between 0 and 100, not -2",
        ),
        ("cameras/demo-phone/gates", {"beat": ["histogram"]}, "beat must name one or more of untouched,"),
        ("gates/min_fidelity_db", "high", "gates.min_fidelity_db: Input should be a valid number"),
        ("cameras", [], "cameras: Input should be a valid dictionary"),
    ],
)
def test_a_mistake_is_reported_by_its_path(
    content: dict, tmp_path: Path, path: str, value: object, message: str
) -> None:
    change(content, path, value)
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(ParamsError, match=re.escape(message)) as caught:
        load(file)
    assert "\n" not in str(caught.value)


def test_a_paired_preset_needs_photos_with_truth(content: dict, tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    content["cameras"]["demo-phone"]["preset"] = "srcnn"
    file.write_text(yaml.safe_dump(content))
    assert load(file)  # the simulated camera gives the truth
    del content["cameras"]["demo-phone"]["photos"]["simulated_camera"]
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(ParamsError, match=r"preset srcnn \(srcnn\) needs aligned pairs; add `truth`"):
        load(file)


def test_a_cameras_gates_override_single_keys_of_the_files(content: dict, tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    content["gates"] = {"min_fidelity_db": 15, "max_noise_gain": 3}
    content["cameras"]["demo-phone"]["gates"] = {"max_noise_gain": 4, "max_tile_difference": None}
    content["cameras"]["other"] = {k: v for k, v in content["cameras"]["demo-phone"].items() if k != "gates"}
    file.write_text(yaml.safe_dump(content))
    cameras = load(file).cameras
    assert cameras["demo-phone"].gates == Gates(
        min_fidelity_db=15, max_noise_gain=4, max_tile_difference=None
    )
    assert cameras["other"].gates == Gates(min_fidelity_db=15, max_noise_gain=3)


def test_a_file_without_gates_has_the_defaults(content: dict, tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    del content["gates"]
    content["cameras"]["demo-phone"].pop("gates", None)
    file.write_text(yaml.safe_dump(content))
    assert load(file).cameras["demo-phone"].gates == Gates()


@pytest.mark.parametrize("text", ["cameras: {", "", "[]", "\0"])
def test_a_file_that_is_not_a_mapping_is_reported_in_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(text)
    with pytest.raises(ParamsError) as caught:
        load(file)
    assert "\n" not in str(caught.value)


def test_a_missing_file_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match="run this in the folder that contains it"):
        load(tmp_path / "params.yaml")


def test_a_missing_key_is_reported(content: dict, tmp_path: Path) -> None:
    del content["cameras"]["demo-phone"]["target"]
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(ParamsError, match=r"cameras\.demo-phone\.target: is missing"):
        load(file)


def test_a_yaml_mistake_is_located_without_showing_the_line(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text("a: 1\nurl: [https://anna:s3cret@host\n")
    with pytest.raises(ParamsError, match="is not valid YAML in line 3") as caught:
        load(file)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2\n", "in line 4: the key c appears twice"),
        ("", "must be a mapping with the keys cameras, targets"),
        ("- a\n", "must be a mapping"),
    ],
)
def test_what_yaml_would_take_in_silence_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """Protects: of two cameras with one name the first was lost."""
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError, match=words):
        load(tmp_path / "params.yaml")


def test_a_file_with_a_byte_order_mark_is_read(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text((repository / "params.yaml").read_text(), "utf-8-sig")
    assert load(tmp_path / "params.yaml").cameras


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("2024", r"as a number \(2024\), not as text; choose another, such as camera-2024"),
        ("1e3", r"a number \(1e3\)"),
        ("2024-01-02", r"a date \(2024-01-02\), not as text; .* such as camera-2024-01-02"),
        ("yes", r"true or false \(True\)"),
        ("null", r"nothing \(None\)"),
    ],
)
def test_a_name_that_yaml_reads_as_something_else_is_explained(
    repository: Path, tmp_path: Path, name: str, words: str
) -> None:
    text = (repository / "params.yaml").read_text().replace("\n  demo-phone:\n", f"\n  {name}:\n", 1)
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError, match=words) as caught:
        load(tmp_path / "params.yaml")
    assert "cameras: YAML reads a name" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "part", "says"),
    [
        ("div2k", "train-hr", "forbids commercial use (licence: research, https://data.vision"),
        ("flickr2k", "hr", "does not say that commercial use is allowed (licence: unstated, https://github"),
    ],
)
def test_a_licence_can_be_required(content: dict, tmp_path: Path, name: str, part: str, says: str) -> None:
    """Protects: a model that must not be sold is not found out after its training."""
    file = tmp_path / "params.yaml"
    content["targets"]["demo-photos"]["photos"]["source"] = {"kind": "dataset", "name": name, "part": part}
    file.write_text(yaml.safe_dump(content))
    [use] = load(file).data_sets("demo-phone")
    assert (use.role, use.name, use.part) == ("target", name, part)
    content["licences"] = {"commercial_use": "required"}
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(
        ParamsError, match=re.escape(f"cameras.demo-phone: the data set {name} (target) {says}")
    ):
        load(file)
    content["targets"]["demo-photos"]["photos"]["source"] = {"kind": "dataset", "name": "kodak"}
    file.write_text(yaml.safe_dump(content))
    [use] = load(file).data_sets("demo-phone")
    assert (use.commercial_use, use.part) == ("yes", "all")
