"""What a rank gets to learn from, by the real Ray Train and Ray Data."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.patches import stream
from pipeline.patches.patches import Patches
from pipeline.patches.shards import encode, write_shards

SIZE, TOTAL, STEPS = 20, 40, 30


def batches_of_pairs(config: dict[str, Any]) -> None:
    """Runs inside a Ray Train worker: notes what every batch shows."""
    from pipeline.training.ray_context import RayContext

    context = RayContext(batch_size=TOTAL, size_px=SIZE, paired=True)
    batches = context.batches(0)
    seen = [next(batches) for _ in range(STEPS)]
    noted = {
        "sizes": [len(source) for source, _ in seen],
        "matched": [bool((target == 255 - source).all()) for source, target in seen],
        "first": [patch.numpy().tobytes().hex()[:64] for source, _ in seen[:5] for patch in source],
    }
    (Path(config["folder"]) / f"{context.rank}.json").write_text(json.dumps(noted))


@pytest.mark.usefixtures("ray_session")
def test_two_ranks_learn_from_different_pairs_that_match(tmp_path: Path) -> None:
    """Protects: paired training on many workers."""
    import ray.train
    from ray import cloudpickle
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    patches = np.random.default_rng(0).integers(0, 256, (48 * 64, SIZE, SIZE, 3), np.uint8)
    table = encode(["p"] * len(patches), [(0, 0)] * len(patches), patches, 255 - patches)
    settings = Patches(size_px=SIZE, per_photo=1)
    index = write_shards(tmp_path / "pairs", settings, {"train": [table]}, paired=True)
    pairs = stream.stream_of(index, "train", name="pairs", seed=1, paired=True)

    # Workers cannot import a test module: its functions travel by value.
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    TorchTrainer(
        batches_of_pairs,
        train_loop_config={"folder": str(tmp_path)},
        datasets={"pairs": stream.dataset(pairs, first_row=0, rows=STEPS * TOTAL, workers=2)},
        dataset_config=ray.train.DataConfig(execution_options=ray.data.ExecutionOptions(preserve_order=True)),
        scaling_config=ScalingConfig(num_workers=2),
        run_config=RunConfig(name="pairs", storage_path=str(tmp_path)),
    ).fit()
    ranks = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert all(set(rank["sizes"]) == {TOTAL // 2} and all(rank["matched"]) for rank in ranks)
    assert not set(ranks[0]["first"]) & set(ranks[1]["first"])
