"""Checkpoints and logs of Lightning and transformers go into the run too."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from dlmon.rehearsal.files import written_files
from tests.stages.watched import rehearse, state

LIGHTNING = """
import torch, lightning as L
from torch.utils.data import DataLoader, TensorDataset

class Net(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 2)
    def training_step(self, batch, index):
        loss = torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1])
        self.log("loss", loss)
        return loss
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

if __name__ == "__main__":
    rows = TensorDataset(torch.randn(32, 4), torch.randint(0, 2, (32,)))
    trainer = L.Trainer(max_epochs=2, accelerator="cpu", enable_progress_bar=False, log_every_n_steps=1)
    trainer.fit(Net(), DataLoader(rows, batch_size=8))
    trainer.save_checkpoint("final.ckpt")
    print(type(Net.load_from_checkpoint("final.ckpt")).__name__)
"""

TRANSFORMERS = """
import os, torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments

class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return 32
    def __getitem__(self, index):
        return {"input_ids": torch.randint(0, 50, (8,)), "labels": torch.tensor(index % 2)}

config = BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
arguments = TrainingArguments("out", max_steps=2, per_device_train_batch_size=8, save_steps=1, save_total_limit=1,
                              report_to=[], use_cpu=True, disable_tqdm=True)
trainer = Trainer(BertForSequenceClassification(config), arguments, train_dataset=Rows())
trainer.train()
trainer.save_model("final")
print(type(BertForSequenceClassification.from_pretrained("final")).__name__, len(os.listdir("out")))
"""


def installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


@pytest.mark.frameworks
@pytest.mark.skipif(not installed("lightning"), reason="Lightning is not installed")
def test_lightning(tmp_path: Path) -> None:
    before = state(tmp_path)
    run = rehearse(tmp_path, LIGHTNING)
    assert run.code == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "Net"
    assert state(tmp_path) == before
    assert {path for path in names(run.folder, tmp_path) if path.endswith(".ckpt")} >= {"final.ckpt"}
    loaded = {Path(event["path"]).name: event["loads"] for event in run.of("checkpoint")}
    assert loaded.pop("final.ckpt") and all(loaded.values()) and len(loaded) == 1  # Lightning's own of the last epoch


@pytest.mark.frameworks
@pytest.mark.skipif(not installed("transformers"), reason="transformers is not installed")
def test_transformers(tmp_path: Path) -> None:
    before = state(tmp_path)
    run = rehearse(tmp_path, TRANSFORMERS)
    assert run.code == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "BertForSequenceClassification 1"
    assert state(tmp_path) == before
    found = names(run.folder, tmp_path)
    assert "final/model.safetensors" in found
    assert {path.split("/")[1] for path in found if path.startswith("out/")} == {"checkpoint-2"}
    loaded = {str(Path(event["path"]).relative_to(tmp_path)): event for event in run.of("checkpoint")}
    assert loaded["final/model.safetensors"]["loads"] and loaded["out/checkpoint-2/optimizer.pt"]["weights_only"]


def names(run: Path, project: Path) -> set[str]:
    return {str(Path(file.path).relative_to(project)) for file in written_files(run)}
