"""Random crops of pairs: the same ground on both dates, every place, turned and mirrored."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor
from training.crops import Crops, Lesson

from training import crops

SIDE = 16
HEIGHT, WIDTH = 60, 90


@pytest.fixture(autouse=True)
def plain_colors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Colors as they are in the scene, so that they tell where a pixel is from."""
    monkeypatch.setattr(crops, "jitter", lambda images, _random: images)


def charted(height: int = HEIGHT, width: int = WIDTH, name: float = 0.0) -> Lesson:
    """Its red is the row, its green the column; blue is the date, the target the row's parity."""
    rows, cols = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    one, other = (
        torch.stack([rows, cols, torch.full_like(rows, date)]).float() + name for date in (0, 1)
    )
    return Lesson(one, other, (rows % 2).float())


def drawn(
    count: int,
    *,
    scenes: tuple[Lesson, ...] | None = None,
    zoom: tuple[float, float] = (1.0, 1.0),
    same: float = 0.0,
    seed: int = 0,
) -> Lesson:
    random = torch.Generator().manual_seed(seed)
    made = Crops(scenes or (charted(),), side=SIDE, zoom=zoom, same=same, random=random)
    return made.draw(count)


def test_both_dates_of_a_crop_show_the_same_ground() -> None:
    t1, t2, _ = drawn(50, zoom=(0.5, 1.5))
    torch.testing.assert_close(t1[:, :2], t2[:, :2])
    torch.testing.assert_close(t1[:, 2], torch.zeros_like(t1[:, 2]))
    torch.testing.assert_close(t2[:, 2], torch.ones_like(t2[:, 2]))


def test_crops_are_what_scipy_interpolates_there() -> None:
    scene = charted()
    values = torch.rand(HEIGHT, WIDTH, generator=torch.Generator().manual_seed(3))
    scene.t1[2] = values
    t1, _, target = drawn(20, scenes=(scene,), zoom=(0.5, 1.5))
    for crop, known in zip(t1.numpy(), target.numpy(), strict=True):
        rows, cols, found = crop
        inside = (rows > 0) & (rows < HEIGHT - 1) & (cols > 0) & (cols < WIDTH - 1)
        expected = ndimage.map_coordinates(values.numpy(), [rows, cols], order=1)
        np.testing.assert_allclose(found[inside], expected[inside], atol=1e-4)
        # Halfway between two rows either is the nearest.
        sure = inside & (np.abs(rows % 1 - 0.5) > 1e-3)
        np.testing.assert_array_equal(known[sure], np.round(rows[sure]) % 2)


@pytest.mark.parametrize("zoom", [(1.0, 1.0), (0.5, 0.5), (0.6, 1.2)])
def test_pixels_of_a_crop_are_as_far_apart_as_its_zoom_says(zoom: tuple[float, float]) -> None:
    rows, cols = drawn(60, zoom=zoom)[0][:, :2].unbind(1)
    middle = SIDE // 2
    down = torch.hypot(rows.diff(dim=1), cols.diff(dim=1))[:, middle, middle]
    across = torch.hypot(rows.diff(dim=2), cols.diff(dim=2))[:, middle, middle]
    torch.testing.assert_close(across, down, atol=1e-3, rtol=0)
    assert (down >= zoom[0] - 1e-3).all()
    assert (down <= zoom[1] + 1e-3).all()
    assert down.std() >= 0.2 * (zoom[1] - zoom[0])


def test_crops_lie_everywhere_in_the_scene_and_nowhere_else() -> None:
    rows, cols = drawn(500)[0][:, :2].unbind(1)
    for values, side in ((rows, HEIGHT), (cols, WIDTH)):
        assert values.min() >= 0
        assert values.min() < 1
        assert values.max() <= side - 1
        assert values.max() > side - 2
        middles = values.mean(dim=(1, 2))
        first_half = (middles < side / 2).float().mean()
        assert 0.35 < first_half < 0.65


def test_crops_are_turned_and_mirrored_in_all_eight_ways() -> None:
    rows, cols = drawn(100)[0][:, :2].unbind(1)
    ways = {
        tuple(
            int(torch.sign(torch.round(step)))
            for values in (row, col)
            for step in (values[-1, 0] - values[0, 0], values[0, -1] - values[0, 0])
        )
        for row, col in zip(rows, cols, strict=True)
    }
    assert len(ways) == 8


def test_a_share_of_crops_shows_one_date_twice_half_a_pixel_apart_in_other_light() -> None:
    t1, t2, target = drawn(400, same=0.25)
    one, other = t1[:, 2].mean(dim=(1, 2)).round(), t2[:, 2].mean(dim=(1, 2)).round()
    same = (one == 1) | (other == 0)
    assert same.float().mean() == pytest.approx(0.25, abs=0.06)
    assert {*one[same].tolist()} == {0, 1}
    assert (target[same] == 0).all()
    assert (target[~same] == 1).any()
    second = same & (one == 1)  # blue was 1 everywhere: what it is now is the light
    light = t2[second][:, 2:]
    assert light.std(dim=(1, 2, 3)).min() > 0.01
    apart = (t2[second] / light - t1[second])[:, :2].flatten(2).median(dim=2).values
    assert 0.2 < apart.std() < 0.6


def test_large_scenes_are_drawn_as_often_as_their_sides_are_long() -> None:
    scenes = (charted(40, 40, name=0.0), charted(120, 120, name=1000.0))
    large = drawn(800, scenes=scenes)[0][:, 0].amin(dim=(1, 2)) >= 1000
    assert large.float().mean() == pytest.approx(0.75, abs=0.05)


def test_the_seed_decides_what_is_drawn() -> None:
    def joined(seed: int) -> Tensor:
        return torch.cat([each.flatten() for each in drawn(5, same=0.5, seed=seed)])

    assert torch.equal(joined(0), joined(0))
    assert not torch.equal(joined(0), joined(1))


def test_every_device_sees_the_same_crops(gpu: str) -> None:
    one, other = (
        Crops(
            [charted()],
            side=SIDE,
            zoom=(0.6, 1.2),
            same=0.25,
            random=torch.Generator().manual_seed(0),
            device=device,
        ).draw(50)
        for device in ("cpu", gpu)
    )
    torch.testing.assert_close(other.t1.cpu(), one.t1, atol=1e-3, rtol=1e-4)
    torch.testing.assert_close(other.t2.cpu(), one.t2, atol=1e-3, rtol=1e-4)
