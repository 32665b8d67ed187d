import io, os, pickle, tempfile, hashlib
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(2, 4, 3)
        self.fc = nn.Linear(4 * 6, 3)

    def forward(self, x):
        return self.fc(torch.relu(self.conv(x)).flatten(1))


if __name__ == "__main__":
    torch.manual_seed(2)
    net = Net()
    opt = torch.optim.Adamax(net.parameters())
    with tempfile.TemporaryDirectory() as folder:
        for step in range(12):
            loss = nn.CrossEntropyLoss()(net(torch.randn(8, 2, 8)), torch.randint(3, (8,)))
            opt.zero_grad(); loss.backward(); opt.step()
            print("loss", repr(loss.item()))
            torch.save(net, os.path.join(folder, "model.pth"))
            again = torch.load(os.path.join(folder, "model.pth"), weights_only=False)
            assert torch.equal(again.fc.weight, net.fc.weight)
        blob = pickle.dumps(net)
        print("pickled", len(blob))
        print("optimizer", len(pickle.dumps(opt.state_dict())))
        buffer = io.BytesIO()
        torch.save({"model": net.state_dict(), "opt": opt.state_dict(), "rng": torch.get_rng_state()}, buffer)
        print("checkpoint", len(buffer.getvalue()))
        print("weights", hashlib.md5(b"".join(p.detach().numpy().tobytes() for p in net.parameters())).hexdigest())
        torch.load(io.BytesIO(buffer.getvalue()), weights_only=True)
        print("hooks", len(net._forward_hooks), len(net._backward_hooks), sorted(net.__dict__))
