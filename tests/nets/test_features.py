from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from skimage.io import imread
from torch import nn
from torch.nn import functional

from metriccd.errors import WeightsError
from metriccd.nets.features import Vgg16, load_extractor
from metriccd.nets.weight_files import IMAGENET_BGR, IMAGENET_RGB, VGG16_CONVOLUTIONS, Preprocessing

ORIGINAL = "vgg16-imagenet-block1-2.npz"


def image(rows: int = 20, cols: int = 23, seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 3, rows, cols, generator=torch.Generator().manual_seed(seed))


class TestVgg16:
    def test_levels_have_the_channels_and_sizes_of_the_published_network(self) -> None:
        maps = Vgg16((1, 2, 3, 4))(image(35, 42))
        assert [tuple(m.shape) for m in maps] == [
            (1, 64, 35, 42),
            (1, 128, 17, 21),
            (1, 256, 8, 10),
            (1, 512, 4, 5),
        ]

    def test_only_the_layers_needed_are_built(self) -> None:
        # conv1_1, conv1_2 of the published network: 1,792 + 36,928 parameters
        assert sum(p.numel() for p in Vgg16((1,)).parameters()) == 1_792 + 36_928
        # the ten convolutions up to conv4_3: 7,635,264
        assert sum(p.numel() for p in Vgg16((4,)).parameters()) == 7_635_264

    def test_asking_for_some_levels_gives_the_same_maps_as_asking_for_all(self) -> None:
        whole = Vgg16((1, 2, 3))(image())
        (third,) = Vgg16((3,))(image())
        assert torch.equal(third, whole[2])
        assert torch.equal(Vgg16((1, 3))(image())[0], whole[0])

    @pytest.mark.parametrize("levels", [(), (0, 1), (2, 1), (1, 1), (5,)])
    def test_other_levels_are_refused(self, levels: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match="levels must be increasing numbers of 1 to 4: got"):
            Vgg16(levels)

    def test_preprocessing_is_the_weights_own(self) -> None:
        bgr = Preprocessing(order="bgr", scale=255.0, mean=(1.0, 2.0, 3.0), std=(1.0, 2.0, 4.0))
        net = Vgg16((1,), preprocessing=bgr)
        red, green, blue = 0.2, 0.4, 0.6
        pixel = torch.tensor([red, green, blue]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
        # blue first: (0.6 · 255 − 1)/1 = 152, (0.4 · 255 − 2)/2 = 50, (0.2 · 255 − 3)/4 = 12
        seen = torch.tensor([152.0, 50.0, 12.0]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
        kernels = net.convolutions
        expected = functional.relu(kernels["conv1_2"](functional.relu(kernels["conv1_1"](seen))))
        torch.testing.assert_close(net(pixel)[0], expected)

    def test_both_conventions_of_centering_agree_on_the_mean_color(self) -> None:
        # the ImageNet mean in 0–255, R, G, B: about 123.68, 116.779, 103.939
        rgb = torch.tensor(IMAGENET_BGR.mean[::-1]).view(1, 3, 1, 1).expand(1, 3, 8, 8) / 255
        for convention in (IMAGENET_BGR, IMAGENET_RGB):
            net = Vgg16((2,), preprocessing=convention)
            # near zero in and zero biases: next to nothing comes out, unlike for a real image
            assert net(rgb)[0].max() < 0.03
            assert net(image())[0].max() > 1

    @pytest.mark.parametrize("levels", [(1,), (1, 2), (3,)])
    def test_feature_depends_on_no_pixel_beyond_the_halo(self, levels: tuple[int, ...]) -> None:
        net = Vgg16(levels)
        size = 8 * ((2 * net.halo + 16) // 8)
        rgb = image(size, size).requires_grad_()
        cell = size // 2 // net.stride
        net(rgb)[-1][0, :, cell, cell].sum().backward()
        touched = rgb.grad[0].abs().sum(dim=(0, 2)).nonzero().flatten()
        first, last = cell * net.stride, (cell + 1) * net.stride - 1
        assert int(touched.min()) == last - net.halo
        assert int(touched.max()) == first + net.halo

    def test_window_with_halo_equals_the_whole_image(self) -> None:
        net = Vgg16((1, 2, 3))
        rgb = image(128, 96)
        whole, window = net(rgb), net(rgb[:, :, 16:120, 8:80])
        for level, (a, b) in enumerate(zip(whole, window, strict=True)):
            cell = 2**level
            margin = -(-net.halo // cell)
            inner = b[:, :, margin:-margin, margin:-margin]
            outer = a[:, :, 16 // cell :, 8 // cell :][:, :, : b.shape[2], : b.shape[3]]
            outer = outer[:, :, margin:-margin, margin:-margin]
            assert inner.numel() > 0
            torch.testing.assert_close(inner, outer, rtol=1e-4, atol=1e-4)


class TestRandomWeights:
    def test_same_seed_same_bytes_and_another_seed_others(self) -> None:
        def weights(seed: int) -> torch.Tensor:
            return nn.utils.parameters_to_vector(Vgg16((1, 2), seed=seed).parameters())

        assert torch.equal(weights(0), weights(0))
        assert not torch.equal(weights(0), weights(1))

    def test_global_generator_is_neither_used_nor_moved(self) -> None:
        torch.manual_seed(1)
        before = torch.get_rng_state()
        first = Vgg16().convolutions["conv1_1"].weight
        assert torch.equal(torch.get_rng_state(), before)
        torch.manual_seed(2)
        assert torch.equal(Vgg16().convolutions["conv1_1"].weight, first)

    def test_kernels_are_he_normal_and_biases_zero(self) -> None:
        for name, convolution in Vgg16((3,)).convolutions.items():
            inputs = {row.name: row.inputs for row in VGG16_CONVOLUTIONS}[name]
            expected = (2 / (9 * inputs)) ** 0.5
            # 1,728 kernel values at least: their deviation is known to 1.7 %
            assert float(convolution.weight.detach().std()) == pytest.approx(expected, rel=0.07)
            assert torch.all(convolution.bias == 0)

    def test_is_ready_to_use_and_trainable(self) -> None:
        net = Vgg16().eval()
        loss = sum(m.mean() for m in net(image()))
        loss.backward()
        assert all(torch.isfinite(p.grad).all() for p in net.parameters())
        assert net.preprocessing == IMAGENET_RGB


class TestLoad:
    def test_embedded_is_ready_to_use_at_all_its_levels_or_those_asked_for(self) -> None:
        assert not load_extractor("embedded").training
        assert [len(load_extractor("embedded", levels)(image())) for levels in (None, (2,))] == [
            3,
            1,
        ]

    def test_level_4_of_the_embedded_extractor_is_refused(self) -> None:
        with pytest.raises(WeightsError, match="must hold level 4: it has levels 1 to 3"):
            load_extractor("embedded", (1, 4))

    def test_module_is_returned_as_it_is(self) -> None:
        given = nn.Identity()
        assert load_extractor(given) is given

    def test_name_and_path_load_the_same_weights(
        self, weights: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("METRICCD_WEIGHTS", str(weights))
        by_name, by_path = load_extractor("vgg16"), load_extractor(weights / ORIGINAL)
        assert by_path.preprocessing == IMAGENET_BGR
        with np.load(weights / ORIGINAL) as archive:
            for name, tensor in by_path.convolutions.state_dict().items():
                assert np.array_equal(tensor, archive[name])
        assert all(
            torch.equal(a, b) for a, b in zip(by_name(image()), by_path(image()), strict=True)
        )

    def test_torchvision_safetensors_are_used_with_their_own_preprocessing(
        self, tmp_path: Path
    ) -> None:
        random = Vgg16((1, 2), seed=7)
        places = {row.name: row.place for row in VGG16_CONVOLUTIONS}
        state = {
            f"features.{places[name.split('.')[0]]}.{name.split('.')[1]}": tensor
            for name, tensor in random.convolutions.state_dict().items()
        }
        save_file(state, tmp_path / "model.safetensors")
        loaded = load_extractor(str(tmp_path / "model.safetensors"))
        assert loaded.preprocessing == IMAGENET_RGB
        assert torch.equal(loaded(image())[1], random(image())[1])

    def test_imagenet_features_tell_changed_from_unchanged_land(
        self, weights: Path, data: Path
    ) -> None:
        # the real pair of findings.md: changed pixels lie further apart in feature space
        pair = data / "oscd" / "beirut"
        rows, cols = slice(100, 228), slice(400, 528)
        images = [
            imread(pair / "pair" / f"img{date}.png")[rows, cols, :3].astype(np.float32) / 255
            for date in (1, 2)
        ]
        changed = imread(pair / "cm" / "beirut-cm.tif")[rows, cols] == 2
        net = load_extractor(weights / ORIGINAL, (1,)).requires_grad_(False)
        (maps,) = net(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2))
        distance = (1 - functional.cosine_similarity(maps[0], maps[1], dim=0)).numpy()
        assert distance[changed].mean() > 1.2 * distance[~changed].mean()

    def test_level_3_of_weights_that_hold_two_is_refused(self, weights: Path) -> None:
        with pytest.raises(WeightsError, match="must hold level 3: got levels 1 to 2"):
            load_extractor(weights / ORIGINAL, (1, 2, 3))

    def test_unknown_source_names_the_choices(self) -> None:
        with pytest.raises(
            WeightsError, match="must be embedded, efficientnet-lite0, vgg16 or a weights file: got"
        ):
            load_extractor("resnet50")

    def test_missing_weights_name_the_remedies(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("METRICCD_WEIGHTS", str(tmp_path))
        with pytest.raises(WeightsError, match="metriccd weights fetch vgg16"):
            load_extractor("vgg16")

    def test_pickled_checkpoint_is_refused(self, tmp_path: Path) -> None:
        torch.save({}, tmp_path / "vgg16.pth")
        with pytest.raises(WeightsError, match="never loaded"):
            load_extractor(tmp_path / "vgg16.pth")
