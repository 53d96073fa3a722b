"""Write a camera's report, the index and the paper's tables: `python -m stages.report demo-phone`."""

import argparse
import json

from stages.command import parse, run


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m stages.report",
        description="Write reports/CAMERA/report.html, a self-contained page that works offline, and"
        " reports/index.html and reports/tables.md for all cameras that have a report.",
        epilog="Uses the results of `dvc repro`: scores, losses, photos, and the registered model if there is"
        " one; the page is added to its MLflow run.",
    )
    parser.add_argument("camera", metavar="CAMERA", help="a camera in params.yaml, such as demo-phone")
    camera = parse(parser).camera
    run("report", lambda: _report(camera))


def _report(camera: str) -> None:
    from filelock import FileLock

    from pipeline import layout, params
    from pipeline.registry.registry import log_report
    from pipeline.report.camera_page import write_camera_page
    from pipeline.report.index_page import write_index_page
    from pipeline.report.rendering import size
    from pipeline.report.tables import write_tables

    loaded = params.load()
    loaded.camera(camera)
    paths = layout.CameraPaths(camera=camera)
    written = size(write_camera_page(camera))
    if paths.registered.exists():
        log_report(json.loads(paths.registered.read_bytes())["run_id"], paths.page)
    with FileLock(layout.REPORTS / ".index.lock"):  # or the last of several at a time may list too few
        cameras = write_index_page(loaded.cameras)
        write_tables(loaded.cameras)
    print(f"report {camera}: {written} → {paths.page}")
    print(f"report: {cameras} cameras → {layout.INDEX_PAGE}, {layout.TABLES}")


if __name__ == "__main__":
    main()
