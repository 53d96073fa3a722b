"""A job loses no photo, repeats none and never touches the originals; here without an engine."""

import os
import shutil
import subprocess
from pathlib import Path

import boto3
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.enhancement.estimate import estimate
from pipeline.enhancement.job import Summary, carry_out, in_process
from pipeline.enhancement.ledger import PART_BYTES
from pipeline.enhancement.one_photo import Settings
from pipeline.enhancement.plan import make_plan
from pipeline.enhancement.routing import Router
from pipeline.errors import CheckpointError, EnhancementError, PipelineError
from pipeline.models.model_folder import load_model
from pipeline.photos.images import decode_photo, read_photo


def test_names_folders_and_formats_are_kept(model, enhance, times, demo_photos: Path, tmp_path: Path) -> None:
    Image.open(demo_photos / "rocket.jpg").save(demo_photos / "Rocket.TIFF")
    (demo_photos / "trip/day 1").mkdir(parents=True)
    shutil.move(demo_photos / "chelsea.png", demo_photos / "trip/day 1/chat noir.png")
    (demo_photos / "notes.txt").write_text("not a photo")
    before = times(demo_photos)

    assert enhance(model, demo_photos, tmp_path / "out") == Summary(done=4, failed=())

    assert times(tmp_path / "out").keys() == before.keys() - {"notes.txt"}
    assert times(demo_photos) == before
    for name in before.keys() - {"notes.txt"}:
        original, enhanced = Image.open(demo_photos / name), Image.open(tmp_path / "out" / name)
        assert (enhanced.format, enhanced.size) == (original.format, original.size)


def test_warnings_are_in_the_summary_and_in_the_ledger(model, enhance, plan, tmp_path: Path) -> None:
    """Protects: a file of several pictures loses all but the first; nobody should find out by chance."""
    frames = [Image.fromarray(np.full((40, 40, 3), level, np.uint8)) for level in (50, 100, 150)]
    (tmp_path / "in").mkdir()
    for name in ("a.tif", "b.tif"):
        frames[0].save(tmp_path / "in" / name, save_all=True, append_images=frames[1:])

    summary = enhance(model, tmp_path / "in", tmp_path / "out")

    assert summary.warnings == ("a.tif: only the first of its 3 frames is used (and 1 more)",)
    rows = pq.read_table(tmp_path / "out/ledger").to_pylist()
    assert {row["warnings"] for row in rows} == {"only the first of its 3 frames is used"}


def test_a_ledger_of_an_earlier_version_is_read(
    model, enhance, plan, demo_photos: Path, tmp_path: Path
) -> None:
    """Protects: an update must not enhance a whole collection again."""
    enhance(model, demo_photos, tmp_path / "out")
    [part] = (tmp_path / "out/ledger").iterdir()
    pq.write_table(pq.read_table(part).drop_columns(["warnings"]), part)

    assert plan(model, demo_photos, tmp_path / "out").finished == 3


def test_pixels_are_the_models(model, enhance, demo_photos: Path, tmp_path: Path) -> None:
    """What the engine writes is what the model alone computes."""
    enhance(model, demo_photos / "coffee.png", tmp_path / "out")

    expected = load_model(model).enhance(read_photo(demo_photos / "coffee.png"))
    np.testing.assert_allclose(read_photo(tmp_path / "out/coffee.png"), expected, atol=1)


def test_done_is_skipped_and_only_what_changed_is_redone(
    make_model, enhance, plan, times, demo_photos: Path, tmp_path: Path
) -> None:
    out, model = tmp_path / "out", make_model()
    enhance(model, demo_photos, out)
    before = times(out)

    again = plan(model, demo_photos, out)
    assert (again.tasks, again.finished) == ((), 3)
    assert enhance(model, demo_photos, out).done == 0
    os.utime(demo_photos / "chelsea.png")  # copied again, say: the content is the same
    assert plan(model, demo_photos, out).finished == 3
    assert times(out) == before

    Image.open(demo_photos / "coffee.png").rotate(180).save(demo_photos / "coffee.png")
    (out / "rocket.jpg").unlink()
    assert enhance(model, demo_photos, out).done == 2
    assert times(out)["chelsea.png"] == before["chelsea.png"]

    assert enhance(make_model("other", seed=1), demo_photos, out).done == 3


def test_a_result_that_another_job_replaced_is_made_again(
    make_model, enhance, plan, demo_photos: Path, tmp_path: Path
) -> None:
    """Protects: two jobs with different models and one destination. The files match the ledger."""
    out, first, second = tmp_path / "out", make_model("first"), make_model("second", seed=1)
    late = plan(first, demo_photos, out)
    enhance(second, demo_photos, out)
    carry_out(late, in_process)
    assert plan(first, demo_photos, out).finished == 3
    assert plan(second, demo_photos, out).finished == 0


