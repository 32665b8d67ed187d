"""What models answered in the evaluation loops of frameworks, beside what the script counts by hand."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.probes.injected import run_script
from tests.probes.test_predictions import CLASSIFIER, HEAD, answers, table, told

pytestmark = pytest.mark.frameworks


def installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


@pytest.mark.skipif(not installed("lightning"), reason="Lightning is not installed")
def test_lightning_validation(tmp_path: Path) -> None:
    source = (
        HEAD
        + CLASSIFIER
        + """
    import logging, warnings
    warnings.filterwarnings("ignore")
    import lightning.pytorch as L
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(L.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = net
        def forward(self, x):
            return self.net(x)
        def training_step(self, batch, _):
            return F.cross_entropy(self(batch[0]), batch[1])
        def validation_step(self, batch, _):
            self.log("val_loss", F.cross_entropy(self(batch[0]), batch[1]))
        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    module = Module()
    L.Trainer(max_epochs=2, logger=False, enable_checkpointing=False, accelerator="cpu", num_sanity_val_steps=0,
              enable_model_summary=False, enable_progress_bar=False).fit(module, loader, val)
    net.eval()
    by_hand()
    """
    )
    run = run_script(tmp_path, source)
    *_, event = answers(run)
    (hand,) = told(run)
    assert table(event, 3) == hand["table"]
    assert (event["samples"], event["looked_at"], event["class_names"]) == (50, 50, ["none", "one", "both"])
    for sample in event["wrong"] + event["unsure"]:
        assert sample["actual"] == hand["y"][sample["index"]]
        assert sample["confidence"] == pytest.approx(max(hand["p"][sample["index"]]), abs=1e-5)


@pytest.mark.skipif(not installed("transformers") or not installed("accelerate"), reason="transformers not installed")
def test_transformers_evaluation_of_tokens_and_classes(tmp_path: Path) -> None:
    source = (
        HEAD
        + """
    from transformers import (BertConfig, BertForSequenceClassification, GPT2Config, GPT2LMHeadModel, Trainer,
        TrainingArguments)
    arguments = TrainingArguments("out", per_device_train_batch_size=8, per_device_eval_batch_size=6,
        num_train_epochs=2, eval_strategy="epoch", report_to=[], save_strategy="no", learning_rate=1e-2,
        use_cpu=True, logging_steps=2, disable_tqdm=True)
    rows = (torch.arange(40)[:, None] + torch.arange(12)) % 50

    model = GPT2LMHeadModel(GPT2Config(vocab_size=50, n_positions=16, n_embd=16, n_layer=1, n_head=2))
    data = [{"input_ids": row, "labels": row} for row in rows]
    trainer = Trainer(model=model, args=arguments, train_dataset=data[:30], eval_dataset=data[30:])
    trainer.train()
    model.eval()
    with torch.no_grad():
        logits = model.transformer(rows[30:]).last_hidden_state @ model.lm_head.weight.T
    logits, labels = logits[:, :-1].reshape(-1, 50), rows[30:, 1:].reshape(-1)
    tell(perplexity=math.exp(F.cross_entropy(logits, labels)), right=float((logits.argmax(1) == labels).float().mean()))

    model = BertForSequenceClassification(BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=1,
        num_attention_heads=2, intermediate_size=16, max_position_embeddings=16, num_labels=3))
    data = [{"input_ids": row, "labels": i % 3} for i, row in enumerate(rows)]
    trainer = Trainer(model=model, args=arguments, train_dataset=data[:30], eval_dataset=data[30:])
    trainer.train()
    model.eval()
    with torch.no_grad():
        pooled = model.bert(rows[30:]).pooler_output
        said = F.linear(pooled, model.classifier.weight, model.classifier.bias).argmax(1)
    labels = torch.arange(30, 40) % 3
    tell(table=[[int(((labels == a) & (said == b)).sum()) for b in range(3)] for a in range(3)])
    """
    )
    run = run_script(tmp_path, source)
    found = answers(run)
    tokens, classes = ([event for event in found if event["task"] == task][-1] for task in ("tokens", "classes"))
    hand, other = told(run)
    assert tokens["perplexity"] == pytest.approx(hand["perplexity"], rel=1e-4)
    assert tokens["right"] == pytest.approx(hand["right"]) and tokens["positions"] == 110
    assert table(classes, 3) == other["table"]
    assert sorted(sample["index"] for sample in classes["wrong"] + classes["unsure"]) == list(range(10))
