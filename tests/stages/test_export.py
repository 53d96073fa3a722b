"""Both files of `stages.export`; its example runs as printed, without torch and this project."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from pipeline.models.model_files import save_model
from pipeline.models.model_folder import load_model
from stages import export
from wespe.methods import build_generator
from wespe.methods.lut_residual import LutResidualConfig

WITHOUT_TORCH = "import sys; sys.modules |= dict.fromkeys(('torch', 'wespe', 'pipeline', 'stages'))\n"


def example() -> str:
    """The Python in --help."""
    start, end = export.READING.index("  import numpy"), export.READING.index("\nThe input is")
    return dedent(export.READING[start:end])


def test_the_printed_example_enhances_a_photo_without_torch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    config = LutResidualConfig()
    generator = build_generator(config)
    torch.nn.init.uniform_(generator.colour.luts, -0.2, 0.2)
    save_model(Path("models/demo-phone"), generator, config, {"camera": "demo-phone"})
    monkeypatch.setattr(sys, "argv", ["export", "--model", "models/demo-phone", "demo-phone.onnx"])
    export.main()
    assert "MB, for photos of at least 32 px a side" in capsys.readouterr().out

    Image.fromarray(data.coffee()).save("beach.jpg")
    ended = subprocess.run([sys.executable, "-c", WITHOUT_TORCH + example()], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "'camera': 'demo-phone'" in ended.stdout
    photo, enhanced = (np.asarray(Image.open(name)).astype(int) for name in ("beach.jpg", "enhanced.png"))
    wanted = load_model(Path("models/demo-phone")).enhance(photo.astype(np.uint8))
    assert np.abs(enhanced - wanted).max() <= 1
    assert np.abs(enhanced - photo).mean() > 1


def test_no_model_is_one_line_and_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["export", "--model", "models/none", "out.onnx"])
    with pytest.raises(SystemExit, match=r"export: models/none is not a model folder \(generator"):
        export.main()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("photo", [[], ["--photo", "beach.png"]])
def test_a_name_that_ends_in_cube_exports_the_colours(
    photo: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    config = LutResidualConfig()
    save_model(Path("model"), build_generator(config), config, {"camera": "demo-phone"})
    Image.fromarray(data.coffee()).save("beach.png")
    monkeypatch.setattr(sys, "argv", ["export", "--model", "model", *photo, "demo-phone.cube"])
    export.main()
    assert "0.97 MB; interpolation differs from the model by 0.00 of 255" in capsys.readouterr().out
    assert Path("demo-phone.cube").read_text().startswith('TITLE "demo-phone"\n')


def test_an_onnx_file_takes_every_photo_as_it_comes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(sys, "argv", ["export", "--model", "m", "--photo", "beach.png", "m.onnx"])
    with pytest.raises(SystemExit):
        export.main()
    assert "--photo is for a .cube file, not for m.onnx" in capsys.readouterr().err