def test_an_edited_result_is_kept(
    make_model, enhance, plan, times, demo_photos: Path, tmp_path: Path
) -> None:
    """Protects: hours of work on an enhanced photo, with this model's next version as well."""
    out, model = tmp_path / "out", make_model()
    enhance(model, demo_photos, out)
    os.utime(out / "rocket.jpg")  # copied, say: nobody changed it
    edited = Image.open(out / "coffee.png")
    edited.rotate(90).save(out / "coffee.png", exif=edited.getexif())
    Image.new("RGB", (8, 8)).save(out / "chelsea.png")
    before = times(out)

    for wanted in (model, make_model("other", seed=1)):
        again = plan(wanted, demo_photos, out)
        assert again.changed == ("chelsea.png", "coffee.png")
    assert plan(model, demo_photos, out).finished == 1
    enhance(model, demo_photos, out)
    assert times(out) == before

    (out / "coffee.png").unlink()
    assert [task.photo for task in plan(model, demo_photos, out).tasks] == ["coffee.png"]


def test_another_setting_redoes_the_work_and_another_format_renames(
    model, enhance, plan, times, demo_photos: Path, tmp_path: Path
) -> None:
    """Protects: a half-strength result is never reused for full strength; no two results share a name."""
    out = tmp_path / "out"
    enhance(model, demo_photos, out)
    half = Settings(strength=0.5, format="jpg")
    assert enhance(model, demo_photos, out, settings=half).done == 3
    assert plan(model, demo_photos, out, settings=half).finished == 3
    assert {"chelsea.jpg", "coffee.jpg", "rocket.jpg"} < times(out).keys()

    Image.open(demo_photos / "rocket.jpg").save(demo_photos / "rocket.png")
    [task] = plan(model, demo_photos, out, settings=half).tasks
    assert (task.photo, task.result) == ("rocket.png", "rocket-2.jpg")


