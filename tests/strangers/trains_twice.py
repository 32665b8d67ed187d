"""A sweep in one process: five models in turn, the best kept, then a longer training of a second architecture."""
import torch


def fit(model, lr, steps, tag):
    torch.manual_seed(5)
    opt = torch.optim.SGD(model.parameters(), lr=lr)
    for i in range(steps):
        x = torch.randn(32, 4)
        loss = torch.nn.functional.soft_margin_loss(model(x).squeeze(1), x[:, 0].sign())
        opt.zero_grad()
        loss.backward()
        opt.step()
        print(tag, i, "loss", loss.item().hex())
    return loss.item()


results = {}
for lr in (1.0, 0.3, 0.1, 0.03, 0.01):
    torch.manual_seed(1)
    results[lr] = fit(torch.nn.Linear(4, 1), lr, 8, f"lr={lr}")
best = min(results, key=results.get)
torch.manual_seed(2)
final = torch.nn.Sequential(torch.nn.Linear(4, 12), torch.nn.Softplus(), torch.nn.Linear(12, 1))
fit(final, best, 20, "final")
print("digest", best, final[0].weight.double().sum().item().hex())
