import torch
torch.manual_seed(14)


class FourierLayer(torch.nn.Module):
    def __init__(self, modes=5):
        super().__init__()
        self.spectrum = torch.nn.Parameter(0.1 * torch.randn(modes, dtype=torch.cfloat))
        self.gain = torch.nn.Parameter(torch.tensor(1.0))  # a scalar parameter
        self.offset = torch.nn.Parameter(torch.zeros(3, dtype=torch.float16))

    def forward(self, x):
        f = torch.fft.rfft(x)
        k = len(self.spectrum)
        g = torch.zeros_like(f)
        g[:, :k] = f[:, :k] * self.spectrum
        return self.gain * torch.fft.irfft(g, n=x.shape[-1]) + self.offset.float().sum()


net = FourierLayer()
opt = torch.optim.Adam(net.parameters(), lr=0.05, eps=1e-4)
t = torch.arange(32) / 32
for step in range(30):
    phase = torch.rand(10, 1)
    x = torch.sin(2 * torch.pi * (t + phase)) + 0.3 * torch.randn(10, 32)
    loss = (net(x) - torch.cos(2 * torch.pi * (t + phase))).square().mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(step, "loss", loss.item().hex())
print("digest", net.spectrum.abs().double().sum().item().hex())