def test_a_broken_photo_is_listed_and_the_job_continues(
    model, enhance, plan, times, demo_photos: Path, tmp_path: Path
) -> None:
    good = (demo_photos / "coffee.png").read_bytes()
    (demo_photos / "coffee.png").write_bytes(good[: len(good) // 2])

    summary = enhance(model, demo_photos, tmp_path / "out")

    assert summary.done == 2
    [failure] = summary.failed
    assert failure.photo == "coffee.png"
    assert "cannot be decoded" in failure.reason
    assert "coffee.png" not in times(tmp_path / "out")

    (demo_photos / "coffee.png").write_bytes(good)
    assert len(plan(model, demo_photos, tmp_path / "out").tasks) == 1
    assert enhance(model, demo_photos, tmp_path / "out") == Summary(done=1, failed=())


def test_too_many_broken_photos_end_the_job(model, enhance, demo_photos: Path, tmp_path: Path) -> None:
    """Protects: time on a folder that cannot be enhanced; finished photos are kept."""
    for number in range(40):
        (demo_photos / f"{number:02}.jpg").write_bytes(b"broken")
    with pytest.raises(
        EnhancementError, match=r"stopped: 11 of \d+ photos failed, the last \d+\.jpg \(not a"
    ):
        enhance(model, demo_photos, tmp_path / "out")
    ledger = pq.read_table(tmp_path / "out/ledger").to_pylist()
    assert sum(row["status"] == "failed" for row in ledger) == 11
    summary = enhance(model, demo_photos, tmp_path / "out", max_failed_share=1)
    assert len(summary.failed) == 40


def test_destinations_that_overlap_the_source_are_refused(
    model, plan, demo_photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for destination in (demo_photos, demo_photos / "enhanced", demo_photos.parent):
        with pytest.raises(EnhancementError, match="overlaps the source"):
            plan(model, demo_photos, destination)
    with pytest.raises(EnhancementError, match="overlaps the source"):
        plan(model, demo_photos / "coffee.png", demo_photos)
    monkeypatch.chdir(demo_photos)
    assert len(plan(model, "coffee.png", "enhanced").tasks) == 1
    assert len(plan(model, "*.png", "enhanced").tasks) == 2
    Path("enhanced").mkdir()
    shutil.copy("coffee.png", "enhanced/of-before.png")
    assert len(plan(model, "**/*.png", "enhanced").tasks) == 2, "earlier results are not input of a pattern"


def test_photos_that_no_job_has_made_are_not_written_over(
    model, enhance, demo_photos: Path, tmp_path: Path
) -> None:
    """Protects: a folder of originals given as OUT, which contains photos with the same names."""
    out = tmp_path / "out"
    out.mkdir()
    shutil.copy(demo_photos / "coffee.png", out / "rocket.jpg")
    with pytest.raises(EnhancementError, match=r"out/rocket.jpg: exists already and was not made by wespe"):
        enhance(model, demo_photos, out)
    assert [path.name for path in out.iterdir()] == ["rocket.jpg"]
    assert (out / "rocket.jpg").read_bytes() == (demo_photos / "coffee.png").read_bytes()


def test_results_whose_ledger_is_lost_are_made_again(
    model, enhance, demo_photos: Path, tmp_path: Path
) -> None:
    """Protects: resuming after a kill between a result and its entry; results are known by their EXIF."""
    Image.open(demo_photos / "rocket.jpg").save(demo_photos / "rocket.tif")
    Image.open(demo_photos / "rocket.jpg").save(demo_photos / "flight.webp")
    Image.open(demo_photos / "rocket.jpg").save(demo_photos / "start.avif")
    enhance(model, demo_photos, tmp_path / "out")
    shutil.rmtree(tmp_path / "out/ledger")
    assert enhance(model, demo_photos, tmp_path / "out").done == 6


def test_nothing_is_written_when_the_job_cannot_start(
    model, enhance, demo_photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(EnhancementError, match=r"is a file"):
        enhance(model, demo_photos, tmp_path / "file")
    with pytest.raises(CheckpointError):
        enhance(tmp_path / "empty", demo_photos, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_large_photos_come_first(model, plan, demo_photos: Path, tmp_path: Path) -> None:
    """Protects: the end of a job: no worker is left with the largest photo while others are idle."""
    tasks = plan(model, demo_photos, tmp_path / "out").tasks
    assert [task.pixels for task in tasks] == sorted((task.pixels for task in tasks), reverse=True)
    assert [task.photo for task in tasks] == ["rocket.jpg", "coffee.png", "chelsea.png"]


def test_an_estimate_is_near_what_the_job_takes(
    model, enhance, plan, times, demo_photos: Path, tmp_path: Path
) -> None:
    estimated = estimate(plan(model, demo_photos, tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    enhance(model, demo_photos, tmp_path / "out")
    written = sum((tmp_path / "out" / name).stat().st_size for name in times(tmp_path / "out"))
    assert estimated.bytes == pytest.approx(written, rel=0.3)
    assert 0 < estimated.seconds < 60


def test_a_full_disk_ends_the_job_and_what_was_finished_stays(
    model, enhance, plan, times, demo_photos: Path, tmp_path: Path
) -> None:
    """Protects: hours of work. Uses a real file system with space for only some of the photos."""
    enhance(model, demo_photos, tmp_path / "roomy")
    sizes = [(tmp_path / "roomy" / name).stat().st_size for name in times(tmp_path / "roomy")]
    room, disk = PART_BYTES + sum(sizes) - min(sizes) // 2, tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", disk], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("no right to mount a small disk")
    try:
        with pytest.raises(EnhancementError, match="the disk is full; free some space and run it again"):
            enhance(model, demo_photos, disk / "out")
        finished = times(disk / "out")
        safe = plan(model, demo_photos, disk / "out").finished
        assert 0 < safe <= len(finished) < 3
        assert not list((disk / "out").rglob(".*")), "half a photo was left"

        subprocess.run(["mount", "-o", "remount,size=4m", disk], check=True)
        assert enhance(model, demo_photos, disk / "out").done == 3 - safe
    finally:
        subprocess.run(["umount", disk], check=True)


def test_unfinished_files_of_killed_jobs_are_removed(
    model, enhance, demo_photos: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out/trip"
    out.mkdir(parents=True)
    (out / ".wespe-1.part").touch()
    (out / ".wespe-2.part").touch()
    os.utime(out / ".wespe-1.part", (0, 0))
    enhance(model, demo_photos, tmp_path / "out")
    assert [path.name for path in out.iterdir()] == [".wespe-2.part"], "another may be writing the second"


def test_a_bucket_to_a_bucket(model, enhance, plan, demo_photos: Path, endpoint, monkeypatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    client = boto3.client("s3", region_name="us-east-1")
    client.create_bucket(Bucket="photos")
    for path in demo_photos.iterdir():
        client.upload_file(path, "photos", f"in/trip/{path.name}")
    client.put_object(Bucket="photos", Key="in/../broken.jpg", Body=b"broken")

    summary = enhance(model, "s3://photos/in/", "s3://photos/out")

    assert summary.done == 3
    assert [entry.photo for entry in summary.failed] == ["../broken.jpg"]
    answer = client.get_object(Bucket="photos", Key="out/trip/coffee.png")
    assert answer["ContentType"] == "image/png"
    expected = load_model(model).enhance(read_photo(demo_photos / "coffee.png"))
    np.testing.assert_allclose(decode_photo(answer["Body"].read()), expected, atol=1)
    again = plan(model, "s3://photos/in/", "s3://photos/out")
    assert (len(again.tasks), again.finished) == (1, 3)
    for places in (("s3://photos/in/", "s3://photos/in/out"), ("s3://photos/in", "s3://photos")):
        with pytest.raises(EnhancementError, match="overlaps the source"):
            plan(model, *places)


def test_a_key_cannot_leave_the_destination(
    model, enhance, demo_photos: Path, tmp_path, endpoint, monkeypatch
) -> None:
    """Protects: files outside the destination, from objects with malicious names."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    client = boto3.client("s3", region_name="us-east-1")
    client.create_bucket(Bucket="photos")
    for key in ("in/../../evil.jpg", "in//evil.jpg", "in/x/../rocket.jpg", "in/rocket.jpg"):
        client.upload_file(demo_photos / "rocket.jpg", "photos", key)

    summary = enhance(model, "s3://photos/in/", tmp_path / "deep/out")

    assert summary.done == 1
    assert len(summary.failed) == 3
    assert all("is not a valid path below" in failure.reason for failure in summary.failed)
    assert not list(tmp_path.rglob("evil.jpg"))


def test_photos_with_equal_names_are_numbered(model, enhance, plan, demo_photos, tmp_path) -> None:
    """Protects: IMG_1.png beside IMG_1.jpg once had a whole folder refused; no two photos share a result."""
    folder, out, settings = tmp_path / "phone", tmp_path / "out", Settings(format="jpg")
    folder.mkdir()
    for name in ("IMG_1.png", "IMG_1.jpg", "img_1.JPG", "IMG_2.png"):
        Image.open(demo_photos / "coffee.png").resize((40, 30)).save(folder / name)
    wanted = {"IMG_1.jpg": "IMG_1.jpg", "IMG_1.png": "IMG_1-2.jpg", "img_1.JPG": "img_1-3.jpg"}
    wanted["IMG_2.png"] = "IMG_2.jpg"
    assert {task.photo: task.result for task in plan(model, folder, out, settings=settings).tasks} == wanted
    assert enhance(model, folder, out, settings=settings) == Summary(done=4, failed=())
    assert plan(model, folder, out, settings=settings).finished == 4
    Image.open(folder / "IMG_2.png").save(folder / "IMG_2.jpg")  # the result of the PNG keeps its name
    [task] = plan(model, folder, out, settings=settings).tasks
    assert (task.photo, task.result) == ("IMG_2.jpg", "IMG_2-2.jpg")


def test_unusual_names_and_links_do_not_stop_a_job(
    model, enhance, plan, demo_photos: Path, tmp_path: Path
) -> None:
    """Protects: names of 250 bytes, not UTF-8, with # ? % and a newline, and a broken link."""
    folder, out = tmp_path / "odd", tmp_path / "out"
    folder.mkdir()
    names = [os.fsdecode(b"caf\xe9.jpg"), "a#b?c%41.jpg", "new\nline.jpg", "\N{BEACH WITH UMBRELLA}.jpg"]
    for name in (*names, "x" * 245 + ".png"):
        photo = Image.open(demo_photos / "coffee.png").resize((40, 30))
        photo.save(folder / name, "PNG" if name.endswith("png") else "JPEG")
    (folder / "link.jpg").symlink_to(tmp_path / "gone.jpg")
    summary = enhance(model, folder, out, settings=Settings(format="jpeg"))
    assert summary.done == 5
    assert [(entry.photo, entry.reason[:12]) for entry in summary.failed] == [("link.jpg", "no such file")]
    assert (out / "caf\\xe9.jpeg").is_file()
    assert plan(model, folder, out, settings=Settings(format="jpeg")).finished == 5


def test_dates_can_be_kept(model, demo_photos: Path, tmp_path: Path) -> None:
    """Protects: albums that sort by the date of files."""
    taken_s = 1_000_000_000
    os.utime(demo_photos / "rocket.jpg", (taken_s, taken_s))
    places = [str(demo_photos / "rocket.jpg")], str(tmp_path / "out")
    make = lambda: make_plan(*places, Router(fixed=str(model)), Path, Settings(), keep_dates=True)  # noqa: E731
    carry_out(make(), in_process)
    assert (tmp_path / "out/rocket.jpg").stat().st_mtime == taken_s
    assert make().finished == 1
    with pytest.raises(EnhancementError, match="buckets do not support file dates"):
        make_plan(places[0], "s3://photos/out", Router(fixed=str(model)), Path, Settings(), keep_dates=True)


def test_a_read_only_destination_is_rejected_before_any_work(
    model, plan, demo_photos, tmp_path, monkeypatch
) -> None:
    """Protects: minutes of work whose result cannot be written."""
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(PipelineError, match="is read-only for this user"):
        plan(model, demo_photos, tmp_path / "out")
