"""Keyframes, data sets one after the other, and frames that are prepared once."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from clip_toys import SCHEMA, Clips, Unreadable

from vla_bench.data.concatenated import Concatenated
from vla_bench.data.frame_cache import CachedDataset
from vla_bench.data.image_ops import resize_lanczos3
from vla_bench.data.keyframes import gripper_column, keyframes, next_keyframes
from vla_bench.data.loader import Samples
from vla_bench.data.trajectory import DataError, Images, Vectors
from vla_bench.data.view import View, Viewed
from vla_bench.data.windows import Window
from vla_bench.errors import ConfigError
from vla_bench.policies.training.data import Recorded


def _grips(*commands: float) -> Vectors:
    actions = np.zeros((len(commands), 7), np.float32)
    actions[:, 6] = commands
    return actions


def test_a_keyframe_is_where_the_gripper_is_told_something_else() -> None:
    assert gripper_column(SCHEMA) == 6
    assert keyframes(_grips(1, 1, 0, 0, 0.1, 1, 1), 6).tolist() == [2, 5]


def test_each_frame_looks_to_the_next_keyframe_and_the_last_ones_to_the_end() -> None:
    assert next_keyframes(_grips(1, 1, 0, 0, 1, 1, 1), 6).tolist() == [2, 2, 4, 4, 6, 6, 6]


def test_without_a_gripper_column_there_are_no_keyframes() -> None:
    with pytest.raises(DataError, match=r"'gripper_open'; there are: x, y\.$"):
        gripper_column(replace(SCHEMA, action_names=("x", "y")))


def test_data_sets_one_after_the_other_keep_their_order() -> None:
    first, second = Clips("a", 0), Clips("b", 1)
    joined = Concatenated([first, second])
    assert joined.name == "a+b"
    assert joined.lengths.tolist() == [4, 6, 4, 6]
    assert [joined[i].id for i in range(4)] == ["a-0", "a-1", "b-0", "b-1"]


def test_data_sets_that_differ_cannot_be_joined() -> None:
    other = Clips("b", 1)
    other.schema = replace(SCHEMA, control_hz=3.0)
    with pytest.raises(DataError, match=r"a and b cannot .* control_hz differ: 5\.0 and 3\.0"):
        Concatenated([Clips("a", 0), other])


def test_cached_frames_are_the_resized_ones_and_are_prepared_once(tmp_path: Path) -> None:
    clips = Clips("a", 0)
    cached = CachedDataset(clips, {"front": View(8, 10)}, tmp_path, 2)
    again = CachedDataset(Unreadable("a", 0), {"front": View(8, 10)}, tmp_path, 2)
    for dataset in (cached, again):
        assert dataset.schema.cameras == {"front": (8, 10)}
        for i, clip in enumerate(clips.clips):
            expected = np.stack([resize_lanczos3(image, 8, 10) for image in clip.pixels])
            frames = np.array([2, 0, 2])
            np.testing.assert_array_equal(dataset[i].images("front", frames), expected[frames])
            np.testing.assert_array_equal(dataset[i].actions, clip.actions)


def test_a_view_is_the_same_part_of_every_image_cached_or_not(tmp_path: Path) -> None:
    clips = Clips("a", 0)
    views = {"front": View(4, 5, (0.5, 0.25, 1.0, 0.75))}
    height, width = clips.clips[0].pixels.shape[1:3]
    part = np.s_[round(height * 0.5) :, round(width * 0.25) : round(width * 0.75)]
    expected = np.stack([resize_lanczos3(image[part], 4, 5) for image in clips.clips[0].pixels])
    for dataset in (Viewed(clips, views), CachedDataset(clips, views, tmp_path, 1)):
        assert dataset.schema.cameras == {"front": (4, 5)}
        images = dataset[0].images("front", np.arange(len(expected)))
        np.testing.assert_array_equal(images, expected)
    CachedDataset(clips, {"front": View(4, 5)}, tmp_path, 1)
    assert len(list(tmp_path.glob("*.npy"))) == 2  # another part, another file


@pytest.mark.parametrize("box", [(0.5, 0.0, 0.5, 1.0), (0.0, -0.1, 1.0, 1.0), (0.0, 0.0, 1.0, 2.0)])
def test_a_view_of_no_part_is_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(ConfigError, match=r"\[top, left, bottom, right\], fractions"):
        View(8, 8, box)


def test_a_view_of_less_than_a_pixel_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"\[0\.0, 0\.0, 0\.01, 1\.0\] of an image of 20 x 30"):
        View(8, 8, (0.0, 0.0, 0.01, 1.0))(Clips("a", 0)[0].pixels[0])


def test_another_recording_of_the_same_shape_has_frames_of_its_own(tmp_path: Path) -> None:
    CachedDataset(Clips("a", 0), {"front": View(8, 10)}, tmp_path, 1)
    other = CachedDataset(Clips("a", 1), {"front": View(8, 10)}, tmp_path, 1)
    expected = resize_lanczos3(Clips("a", 1)[0].pixels[0], 8, 10)
    np.testing.assert_array_equal(other[0].images("front", np.array([0]))[0], expected)
    assert len(list(tmp_path.glob("*.npy"))) == 2


@pytest.mark.parametrize("episode", [0, 1])
def test_the_same_recording_rendered_otherwise_has_frames_of_its_own(
    episode: int, tmp_path: Path
) -> None:
    CachedDataset(Clips("a", 0), {"front": View(8, 10)}, tmp_path, 1)
    darker = Clips("a", 0)
    clip = darker.clips[episode]
    darker.clips[episode] = replace(clip, pixels=clip.pixels // 2)
    cached = CachedDataset(darker, {"front": View(8, 10)}, tmp_path, 1)
    expected = resize_lanczos3(darker[episode].pixels[3], 8, 10)
    np.testing.assert_array_equal(cached[episode].images("front", np.array([3]))[0], expected)


def test_frames_that_failed_halfway_are_not_taken_for_whole(tmp_path: Path) -> None:
    with pytest.raises(IndexError):
        CachedDataset(Unreadable("a", 0), {"front": View(8, 10)}, tmp_path, 1)
    cached = CachedDataset(Clips("a", 0), {"front": View(8, 10)}, tmp_path, 1)
    assert cached[1].images("front", np.array([5])).any()


def test_frames_of_a_killed_process_are_prepared_anew(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from clip_toys import Clips
from vla_bench.data.frame_cache import CachedDataset
from vla_bench.data.view import View

def die_at_the_second(clip):
    if clip == "a-1":
        os.kill(os.getpid(), signal.SIGKILL)

CachedDataset(Clips("a", 0, die_at_the_second), {"front": View(8, 10)}, Path(sys.argv[1]), 1)
"""
    died = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert died.returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob("*.partial"))) == 1
    assert not list(tmp_path.glob("*.npy"))
    clips = Clips("a", 0)
    cached = CachedDataset(clips, {"front": View(8, 10)}, tmp_path, 1)
    for i, clip in enumerate(clips.clips):
        expected = [resize_lanczos3(image, 8, 10) for image in clip.pixels]
        np.testing.assert_array_equal(cached[i].images("front", np.arange(len(expected))), expected)
    assert not list(tmp_path.glob("*.partial"))


