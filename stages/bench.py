"""Measure this machine: `python -m stages.bench`, or `make bench`."""

import argparse

from stages.command import parse, run

READING = """how to read the results:
  A ratio is our speed divided by a ceiling: the same work without the engine, measured at the same time.
    patchify  photos through Ray Data into shards    against  decoding the photos
    stream    shuffled patches through Ray Data      against  pyarrow reading the same row groups
    enhance   the batch job of `stages.enhance`      against  one photo after the other, without an engine
    one photo from a file to a file's bytes          against  decoding and encoding it, and nothing between
  1.00 means that nothing is added to the cost of the ceiling. A training step has two different lines:
    step      one step of the learner                against  a plain step: the same networks and losses in
              float32, with PyTorch's defaults and all losses read. Above 1.00 is faster.
    its operations                                   against  a large matrix product: share of peak speed
  `start` is the time before the first result; the speed excludes it.
  All values are medians of alternating runs, so that other load slows both sides. Speeds differ between
  machines, ratios hardly do, so compare ratios. The second table compares storage formats for shards.

Takes about five minutes on two cores, and 500 MB in TMPDIR, which are removed afterwards. Runs on this
machine only: unset RAY_ADDRESS.
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.bench",
        description="Measure the speed of every part of the pipeline, relative to what the machine can do.",
        epilog=READING,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parse(parser)
    run("bench", _bench)


def _bench() -> None:
    from pipeline import params
    from pipeline.research.benchmarks.suite import Sizes, measure_all

    loaded = params.load()
    size_px = loaded.camera("demo-phone").patches.size_px
    print(measure_all(loaded.presets, size_px, Sizes()))


if __name__ == "__main__":
    main()
