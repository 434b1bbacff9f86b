from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.color import hsv2rgb, rgb2hsv

from metriccd.nets.augmentation import jitter, luma, rotate_hue

OFF = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0, "noise": 0.0}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def rgb() -> torch.Tensor:
    """Two images with values well inside [0, 1], so that mild changes are not cut."""
    return 0.3 + 0.4 * torch.rand(2, 3, 16, 12, generator=seeded(9))


@pytest.fixture
def grey() -> torch.Tensor:
    return (0.3 + 0.4 * torch.rand(2, 1, 8, 8, generator=seeded(9))).expand(2, 3, 8, 8)


def test_zero_strength_is_the_identity(rgb: torch.Tensor) -> None:
    torch.testing.assert_close(jitter(rgb, seeded(), **OFF), rgb, rtol=0, atol=1e-6)


def test_same_generator_state_gives_the_same_copies(rgb: torch.Tensor) -> None:
    assert torch.equal(jitter(rgb, seeded(3)), jitter(rgb, seeded(3)))
    assert not torch.equal(jitter(rgb, seeded(3)), jitter(rgb, seeded(4)))


def test_global_generator_is_untouched(rgb: torch.Tensor) -> None:
    before = torch.get_rng_state()
    jitter(rgb, seeded())
    assert torch.equal(torch.get_rng_state(), before)


def test_each_image_of_a_batch_draws_its_own_factors(rgb: torch.Tensor) -> None:
    twins = rgb[:1].expand(2, -1, -1, -1)
    first, second = jitter(twins, seeded(), **OFF | {"brightness": 0.2})
    assert not torch.allclose(first, second)


def test_result_stays_in_range_at_full_strength() -> None:
    rgb = torch.rand(4, 3, 8, 8, generator=seeded())
    strong = jitter(rgb, seeded(1), brightness=1, contrast=1, saturation=1, hue=0.5, noise=0.5)
    assert strong.min() == 0
    assert strong.max() == 1


def test_brightness_is_one_factor_an_image_within_its_bounds(rgb: torch.Tensor) -> None:
    factors = jitter(rgb, seeded(), **OFF | {"brightness": 0.2}) / rgb
    for factor in factors:
        torch.testing.assert_close(factor, torch.full_like(factor, float(factor.mean())))
        assert 0.8 <= factor.mean() <= 1.2


def test_contrast_keeps_the_mean_luma_and_scales_the_deviations_from_it(
    rgb: torch.Tensor,
) -> None:
    changed = jitter(rgb, seeded(), **OFF | {"contrast": 0.2})
    mean = luma(rgb).mean(dim=(2, 3), keepdim=True)
    torch.testing.assert_close(luma(changed).mean(dim=(2, 3), keepdim=True), mean)
    ratio = (changed - mean).std(dim=(1, 2, 3)) / (rgb - mean).std(dim=(1, 2, 3))
    assert torch.all((ratio - 1).abs() <= 0.2)
    assert torch.all((ratio - 1).abs() > 1e-3)


def test_saturation_keeps_the_luma_and_changes_color(rgb: torch.Tensor) -> None:
    changed = jitter(rgb, seeded(), **OFF | {"saturation": 0.2})
    torch.testing.assert_close(luma(changed), luma(rgb))
    assert not torch.allclose(changed, rgb, atol=1e-3)


def test_saturation_and_hue_leave_grey_pixels_alone(grey: torch.Tensor) -> None:
    changed = jitter(grey, seeded(), **OFF | {"saturation": 0.5, "hue": 0.5})
    torch.testing.assert_close(changed, grey, rtol=0, atol=1e-6)


def test_noise_has_its_standard_deviation_and_no_mean() -> None:
    flat = torch.full((1, 3, 128, 128), 0.5)
    grain = jitter(flat, seeded(), **OFF | {"noise": 0.02}) - flat
    # 49,152 samples: the deviation is known to 0.3 %, the mean to 0.0001
    assert grain.std().item() == pytest.approx(0.02, rel=0.02)
    assert grain.mean().item() == pytest.approx(0, abs=5e-4)


def test_luma_equals_bt601_by_hand() -> None:
    # 0.299 · 1 + 0.587 · 0.5 + 0.114 · 0.25 = 0.621
    pixel = torch.tensor([1.0, 0.5, 0.25]).view(1, 3, 1, 1)
    assert luma(pixel).item() == pytest.approx(0.621)


@pytest.mark.parametrize("turns", [1 / 3, -1 / 3])
def test_hue_rotation_by_thirds_equals_scikit_image_hsv(rgb: torch.Tensor, turns: float) -> None:
    image = rgb[0].permute(1, 2, 0).double().numpy()
    hsv = rgb2hsv(image)
    hsv[..., 0] = (hsv[..., 0] + turns) % 1
    expected = torch.from_numpy(hsv2rgb(hsv)).permute(2, 0, 1)[None]
    rotated = rotate_hue(rgb[:1].double(), torch.tensor([turns], dtype=torch.float64))
    torch.testing.assert_close(rotated, expected)


def test_hue_rotation_keeps_mean_and_chroma_and_adds_up(rgb: torch.Tensor) -> None:
    turns = torch.tensor([0.05, -0.13])
    rotated = rotate_hue(rgb, turns)
    torch.testing.assert_close(rotated.mean(dim=1), rgb.mean(dim=1))
    torch.testing.assert_close(rotated.norm(dim=1), rgb.norm(dim=1))
    torch.testing.assert_close(rotate_hue(rotated, -turns), rgb)


def test_small_hue_rotation_turns_the_way_of_hsv() -> None:
    # red towards yellow: green rises, as the HSV hue does
    red = torch.tensor([0.8, 0.2, 0.2]).view(1, 3, 1, 1)
    rotated = rotate_hue(red, torch.tensor([0.05])).flatten().numpy()
    assert rgb2hsv(rotated[None, None])[0, 0, 0] == pytest.approx(0.05, abs=0.005)
    assert np.argmin(rotated) == 2


def test_negative_strength_is_refused(rgb: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="jitter strengths must be 0 or more"):
        jitter(rgb, seeded(), hue=-0.1)
