"""Measure this machine: `python -m stages.bench`, or `make bench`."""

import argparse

from stages.command import run

READING = """how to read it:
  A ratio is our speed over that of a ceiling: the same work without the engine, measured in the same minutes.
    patchify  photos through Ray Data into shards    against  decoding the photos
    stream    shuffled patches through Ray Data      against  pyarrow reading the same row groups
    enhance   the batch job of `stages.enhance`      against  the generator alone on the same pixels
    one photo from a file to a file's bytes          against  the generator alone on the same pixels, in the
              same precision, in pieces as large as our tiles, without their halo
  1.00 means that the engine costs nothing. A training step has two lines of another kind:
    step      one step of the learner                against  a plain one: the same networks and losses in
              float32, with PyTorch's defaults and every loss read. Above 1.00 is faster than that.
    its operations                                   against  a large matrix product: the processor's share
  `start` is the time before a pass gives its first result; the speed leaves it out.
  Both are medians of alternating runs, so that a busy machine slows both. Speeds differ between machines;
  ratios hardly do, so compare those. The second table shows why shards are stored as they are.

Takes about six minutes on two cores, and 400 MB in TMPDIR, which are removed. It runs on this machine: unset
RAY_ADDRESS.
"""


def main() -> None:
    argparse.ArgumentParser(
        prog="python -m stages.bench",
        description="Measure how fast photos pass through every part, as a ratio to what the machine can do.",
        epilog=READING,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    run("bench", _bench)


def _bench() -> None:
    from pipeline import params
    from pipeline.research.benchmarks.suite import Sizes, measure_all

    loaded = params.load()
    size_px = loaded.camera("demo-phone").patches.size_px
    print(measure_all(loaded.presets, size_px, Sizes()))


if __name__ == "__main__":
    main()