def test_of_those_who_ask_at_once_one_prepares_the_frames(tmp_path: Path) -> None:
    asked: list[str] = []
    together = Barrier(3)

    def look(clip: str) -> None:
        asked.append(clip)
        time.sleep(0.05)

    def build(_: int) -> Images:
        together.wait()
        cached = CachedDataset(Clips("a", 0, look), {"front": View(8, 10)}, tmp_path, 1)
        return cached[1].images("front", np.arange(6))

    with ThreadPoolExecutor(3) as pool:
        frames = list(pool.map(build, range(3)))
    assert asked == ["a-0", "a-1"]
    assert all(np.array_equal(frames[0], other) for other in frames)


def test_only_the_used_frames_are_anybodys_current_one() -> None:
    samples = Samples(
        Clips("a", 0), np.arange(2), Window.of_chunk(1, 3), [], n_used=np.array([1, 2])
    )
    assert [(samples[i].episode, samples[i].frame) for i in range(len(samples))] == [
        (0, 0),
        (1, 0),
        (1, 1),
    ]
    assert not samples[2].is_padding.any()


def test_each_of_several_data_sets_has_frames_of_its_own(tmp_path: Path) -> None:
    views = {"front": View(8, 10)}
    first, second = Clips("a", 0), Clips("b", 1)
    alone = Recorded(first, first, cache=str(tmp_path)).at_views(views)
    joined = Concatenated([Unreadable("a", 0), second])
    both = Recorded(joined, joined, cache=str(tmp_path)).at_views(views)
    assert len(list(tmp_path.glob("*.npy"))) == 2
    for i in range(2):
        frames = np.array([0, 1])
        np.testing.assert_array_equal(
            both[i].images("front", frames), alone[i].images("front", frames)
        )
    assert both.lengths.tolist() == [4, 6, 4, 6]
