"""Checkpoints that do not fit, or cannot be read."""

from __future__ import annotations

import re

from dlmon.checks.crash_story import Story, Tellers, always, told_by
from dlmon_probes import events

_KEYS = re.compile(r'"([^"]+)"')


def checkpoint_story(crash: events.Crash) -> Story | None:
    """None where the message is of no known form."""
    message = crash.message
    if "Weights only load failed" in message:
        return _weights_only(message)
    if "key(s) in state_dict" in message:
        return _keys(message)
    return told_by(_FILES, crash)


def _weights_only(message: str) -> Story:
    match = re.search(r"GLOBAL ([\w.]+)", message)
    what = f" {match[1]}" if match else " objects other than tensors"
    return Story(
        f"torch.load refuses the checkpoint: it holds{what}",
        "Since torch 2.6 only weights are loaded. For a file of your own: torch.load(path, weights_only=False); "
        "better, save model.state_dict() and plain numbers only.",
    )


def _keys(message: str) -> Story:
    missing, unexpected = (_after(message, word) for word in ("Missing key(s)", "Unexpected key(s)"))
    for prefix, whose in (("module.", "DataParallel"), ("_orig_mod.", "torch.compile"), ("model.", "a wrapper")):
        if unexpected and all(key.startswith(prefix) for key in unexpected) and _strip(unexpected, prefix) & missing:
            return Story(
                f"the checkpoint's names begin with `{prefix}`: it was saved from {whose}",
                f"Take it off: {{k.removeprefix('{prefix}'): v for k, v in state.items()}}, and save "
                "model.module.state_dict() next time." if prefix == "module." else
                f"Take it off: {{k.removeprefix('{prefix}'): v for k, v in state.items()}}.",
            )  # fmt: skip
        if missing and all(key.startswith(prefix) for key in missing) and _strip(missing, prefix) & unexpected:
            return Story(
                f"the model's names begin with `{prefix}`, the checkpoint's do not",
                "Load before wrapping (DataParallel, DDP, compile), or model.module.load_state_dict(state).",
            )
    outer = next((key for key in unexpected if key in ("state_dict", "model", "model_state_dict", "net")), None)
    if outer is not None:
        return Story(
            f"the checkpoint is a dictionary around the weights, which are under '{outer}'",
            f"model.load_state_dict(checkpoint['{outer}']).",
        )
    counts = f"{len(missing)} weights are not in it, {len(unexpected)} of its own have no place"
    shown = ", ".join(sorted(missing | unexpected)[:3])
    return Story(
        f"the checkpoint is of another model: {counts} ({shown})",
        "Build the model with the settings of the saved one; strict=False only where the rest is meant to stay new.",
    )


def _after(message: str, word: str) -> set[str]:
    start = message.find(word)
    if start < 0:
        return set()
    line = message[start:].split("\n", 1)[0]
    return set(_KEYS.findall(line))


def _strip(names: set[str], prefix: str) -> set[str]:
    return {name[len(prefix) :] for name in names}


_FILES: Tellers = (
    (
        re.compile(r"PytorchStreamReader failed|unexpected EOF|invalid load key|Invalid magic number|^$"),
        always(
            "the checkpoint file is broken or no checkpoint",
            "It was cut off while being written, or is a text file (a Git LFS pointer, an error page). Save to a "
            "temporary name and os.replace it.",
        ),
    ),
    (
        re.compile(r"loaded state dict (?:has|contains)"),
        always(
            "the optimizer's checkpoint has other parameter groups than this optimizer",
            "Make the optimizer over the same parameters as when it was saved, before load_state_dict.",
        ),
    ),
    (
        re.compile(r"Expected state_dict to be dict-like"),
        always(
            "load_state_dict was given a whole model",
            "model.load_state_dict(loaded.state_dict()), or use the loaded model itself.",
        ),
    ),
)
