"""Write a camera's model as one ONNX file: `python -m stages.export --model MODEL OUT.onnx`."""

import argparse
from pathlib import Path

from stages.command import run

READING = """examples:
  python -m stages.export --model models:/wespe-demo-phone@champion demo-phone.onnx
  python -m stages.export --model models/demo-phone demo-phone.onnx

The file needs neither torch nor this project, only `pip install onnxruntime numpy pillow`:

  import numpy as np
  from onnxruntime import InferenceSession
  from PIL import Image, ImageOps

  model = InferenceSession("demo-phone.onnx", providers=["CPUExecutionProvider"])
  photo = ImageOps.exif_transpose(Image.open("beach.jpg")).convert("RGB")
  photos_nchw = np.asarray(photo, np.float32).transpose(2, 0, 1)[None] / 255
  [enhanced] = model.run(None, {"photos_nchw": photos_nchw})
  levels = (enhanced[0].transpose(1, 2, 0) * 255).round().astype(np.uint8)
  Image.fromarray(levels).save("enhanced.png")
  print(model.get_modelmeta().custom_metadata_map)

It takes one sRGB photo (1, 3, height, width) of any size, float32 from 0 to 1, and gives the same. The
metadata tell the camera, the model's sha256, and the least side of a photo (least_px). A photo is taken
whole: the tiles of `stages.enhance`, and its care for what a photo carries (EXIF, colour profile, 16 bits),
are not in the file. Where the metadata have halo_px, tiles with so many pixels around them give the whole
photo's pixels.

Before it is written, onnxruntime runs it on three photos beside torch. The greatest differences are printed,
in levels of 0 to 255; more than 0.05 is an error, and nothing is written.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.export",
        description="Write a camera's model as one ONNX file, which onnxruntime runs without torch.",
        epilog=READING,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", required=True, help="a registered model's URI, or a model folder")
    parser.add_argument("destination", metavar="OUT.onnx", type=Path, help="the file to write")
    arguments = parser.parse_args()
    run("export", lambda: _export(arguments.model, arguments.destination))


def _export(model: str, destination: Path) -> None:
    from pipeline.checkpoints import load_model
    from pipeline.onnx_model import export_model
    from pipeline.registry import fetch_model

    exported = export_model(load_model(fetch_model(model)), destination)
    for found in exported.differences:
        print(
            f"  {found.width}×{found.height} px: at most {found.levels:.6f} of 255 levels from torch, "
            f"{found.rounded:.0f} in 8 bits"
        )
    size = f"{exported.bytes / 1e6:.2f} MB"
    print(f"export: {destination}, {size}, for photos of at least {exported.least_px} px a side")


if __name__ == "__main__":
    main()
