"""LeRobot folders: what is written comes back, and lerobot itself reads it; damage is named."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from toy_demos import recorded
from toys import LINE

from vla_bench import store
from vla_bench.actions import DELTA_TCP_POSE
from vla_bench.data import lerobot_format
from vla_bench.data.lerobot_reader import LeRobotFolder
from vla_bench.data.lerobot_statistics import describe
from vla_bench.data.trajectory import DataError, check_fits
from vla_bench.data.video import join_videos, read_frames, write_video
from vla_bench.errors import ConfigError

KEPT = ["walk-00-s0", "walk-02-s0", "walk-03-s0"]
STORAGES = ["video", "png"]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {storage: tmp_path_factory.mktemp(storage) / "toy" for storage in STORAGES}
    for storage, folder in folders.items():
        recorded(folder, images=storage)
    return folders


@pytest.fixture(params=STORAGES)
def recording(request: pytest.FixtureRequest, recordings: dict[str, Path]) -> Path:
    return recordings[request.param]


@pytest.fixture
def copy(recordings: dict[str, Path], tmp_path: Path) -> Path:
    """A folder with videos that a test may damage."""
    return shutil.copytree(recordings["video"], tmp_path / "toy")


def shade(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What the corridor shows at position x."""
    brightness: np.ndarray[Any, Any] = np.clip(40 + 40 * x, 0, 255)
    return brightness


def test_what_was_played_comes_back(recording: Path) -> None:
    dataset = LeRobotFolder(recording)
    run = store.read_run(recording / "rollouts")
    assert [dataset[i].id for i in range(3)] == KEPT
    assert dataset.lengths.tolist() == [5, 5, 5]
    assert dataset.schema.cameras == {"front": (16, 16), "side": (16, 16)}
    assert dataset.schema.state_names == ("x",)
    assert dataset.schema.action_spec == LINE
    assert dataset.schema.control_hz == 5.0
    labels = LeRobotFolder(recording, action="expert_action")
    for i, episode in enumerate(KEPT):
        trajectory = dataset[i]
        actions = run.records[episode].actions
        assert list(trajectory.instructions) == ["walk to the end"] * 5
        np.testing.assert_array_equal(trajectory.actions, actions.astype(np.float32))
        np.testing.assert_array_equal(labels[i].actions, np.tile([[0.5, 1.0]], (5, 1)))
        start = 0.05 * run.records[episode].spec.index
        x = start + np.concatenate([[0.0], np.cumsum(actions[:-1, 0])])
        np.testing.assert_allclose(trajectory.states[:, 0], x, atol=1e-6)
        images = trajectory.images("front", np.arange(5))
        tolerance = 2 if "video" in str(recording) else 0
        shown = np.floor(shade(x)).astype(int)
        np.testing.assert_allclose(images[:, 8, 8, 1], shown, atol=tolerance)


def test_frames_come_in_the_order_asked_for_and_may_repeat(recording: Path) -> None:
    trajectory = LeRobotFolder(recording)[1]
    whole = trajectory.images("side", np.arange(5))
    assert len(np.unique(whole[:, 8, 8, 0])) == 5
    for frames in ([4, 0, 4], [2], [3, 3, 1], [0, 1, 2, 3, 4]):
        np.testing.assert_array_equal(trajectory.images("side", np.array(frames)), whole[frames])


