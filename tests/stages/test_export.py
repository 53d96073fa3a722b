"""The example of --help runs as it is printed, where torch and this project are not installed."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data

from pipeline.checkpoints import load_model, save_model
from stages import export
from wespe.methods import build_generator
from wespe.methods.lut_residual import LutResidualConfig

WITHOUT_TORCH = "import sys; sys.modules |= dict.fromkeys(('torch', 'wespe', 'pipeline', 'stages'))\n"


def example() -> str:
    """The Python in --help."""
    start, end = export.READING.index("  import numpy"), export.READING.index("\nIt takes")
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
    with pytest.raises(SystemExit, match=r"export: models/none holds no generator\.safetensors"):
        export.main()
    assert list(tmp_path.iterdir()) == []
