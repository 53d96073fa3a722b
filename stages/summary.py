"""Print every camera's scores beside the yardsticks, its registered model, and what to do next."""

import argparse
import json

from pipeline.layout import MLFLOW_DATABASE, CameraPaths
from stages.command import run

ROWS = {  # metric → label, digits
    "psnr": ("PSNR, dB", 2),
    "psnr_best_affine": ("PSNR at best colour, dB", 2),
    "ssim": ("SSIM", 3),
    "ms_ssim": ("MS-SSIM", 3),
    "ms_ssim_dped": ("MS-SSIM, DPED's", 3),
    "delta_e2000": ("ΔE2000 ↓", 1),
    "colour_distance": ("colour distance to target ↓", 1),
    "texture_distance": ("texture distance, same ↓", 2),
    "fidelity": ("fidelity to the source, dB", 1),
    "noise_gain": ("noise gain in flat areas", 2),
    "colourfulness": ("colourfulness", 1),
    "noise": ("noise, 8-bit levels", 2),
    "entropy": ("entropy, bits", 2),
    "png_bpp": ("PNG, bits per pixel", 2),
}
COLUMNS = {
    "untouched": "untouched",
    "histogram_match": "histogram match",
    "auto_enhance": "auto-enhance",
    "enhanced": "enhanced",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.summary",
        description="Print the scores of every camera beside the untouched photo and the yardsticks, the"
        " registered model, and what to open next. Reads what `dvc repro` wrote and changes nothing.",
    )
    parser.parse_args()
    run("summary", _summary)


def _summary() -> None:
    from pipeline import params

    for name, camera in params.load().cameras.items():
        paths = CameraPaths(camera=name)
        print(f"\n{name} → {camera.target}")
        if not paths.intervals.exists() or not paths.registered.exists():
            print("  not trained yet: run `dvc repro`")
            continue
        _print_scores(json.loads(paths.intervals.read_bytes()))
        _print_model(paths, json.loads(paths.registered.read_bytes()))
    print("\nplots and scores of all cameras:  dvc plots show, dvc metrics show")
    print(f"runs and models:                  mlflow ui --backend-store-uri sqlite:///{MLFLOW_DATABASE}")


def _print_scores(summary: dict) -> None:
    print(f"  {'':28}{''.join(f'{label:>17}' for label in COLUMNS.values())}   gain [95 % interval]")
    for metric, (label, digits) in ROWS.items():
        if metric not in summary["enhanced"]:
            continue
        cells = [_cell(summary.get(column, {}).get(metric), digits) for column in COLUMNS]
        print(f"  {label:28}{''.join(cells)}{_gain(summary['gain'].get(metric), digits)}")


def _cell(interval: dict | None, digits: int) -> str:
    return f"{'–':>17}" if interval is None else f"{interval['mean']:17.{digits}f}"


def _gain(interval: dict | None, digits: int) -> str:
    if interval is None:
        return ""
    mean, low, high = (f"{interval[end]:+.{digits}f}" for end in ("mean", "low", "high"))
    return f"   {mean} [{low}, {high}]" if low != high else f"   {mean}"


def _print_model(paths: CameraPaths, model: dict) -> None:
    aliases = " and ".join(model["aliases"]) or "no alias"
    best = "champion" if "champion" in model["aliases"] else model["aliases"][0] if model["aliases"] else None
    address = f"{model['name']}@{best}" if best else f"{model['name']}/{model['version']}"
    print(f"  model    {model['name']} version {model['version']}, {aliases}: {model['reason']}")
    if best != "champion":
        print(f"  why      python -m stages.register {paths.camera} --explain")
    print(f"  look at  {paths.page if paths.page.exists() else paths.pictures / 'before_after.png'}")
    print(f"  use      python -m stages.enhance --model models:/{address} IN OUT")


if __name__ == "__main__":
    main()
