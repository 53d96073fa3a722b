"""Export a model for other programs: `python -m stages.export --model MODEL OUT.onnx`, or OUT.cube."""

import argparse
from pathlib import Path

from pipeline.files import check_writable
from stages.command import parse, run

READING = """examples:
  python -m stages.export --model models:/wespe-demo-phone@champion demo-phone.onnx
  python -m stages.export --model models/demo-phone demo-phone.onnx
  python -m stages.export --model models/demo-phone demo-phone.cube
  python -m stages.export --model models/demo-phone --photo old-phone/ demo-phone.cube
  python -m stages.export --model models/demo-phone --photo beach.jpg beach.cube

An .onnx file is the whole model. It needs neither torch nor this project, only
`pip install onnxruntime numpy pillow`:

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

The input is one sRGB photo (1, 3, height, width) of any size, float32 from 0 to 1; the output has the same
format. The metadata contain the camera, the model's sha256 and the smallest supported side (least_px). The
photo is processed as a whole: tiling and the handling of EXIF, colour profiles and 16 bits are not part of
the file. If the metadata contain halo_px, tiles with a margin of that many pixels give the same result as the
whole photo.

Before the file is written, its results are compared with torch on three photos. The maximum differences are
printed, in levels from 0 to 255. If one is above 0.05, nothing is written and the command fails.

A .cube file contains the colours of a lut_residual model, without its detail, as a 3-D LUT of 33 steps a side
for sRGB photos: for DaVinci Resolve, Photoshop and darktable; for Lightroom inside a profile made in Camera
Raw; for ffmpeg -i film.mp4 -vf lut3d=demo-phone.cube. With --photo, the colours are those that the model
chooses for that photo, or on average for a folder of the camera's photos; without --photo, brightness and
contrast are not adapted per photo. The error of interpolating between the 33 steps is printed, in levels from
0 to 255.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.export",
        description="Write a camera's model as one ONNX file, which onnxruntime runs without torch, or its "
        "colours as a .cube file.",
        epilog=READING,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", required=True, help="a registered model's URI, or a model folder")
    parser.add_argument(
        "--photo", type=Path, help="a photo or folder that determines the colours of a .cube file"
    )
    parser.add_argument("destination", metavar="OUT.onnx|OUT.cube", type=Path, help="the file to write")
    arguments = parse(parser)
    cube = arguments.destination.suffix.lower() == ".cube"
    if arguments.photo and not cube:
        parser.error(f"--photo is for a .cube file, not for {arguments.destination}")
    if cube:
        run("export", lambda: _export_cube(arguments.model, arguments.photo, arguments.destination))
    else:
        run("export", lambda: _export_onnx(arguments.model, arguments.destination))


def _export_cube(model: str, photo: Path | None, destination: Path) -> None:
    check_writable(destination.parent)
    from pipeline.models.cube import export_cube, photos_in
    from pipeline.models.model_folder import load_model
    from pipeline.registry.registry import fetch_model

    photos = [] if photo is None else photos_in(photo)
    cube = export_cube(load_model(fetch_model(model)), destination, photos)
    print(
        f"export: {destination}, {cube.bytes / 1e6:.2f} MB; interpolation differs from the model by "
        f"{cube.mean:.2f} of 255 levels on average, at most {cube.most:.1f}"
    )


def _export_onnx(model: str, destination: Path) -> None:
    check_writable(destination.parent)
    from pipeline.models.model_folder import load_model
    from pipeline.models.onnx_model import export_model
    from pipeline.registry.registry import fetch_model

    exported = export_model(load_model(fetch_model(model)), destination)
    for found in exported.differences:
        print(
            f"  {found.width}×{found.height} px: differs from torch by at most {found.levels:.6f} of 255 "
            f"levels, {found.rounded:.0f} after rounding to 8 bits"
        )
    size = f"{exported.bytes / 1e6:.2f} MB"
    print(f"export: {destination}, {size}, for photos of at least {exported.least_px} px a side")


if __name__ == "__main__":
    main()
