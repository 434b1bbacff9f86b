"""Training: it learns, it can be interrupted, and it never looks at what it is measured on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from lessons import SMALL, lesson
from metriccd.errors import DataError, WeightsError
from metriccd.methods import METHODS, Options
from metriccd.nets import autocast
from metriccd.supervised.checkpoint import card_of, load_checkpoint
from metriccd.supervised.samples import Sample
from metriccd.supervised.siamese import ResNet18
from metriccd.supervised.training import CURVES, Training, _held_out, _standing, _State, train
from metriccd.supervised.unet import UNet


class StopError(Exception):
    pass


def test_what_it_learned_it_finds_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    longer = replace(SMALL, epochs=12, patience=12)
    told = []
    about = train([lesson(1), lesson(2)], path, longer, dataset="made", tell=told.append)
    other = lesson(3)
    found = METHODS["unet"](other.t1, other.t2, options=Options(checkpoint=str(path)))
    assert found.probability
    assert roc_auc_score(other.changed.ravel(), found.image.ravel()) > 0.9
    assert about.figures["AP"] == max(round(each.ap, 4) for each in told)
    assert [each.epoch for each in told] == list(range(1, len(told) + 1))
    card = card_of(path).read_text()
    assert "**Supervised.**" in card
    for word in (
        "place 1",
        "place 2",
        about.data,
        "learning_rate",
        "held out: AP",
        "held out: share",
        "training: seconds",
    ):
        assert word in card


@pytest.mark.parametrize("method", ["unet", "seco_rand"])
def test_an_interrupted_training_ends_as_one_that_was_not(tmp_path: Path, method: str) -> None:
    places = [lesson(1), lesson(2)]
    training = replace(SMALL, method=method, false_alarms=None, epochs=2)
    whole, parted = tmp_path / "whole.safetensors", tmp_path / "parted.safetensors"
    train(places, whole, training, dataset="made")

    def stop(_standing) -> None:
        raise StopError

    with pytest.raises(StopError):
        train(places, parted, training, dataset="made", tell=stop)
    assert not parted.exists()
    told = []
    train(places, parted, training, dataset="made", tell=told.append)
    assert [each.epoch for each in told] == [2]
    one, other = load_file(whole), load_file(parted)
    for name, value in one.items():
        assert torch.equal(value, other[name]), name
    assert [path.suffix for path in sorted(tmp_path.glob("parted*"))] == [".md", ".safetensors"]


@pytest.mark.parametrize(("minutes", "left"), [(None, 70.0), (0.75, 20.0), (0.5, 0.0)])
def test_the_time_left_is_that_of_all_epochs_that_may_come(minutes, left: float) -> None:
    state = _State(net={}, optimizer={}, best_epoch=1, seconds=30.0)
    for name in CURVES:
        state.curves[name].extend([0.5, 0.4, 0.3])
    # Patience may end it sooner, and one better epoch makes it wait for as long again.
    training = replace(SMALL, epochs=10, patience=3, minutes=minutes)
    assert _standing(state, training).seconds_left == left


def test_what_other_settings_or_pixels_left_is_not_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"

    def stop(_standing) -> None:
        raise StopError

    with pytest.raises(StopError):
        train([lesson(1)], path, SMALL, dataset="made", tell=stop)
    told = []
    train([lesson(1)], path, replace(SMALL, seed=1), dataset="made", tell=told.append)
    assert told[0].epoch == 1


def test_the_held_out_part_teaches_nothing(tmp_path: Path) -> None:
    place = lesson(1)
    other = replace(place, t2=place.t2.copy())
    other.t2[:, 96:] = place.t2[:, 96:][..., ::-1]
    # Moments of the whole image stay the same.
    one = replace(SMALL, epochs=1)
    for each, name in ((place, "a"), (other, "b")):
        train([each], tmp_path / f"{name}.safetensors", one, dataset="made")
    first, second = (load_file(tmp_path / f"{name}.safetensors") for name in "ab")
    for name, value in first.items():
        assert torch.allclose(value, second[name], atol=1e-5), name


def test_the_held_out_figures_are_those_of_scikit_learn() -> None:
    torch.manual_seed(0)
    network = UNet(3).eval()
    samples = [
        Sample(
            *torch.randn(2, 3, 40, 30),
            (torch.rand(40, 30) > 0.8).float(),
            (torch.rand(40, 30) > 0.3).float(),
        )
        for _ in range(2)
    ]
    found = _held_out(network, samples, "cpu")
    with torch.no_grad(), autocast("cpu"):
        scores = [network(each.t1[None], each.t2[None])[0][each.weight > 0] for each in samples]
    truth = torch.cat([each.target[each.weight > 0] for each in samples]).numpy()
    score = torch.cat(scores).numpy()
    expected = average_precision_score(truth, score), f1_score(truth, score > 0)
    # Ties of bfloat16 are counted one by one.
    assert found == pytest.approx(expected, abs=2e-3)


def test_time_and_patience_end_it(tmp_path: Path) -> None:
    def epochs(**settings) -> int:
        about = train(
            [lesson(1)],
            tmp_path / "a.safetensors",
            replace(SMALL, epochs=30, **settings),
            dataset="made",
        )
        return about.figures["epochs"]

    assert epochs(minutes=0) == 1
    assert epochs(patience=1, learning_rate=1e-12) == 2


def test_seco_pre_has_the_imported_encoder_and_cannot_do_without(
    tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("METRICCD_WEIGHTS", str(tmp_path))
    training = replace(Training.of("seco_pre"), epochs=1, side=64, stride=64, batch=4)
    with pytest.raises(WeightsError, match="metriccd weights import seco"):
        train([lesson(1)], tmp_path / "a.safetensors", training, dataset="made")
    torch.manual_seed(5)
    encoder = ResNet18()
    save_file(encoder.state_dict(), tmp_path / "seco.safetensors")
    train([lesson(1)], tmp_path / "a.safetensors", training, dataset="made")
    learned = load_checkpoint(tmp_path / "a.safetensors", "seco_pre").network
    for name, value in encoder.named_parameters():
        assert torch.equal(value, learned.encoder.state_dict()[name]), name


def test_places_of_other_bands_and_without_change_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="same bands"):
        train([lesson(1), lesson(2, bands=4)], tmp_path / "a", SMALL, dataset="made")
    still = replace(lesson(1), changed=np.zeros((120, 100), bool))
    with pytest.raises(DataError, match="must hold change"):
        train([still], tmp_path / "a", SMALL, dataset="made")
    above = replace(lesson(1), changed=lesson(1).changed & (np.arange(120) < 90)[:, None])
    with pytest.raises(DataError, match=r"got 0 changed pixels of 2,400 to choose the epoch by"):
        train([above], tmp_path / "a", SMALL, dataset="made")
    with pytest.raises(DataError, match="got none"):
        train([], tmp_path / "a", SMALL, dataset="made")


def test_three_bands_are_learned_in_the_order_in_which_they_are_measured(tmp_path: Path) -> None:
    once, forth = replace(SMALL, epochs=1), replace(lesson(1), bands=("red", "green", "blue"))
    back = replace(
        forth, bands=forth.bands[::-1], rgb=(2, 1, 0), t1=forth.t1[::-1], t2=forth.t2[::-1]
    )
    for name, place in {"forth": forth, "back": back}.items():
        about = train([place], tmp_path / f"{name}.safetensors", once, dataset="made")
        assert about.bands == ("red", "green", "blue")
    learned, same = (load_file(tmp_path / f"{name}.safetensors") for name in ("forth", "back"))
    assert all(torch.equal(learned[name], same[name]) for name in learned)


def test_any_seed_that_the_command_line_takes_will_do(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    about = train([lesson(1)], path, replace(SMALL, epochs=1, seed=10**20), dataset="made")
    assert about.settings["seed"] == 10**20


def test_a_name_with_a_bar_stays_in_its_cell_of_the_card(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    train([replace(lesson(1), name="a|b")], path, replace(SMALL, epochs=1), dataset="made")
    assert r"| references | made: a\|b |" in card_of(path).read_text()


def test_published_settings() -> None:
    unet, seco = Training.of("unet"), Training.of("seco_rand")
    assert (unet.side, unet.stride, unet.batch, unet.epochs, unet.false_alarms) == (
        *(96, 47, 32, 50),
        10,
    )
    assert (seco.side, seco.stride, seco.batch, seco.epochs, seco.false_alarms) == (
        *(96, 96, 32, 100),
        None,
    )
    for each in (unet, seco):
        assert (each.learning_rate, each.weight_decay, each.decay) == (1e-3, 1e-4, 0.95)