def test_frames_of_a_joined_video_are_those_of_its_parts(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lengths, parts = [3, 1, 7, 4], []
    for i, n in enumerate(lengths):
        frames = [rng.integers(0, 256, (32, 48, 3), dtype=np.uint8) for _ in range(n)]
        parts.append(tmp_path / f"{i}.mp4")
        write_video(parts[-1], frames, rate=3)
    joined = tmp_path / "joined.mp4"
    join_videos(joined, parts, lengths, rate=3)
    whole = read_frames(joined, [i / 3 for i in range(sum(lengths))])
    alone = [read_frames(part, [i / 3 for i in range(n)]) for part, n in zip(parts, lengths)]
    np.testing.assert_array_equal(whole, np.concatenate(alone))


def test_an_encoded_picture_has_the_colours_of_the_original(tmp_path: Path) -> None:
    y, x = np.mgrid[0:64, 0:64] / 64.0
    picture = np.stack([90 + 60 * x, 110 + 50 * y, 100 + 40 * x * y], axis=-1).astype(np.uint8)
    write_video(tmp_path / "a.mp4", [picture] * 2, rate=5)
    error = read_frames(tmp_path / "a.mp4", [0.2])[0].astype(float) - picture
    assert np.abs(error.mean(axis=(0, 1))).max() < 0.5
    assert np.sqrt((error**2).mean()) < 2.0


def test_the_episodes_table_says_where_each_is_and_where_it_came_from(recording: Path) -> None:
    table = pq.read_table(recording / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [row["episode_id"] for row in table] == KEPT
    assert [(r["dataset_from_index"], r["dataset_to_index"]) for r in table] == [
        (0, 5),
        (5, 10),
        (10, 15),
    ]
    assert {row["env"] for row in table} == {"corridor-v0"}
    assert [row["initial_state"] for row in table] == [0, 2, 3]
    assert [row["tasks"] for row in table] == [["walk to the end"]] * 3
    frames = pq.read_table(recording / "data/chunk-000/file-000.parquet").to_pydict()
    assert frames["index"] == list(range(15))
    assert frames["frame_index"] == [0, 1, 2, 3, 4] * 3
    assert frames["episode_index"] == [0] * 5 + [1] * 5 + [2] * 5
    assert frames["next.done"] == [False, False, False, False, True] * 3
    assert frames["next.success"] == frames["next.done"]
    np.testing.assert_allclose(frames["timestamp"], [0, 0.2, 0.4, 0.6, 0.8] * 3, atol=1e-6)
    facts = json.loads((recording / "meta/vla_bench.json").read_text())
    assert facts["dropped"] == ["walk-01-s0"]


def test_statistics_are_exact(recording: Path) -> None:
    found = json.loads((recording / "meta/stats.json").read_text())
    dataset = LeRobotFolder(recording)
    actions = np.concatenate([dataset[i].actions for i in range(3)])
    for name, value in describe(actions).items():
        np.testing.assert_allclose(found["action"][name], value)
    row = pq.read_table(recording / "meta/episodes/chunk-000/file-000.parquet").to_pylist()[1]
    for name, value in describe(dataset[1].actions).items():
        np.testing.assert_allclose(row[f"stats/action/{name}"], value)
    pixels = np.array(found["observation.images.front"]["mean"])
    assert pixels.shape == (3, 1, 1)
    if "png" in str(recording):
        images = [dataset[i].images("front", np.arange(5)) for i in range(3)]
        expected = np.concatenate(images).mean(axis=(0, 1, 2)) / 255.0
        np.testing.assert_allclose(pixels.ravel(), expected)


def test_many_small_files_hold_the_same(
    recordings: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lerobot_format, "DATA_FILE_MB", 1e-5)
    monkeypatch.setattr(lerobot_format, "VIDEO_FILE_MB", 1e-5)
    monkeypatch.setattr(lerobot_format, "FILES_PER_CHUNK", 2)
    recorded(tmp_path / "small")
    names = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.parquet")}
    assert "small/data/chunk-001/file-000.parquet" in names
    assert len(list(tmp_path.rglob("*.mp4"))) == 6
    small, large = LeRobotFolder(tmp_path / "small"), LeRobotFolder(recordings["video"])
    for i in range(3):
        np.testing.assert_array_equal(small[i].actions, large[i].actions)
        for camera in ("front", "side"):
            frames = np.arange(5)
            images = small[i].images(camera, frames)
            np.testing.assert_array_equal(images, large[i].images(camera, frames))


LEROBOT_READS = """
import json, sys
from lerobot.datasets.lerobot_dataset import LeRobotDataset
found = {}
for backend in ("pyav", "torchcodec"):
    data = LeRobotDataset("local/toy", root=sys.argv[1], video_backend=backend,
                          delta_timestamps={"action": [0.0, 0.2, 0.4]})
    items = [data[i] for i in range(len(data))]
    found[backend] = {
        "n_episodes": data.num_episodes,
        "shade": [float(item["observation.images.front"][1, 8, 8]) * 255 for item in items],
        "state": [float(item["observation.state"]) for item in items],
        "action": [item["action"].tolist() for item in items],
        "task": sorted({item["task"] for item in items}),
        "mean": data.meta.stats["action"]["mean"].tolist(),
    }
print(json.dumps(found))
"""


def test_lerobot_itself_reads_the_same(recording: Path, tmp_path: Path) -> None:
    python = os.environ.get("VLA_BENCH_LEROBOT_PYTHON")
    if python is None:
        pytest.skip("VLA_BENCH_LEROBOT_PYTHON names no interpreter that has lerobot")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    environment.pop("PYTHONPATH")
    done = subprocess.run(
        [python, "-W", "ignore", "-c", LEROBOT_READS, str(recording)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ours = LeRobotFolder(recording)
    states = np.concatenate([ours[i].states[:, 0] for i in range(3)])
    for found in json.loads(done.stdout.splitlines()[-1]).values():
        assert found["n_episodes"] == 3
        assert found["task"] == ["walk to the end"]
        np.testing.assert_allclose(found["state"], states, rtol=1e-6)
        np.testing.assert_allclose(found["shade"], shade(states), atol=2.0)
        np.testing.assert_allclose(found["action"][4], [ours[0].actions[4]] * 3, rtol=1e-6)
        np.testing.assert_allclose(found["action"][5], ours[1].actions[:3], rtol=1e-6)


@pytest.fixture
def version_2(recording: Path, tmp_path: Path) -> Path:
    """The recording in the layout of version 2.1."""
    new, storage = LeRobotFolder(recording), recording.parent.name[:3]
    old = tmp_path / "old"
    info = json.loads((recording / "meta/info.json").read_text())
    info["codebase_version"] = "v2.1"
    info["data_path"] = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
    info["video_path"] = (
        "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
    )
    for feature in info["features"].values():
        if feature["dtype"] == "float32" and feature["names"] is not None:
            feature["names"] = {"motors": feature["names"]}  # as many data sets out there
    table = pq.read_table(recording / "data/chunk-000/file-000.parquet")
    for i in range(3):
        part = table.slice(5 * i, 5)
        path = old / info["data_path"].format(episode_chunk=0, episode_index=i)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(part, path)
        for camera in ("front", "side") if storage == "vid" else ():
            key = f"observation.images.{camera}"
            path = old / info["video_path"].format(episode_chunk=0, episode_index=i, video_key=key)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_video(path, list(new[i].images(camera, np.arange(5))), rate=5)
    (old / "meta").mkdir()
    rows = [{"episode_index": i, "tasks": ["walk to the end"], "length": 5} for i in (2, 0, 1)]
    (old / "meta/info.json").write_text(json.dumps(info))
    (old / "meta/episodes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (old / "meta/tasks.jsonl").write_text('{"task_index": 0, "task": "walk to the end"}\n')
    return old


def test_version_2_1_reads_the_same(recording: Path, version_2: Path) -> None:
    new, old = LeRobotFolder(recording), LeRobotFolder(version_2)
    assert replace(old.schema, action_spec=LINE) == new.schema
    for i in range(3):
        assert old[i].id == f"episode {i}"
        assert list(old[i].instructions) == list(new[i].instructions)
        np.testing.assert_array_equal(old[i].actions, new[i].actions)
        np.testing.assert_array_equal(old[i].states, new[i].states)
        ours, theirs = (d[i].images("front", np.array([4, 1])).astype(int) for d in (old, new))
        assert np.abs(ours - theirs).max() <= 3  # encoded once more


def message(folder: Path) -> str:
    """What is wrong with a folder that cannot be opened."""
    with pytest.raises(DataError) as raised:
        LeRobotFolder(folder)
    return str(raised.value)


def message_of_reading(folder: Path) -> str:
    """What is wrong with a folder that can be opened, but not read."""
    dataset = LeRobotFolder(folder)
    with pytest.raises(DataError) as raised:
        _ = [dataset[i].images("front", np.arange(5)) for i in range(len(dataset.lengths))]
    return str(raised.value)


def test_a_folder_without_a_data_set_says_what_to_do(tmp_path: Path) -> None:
    assert message(tmp_path).startswith(f"{tmp_path} is not a LeRobot data set: it has no meta/")


def test_an_unknown_version_lists_the_known_ones(copy: Path) -> None:
    path = copy / "meta/info.json"
    path.write_text(path.read_text().replace('"v3.0"', '"v1.6"'))
    assert message(copy) == f"{path}: version 'v1.6', expected v2.1 or v3.0."


def test_a_missing_video_is_named_with_its_episode(copy: Path) -> None:
    file = "videos/observation.images.side/chunk-000/file-000.mp4"
    (copy / file).unlink()
    assert message(copy) == (
        f"{copy}: episode 0 (walk-00-s0) needs its side file {file}, which is missing. "
        "Download it again."
    )


def test_an_empty_episode_is_named(copy: Path) -> None:
    path = copy / "meta/episodes/chunk-000/file-000.parquet"
    frame = pd.read_parquet(path)
    frame.loc[1, "length"] = 0
    frame.to_parquet(path)
    assert "episode 1 (walk-02-s0) is empty: length 0" in message(copy)


def test_rows_of_another_episode_are_noticed(copy: Path) -> None:
    path = copy / "data/chunk-000/file-000.parquet"
    pq.write_table(pq.read_table(path).slice(0, 12), path)
    assert message_of_reading(copy) == (
        f"{path}: expected episode 2 (walk-03-s0) in rows 10..14, found episodes [2] in 2 rows."
    )


def test_a_damaged_table_is_named(copy: Path) -> None:
    path = copy / "data/chunk-000/file-000.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    assert message_of_reading(copy).startswith(f"{path} cannot be read: ")


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("info.json", '{"codebase_version": "v3.0", ', "found: Expecting property name"),
        ("info.json", "[]", "found: 'list' object"),
        ("info.json", '{"codebase_version": "v3.0", "fps": 5}', "found: no 'features'"),
        ("tasks.parquet", "no table", "expected a parquet file, found: "),
        ("vla_bench.json", "{}", "expected a JSON object with an action_spec"),
    ],
)
def test_a_damaged_description_is_named(name: str, text: str, found: str, copy: Path) -> None:
    path = copy / "meta" / name
    path.write_text(text)
    said = message(copy)
    assert said.startswith(f"{path} cannot be read: expected ")
    assert found in said
    assert said.endswith("Copy or download it again.")


def test_a_damaged_page_of_images_names_its_file(
    recordings: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(recordings["png"], tmp_path / "toy")
    path = folder / "data/chunk-000/file-000.parquet"
    group = pq.ParquetFile(path).metadata.row_group(0)
    columns = [group.column(i) for i in range(group.num_columns)]
    images = next(c for c in columns if c.path_in_schema == "observation.images.front.bytes")
    data = bytearray(path.read_bytes())
    first = images.dictionary_page_offset or images.data_page_offset
    data[first : first + images.total_compressed_size] = b"\xff" * images.total_compressed_size
    path.write_bytes(data)
    expected = f"{path} cannot be read: expected a parquet file with images 'observation.images."
    assert message_of_reading(folder).startswith(expected)


def test_an_action_that_a_folder_lacks_is_refused_with_what_to_type(copy: Path) -> None:
    path = copy / "meta/info.json"
    info = json.loads(path.read_text())
    del info["features"]["expert_action"]
    path.write_text(json.dumps(info))
    with pytest.raises(ConfigError) as raised:
        LeRobotFolder(copy, action="expert_action")
    assert str(raised.value) == (
        f"{copy} has no action column 'expert_action', it has: action. Only what `vla-bench demos` "
        "recorded has expert_action. Type action=action"
    )


def test_a_column_of_another_width_is_named(copy: Path) -> None:
    path = copy / "meta/info.json"
    info = json.loads(path.read_text())
    info["features"]["action"]["shape"] = [3]
    path.write_text(json.dumps(info))
    assert "expected 3 numbers per frame in column 'action'" in message_of_reading(copy)


def test_a_task_without_text_is_named(copy: Path) -> None:
    pd.DataFrame({"task_index": [0]}, index=[""]).to_parquet(copy / "meta/tasks.parquet")
    assert "episode 0 has task 0, for which meta/tasks has no text" in message_of_reading(copy)


def test_a_video_that_ends_early_names_the_frame(copy: Path) -> None:
    path = copy / "videos/observation.images.front/chunk-000/file-000.mp4"
    write_video(path, [np.zeros((16, 16, 3), np.uint8)] * 7, rate=5)
    assert message_of_reading(copy).startswith(f"{path}: frame 7 (at 1.4 s) cannot be read: ")


def test_a_corrupt_frame_is_named_not_painted_over(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(8)]
    path = tmp_path / "noise.mp4"
    write_video(path, frames, rate=5)
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat")
    middle = start + (len(data) - start) // 2
    data[middle : middle + 2000] = bytes(2000)
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"noise\.mp4: frame \d+ \(at \d\.?\d* s\) cannot be read"):
        read_frames(path, [i / 5 for i in range(8)])


def test_a_frame_that_is_predicted_from_a_corrupt_one_is_refused_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "noise.mp4"
    write_video(path, [rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(4)], rate=5)
    with av.open(str(path)) as container:
        key_frame = [packet for packet in container.demux(video=0) if packet.size][2]
        assert key_frame.is_keyframe
        start, size = (key_frame.pos or 0) + key_frame.size // 4, key_frame.size // 2
    data = bytearray(path.read_bytes())
    data[start : start + size] = rng.bytes(size)
    path.write_bytes(data)
    assert len(read_frames(path, [0.0, 0.2])) == 2
    with pytest.raises(DataError, match=r"noise\.mp4: frame 2 \(at 0\.4 s\) cannot be read"):
        read_frames(path, [0.6])


def test_a_corrupt_stored_image_names_its_row(recordings: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(recordings["png"], tmp_path / "toy")
    path = folder / "data/chunk-000/file-000.parquet"
    table = pq.read_table(path)
    key = "observation.images.front"
    cells = table.column(key).to_pylist()
    cells[7]["bytes"] = b"no picture"
    pq.write_table(table.set_column(0, key, [cells]), path)
    text = message_of_reading(folder)
    assert text.startswith(f"{path}: the image '{key}' in row 7 cannot be read: ")


def test_a_video_of_another_size_is_named(copy: Path) -> None:
    path = copy / "videos/observation.images.front/chunk-000/file-000.mp4"
    write_video(path, [np.zeros((32, 16, 3), np.uint8)] * 15, rate=5)
    assert message_of_reading(copy) == (
        "toy, walk-00-s0, camera front: expected images of (16, 16) (height, width), got (32, 16)."
    )


def test_an_odd_image_size_points_to_png(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"even width and height, got 16x15\. Store PNG images"):
        write_video(tmp_path / "a.mp4", [np.zeros((15, 16, 3), np.uint8)], rate=5)


def test_an_unknown_action_feature_gets_the_nearest(recording: Path) -> None:
    with pytest.raises(ConfigError, match=r"'exprt_action', it has: .* Type action=expert_action$"):
        LeRobotFolder(recording, action="exprt_action")


def test_a_data_set_that_does_not_fit_shows_the_difference(
    recording: Path, version_2: Path
) -> None:
    ours, foreign = LeRobotFolder(recording), LeRobotFolder(version_2)
    check_fits(ours, LINE, ["front"])
    check_fits(foreign, LINE, ["front"])
    with pytest.raises(ConfigError, match="Unknown camera of data set toy 'wrist'"):
        check_fits(ours, LINE, ["wrist"])
    with pytest.raises(DataError, match=r"(?s)disagree .*column 1: gripper_open .* \| y "):
        check_fits(ours, DELTA_TCP_POSE, ["front"])
    with pytest.raises(DataError, match=r"expected actions with 7 columns .*, got 2 \(x, gripper_"):
        check_fits(foreign, DELTA_TCP_POSE, ["front"])
