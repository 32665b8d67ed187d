"""Training scripts without their imports: what most tests of the probes run."""

from __future__ import annotations

import textwrap
from pathlib import Path

from tests.probes.injected import Run, run_script

HEAD = "import torch, torch.nn as nn, torch.nn.functional as F\ntorch.manual_seed(0)\n"


def train(tmp_path: Path, body: str, *arguments: str, plain: bool = False, **environment: str) -> Run:
    """Run `body` (dedented) with torch, nn and F imported and a seed set; line 1 of the body is line 3."""
    return run_script(tmp_path, HEAD + textwrap.dedent(body), *arguments, plain=plain, **environment)
