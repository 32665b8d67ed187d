"""What the source calls a loss, and whose code a frame is."""

import sys

import pytest

from dlmon_probes.training import callsite


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("loss.backward()", "loss"),
        ("loss_G.backward(retain_graph=True)", "loss_G"),
        ("scaler.scale(loss_D / accumulation).backward()", "loss_D"),
        ("(policy_loss + 0.5 * value_loss).backward()", "policy_loss"),
        ("losses['rec'].backward()", "losses"),
        ("self.loss.backward()", "loss"),
        ("out.sum().backward()", "out"),
        ("y.backward(torch.ones_like(y))", "y"),
        ("y.backward(v)", "y"),
        ("accelerator.backward(total)", "total"),
        ("a.backward(loss)", "loss"),
        ("self.manual_backward(g_loss)", "g_loss"),
        ("torch.autograd.backward([l1, l2])", "l1"),
        ("grads = torch.autograd.grad(objective, params)", "objective"),
        ("trainer.fit(model, loader)", "loss"),
        ("loss.backward(", "loss"),
        ("", "loss"),
    ],
)
def test_a_loss_is_named_by_its_line(line: str, name: str) -> None:
    assert callsite.loss_name(line) == name


def test_library_files_are_not_the_users(tmp_path) -> None:
    import json

    import click

    assert not callsite.is_user_file(json.__file__)
    assert not callsite.is_user_file(click.__file__)
    assert not callsite.is_user_file(callsite.__file__)
    assert not callsite.is_user_file("<frozen importlib._bootstrap>")
    assert callsite.is_user_file(str(tmp_path / "train.py"))


def test_the_caller_is_found_through_library_frames() -> None:
    places = []
    sorted([2, 1], key=lambda value: places.append(callsite.where(callsite.caller())) or value)
    assert places[0].file == __file__
    assert "places.append" in places[0].text
    assert callsite.user_frame(sys._getframe()) is not None
