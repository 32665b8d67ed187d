import os, tempfile
os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments, set_seed

set_seed(11)
model = GPT2LMHeadModel(GPT2Config(vocab_size=40, n_positions=16, n_embd=16, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=1))
tokens = torch.randint(2, 40, (64, 12))
data = [{"input_ids": row, "labels": row} for row in tokens]


class Print(TrainerCallback):
    def on_log(self, args, state, control, logs=None, **kwargs):
        if "loss" in logs:
            print("step", state.global_step, "loss", repr(logs["loss"]), "grad_norm", repr(float(logs["grad_norm"])))


with tempfile.TemporaryDirectory() as out:
    args = TrainingArguments(output_dir=out, num_train_epochs=2, per_device_train_batch_size=8, gradient_accumulation_steps=2, logging_steps=1,
                             report_to=[], use_cpu=True, disable_tqdm=True, save_strategy="no", eval_strategy="epoch", learning_rate=1e-2)
    trainer = Trainer(model=model, args=args, train_dataset=data, eval_dataset=data[:16], callbacks=[Print()])
    trainer.train()
print("digest", sum(p.double().sum().item() for p in model.parameters()).hex())
