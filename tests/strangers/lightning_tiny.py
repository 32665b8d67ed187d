import logging, tempfile, warnings
warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
import lightning as L
import torch
from torch.utils.data import DataLoader, TensorDataset


class Lit(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(16, 3))

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = torch.nn.functional.cross_entropy(self.net(x), y)
        self.log("train_loss", loss)
        print(f"step {self.global_step} loss {loss.item()!r}")
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_acc", (self.net(x).argmax(1) == y).float().mean())

    def configure_optimizers(self):
        opt = torch.optim.Adam(self.parameters(), lr=1e-2)
        return {"optimizer": opt, "lr_scheduler": torch.optim.lr_scheduler.StepLR(opt, 1, 0.5)}


if __name__ == "__main__":
    L.seed_everything(7, verbose=False)
    x = torch.randn(96, 8)
    ds = TensorDataset(x, x[:, :3].argmax(1))
    with tempfile.TemporaryDirectory() as root:
        trainer = L.Trainer(max_epochs=2, accelerator="cpu", default_root_dir=root, logger=False, enable_progress_bar=False,
                            enable_model_summary=False, accumulate_grad_batches=2, gradient_clip_val=0.5, enable_checkpointing=True)
        lit = Lit()
        trainer.fit(lit, DataLoader(ds, 8, shuffle=True), DataLoader(ds, 32))
    print("digest", lit.net[0].weight.double().sum().item().hex(), trainer.global_step)
