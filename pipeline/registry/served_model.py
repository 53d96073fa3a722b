"""The model as loaded and served by MLflow: code and weights, without pickle.

In Python, with a uint8 photo (h, w, 3) or photos (n, h, w, 3), sRGB:

    mlflow.pyfunc.load_model("models:/wespe-demo-phone@champion").predict(photo)

Over http, with a JPEG, PNG, TIFF, WebP or AVIF file as base64; the response is a PNG as base64:

    mlflow models serve -m models:/wespe-demo-phone@champion --env-manager local -p 5001
    printf '{"inputs": ["%s"]}' "$(base64 -w0 photo.jpg)" |
        curl -s localhost:5001/invocations -H "Content-Type: application/json" -d @- |
        python -c "import json, sys; print(json.load(sys.stdin)['predictions'][0])" | base64 -d > enhanced.png

It has no signature: MLflow's signatures fix the number of dimensions, but one photo or several are accepted.
"""

from base64 import b64decode, b64encode
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext
from PIL import Image

from pipeline.errors import PhotoError
from pipeline.models.model_folder import load_model
from pipeline.photos.images import decode_photo

URL_SAFE = str.maketrans("-_", "+/", " \r\n")


class ServedModel(PythonModel):
    def load_context(self, context: PythonModelContext) -> None:
        """Load the weights, onto a GPU if there is one."""
        folder = Path(context.artifacts["weights"]).parent
        self.model = load_model(folder, "cuda" if torch.cuda.is_available() else "cpu")

    # The type hint only keeps MLflow from inferring a schema.
    def predict(self, context: PythonModelContext, model_input: np.ndarray, params: Any = None) -> Any:
        """Enhance uint8 photos to an array of the same shape, or base64 files to a list of base64 PNGs.

        Raises ValueError naming the photo for other input.
        """
        photos = np.asarray(model_input)
        if photos.dtype.kind in "UO":
            return [self._enhance_file(number, file) for number, file in enumerate(photos.ravel(), 1)]
        if photos.ndim not in (3, 4) or photos.shape[-1] != 3:
            raise ValueError(
                f"expected a photo (h, w, 3) or photos (n, h, w, 3), got the shape {photos.shape}"
            )
        enhanced = [self.model.enhance(photo) for photo in _as_uint8(photos).reshape(-1, *photos.shape[-3:])]
        return np.stack(enhanced).reshape(photos.shape)

    def _enhance_file(self, number: int, file: Any) -> str:
        try:
            enhanced = self.model.enhance(decode_photo(_decoded(file)))
        except (ValueError, PhotoError) as error:
            raise ValueError(f"photo {number}: {error}") from None
        png = BytesIO()
        Image.fromarray(enhanced).save(png, format="PNG")
        return b64encode(png.getvalue()).decode()


def _decoded(file: Any) -> bytes:
    """Decode a file in base64, in URL-safe base64, or in a data: URL. Raises ValueError."""
    text = file.partition("base64,")[2] if isinstance(file, str) and file.startswith("data:") else file
    try:
        return b64decode(text.translate(URL_SAFE), validate=True)
    except (AttributeError, ValueError):
        raise ValueError("expected a file in base64, as `base64 -w0 photo.jpg` prints it") from None


def _as_uint8(photos: np.ndarray) -> np.ndarray:
    """Convert integers from JSON; floats are rejected, since their range is unknown."""
    if photos.dtype.kind not in "ui" or photos.min() < 0 or photos.max() > 255:
        raise ValueError(f"expected uint8 pixels, 0 to 255, got {photos.dtype}")
    return photos.astype(np.uint8)


set_model(ServedModel())
