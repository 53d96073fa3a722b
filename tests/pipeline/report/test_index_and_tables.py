"""The index leads to every report; the tables put ours beside the printed figures where there are ours."""

import json
import shutil

from pipeline import layout
from pipeline.layout import CONFIG, CameraPaths
from pipeline.report.camera_page import write_camera_page
from pipeline.report.index_page import write_index_page
from pipeline.report.paper import AVERAGE, TABLES
from pipeline.report.tables import write_tables

CAMERAS = ("phone", "iphone3gs-wespe", "iphone-6")
HALF_OF_LAST_DIGIT = 0.00006


def rename(paths: CameraPaths, camera: str, target: str) -> None:
    """Give a camera, its report and its model another name."""
    to = CameraPaths(camera=camera)
    shutil.copytree(paths.report, to.report)
    shutil.copytree(paths.model, to.model)
    config = json.loads((to.model / CONFIG).read_text())
    (to.model / CONFIG).write_text(json.dumps(config | {"target": target}))


def row(table: int, name: str) -> tuple[list[str], list[str]]:
    """The cells of a row: printed, ours."""
    part = layout.TABLES.read_text().split(f"## Table {table}:")[1].split("\n## ")[0]
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in part.splitlines() if "|" in line]
    start = [cells[0] for cells in lines].index(name)
    return lines[start][1:], lines[start + 1][1:]


def test_the_index_links_to_every_report_and_shows_its_scores(evaluated_camera):
    evaluated_camera()
    write_camera_page("phone")
    assert write_index_page(CAMERAS) == 1
    text = layout.INDEX_PAGE.read_text()
    assert '<a href="phone/report.html">phone</a>' in text
    assert text.count('src="data:image/jpeg;base64,') == 2
    assert "The model improves this camera’s photos" in text


def test_an_index_without_reports_says_how_to_make_one(evaluated_camera):
    evaluated_camera()
    assert write_index_page(CAMERAS) == 0
    assert "stages.report" in layout.INDEX_PAGE.read_text()


def test_a_camera_fills_its_row_and_columns(evaluated_camera):
    paths = evaluated_camera()
    rename(paths, "iphone3gs-wespe", "dped-canon")
    write_camera_page("iphone3gs-wespe")
    write_tables(CAMERAS)
    mean = json.loads(paths.intervals.read_text())["enhanced"]["psnr"]["mean"]
    printed, ours = row(2, "iPhone")
    assert printed == ["printed", "17.28", "0.86", "17.76", "0.88", "18.11", "0.90", "21.35", "0.92"]
    assert ours[0] == "ours: iphone3gs-wespe"
    assert ours[5] == f"{mean:.2f}"  # WESPE [DPED] PSNR
    assert ours[3] == ours[7] == "not measured here"  # WESPE [DIV2K], [13]
    assert row(2, "Sony")[1] == ["ours: not measured here", *["–"] * 8]


def test_an_iphone_6_is_not_matched_as_iphone_3gs(evaluated_camera):
    paths = evaluated_camera()
    rename(paths, "iphone-6", "div2k")
    write_camera_page("iphone-6")
    write_tables(CAMERAS)
    assert row(3, "iPhone")[1][0] == "ours: not measured here"
    assert row(6, "iPhone 6")[1][0] == "ours: iphone-6"


def test_every_camera_is_listed_with_the_baselines(evaluated_camera):
    evaluated_camera()
    write_camera_page("phone")
    write_tables(CAMERAS)
    listed = layout.TABLES.read_text().split("## All cameras")[1]
    assert [line.split("|")[2].strip() for line in listed.splitlines() if "phone →" in line] == [
        "Untouched",
        "Histogram match",
        "Auto enhance",
        "Before training",
        "Enhanced",
    ]


def test_printed_tables_are_whole_and_their_averages_are_those_of_their_rows():
    for table in TABLES:
        assert {len(values) for values in table.rows.values()} == {len(table.columns) * len(table.scores)}
        rows = [values for name, values in table.rows.items() if name != AVERAGE]
        for column, printed in enumerate(table.rows.get(AVERAGE, ())):
            mean = sum(values[column] for values in rows) / len(rows)
            assert abs(mean - printed) < HALF_OF_LAST_DIGIT, (table.number, column, mean, printed)


def test_a_camera_that_was_removed_leaves_index_and_tables_and_is_reported_as_left_over(evaluated_camera):
    paths = evaluated_camera()
    write_camera_page("phone")
    assert write_index_page(["tablet"]) == 0
    write_tables(["tablet"])
    assert "phone" not in layout.INDEX_PAGE.read_text()
    left = layout.leftovers(["tablet"], ["dslr"])
    assert left == [layout.photo_set("cameras.phone").root, paths.model, paths.report]
    assert layout.leftovers(["phone"], ["dslr"]) == []
