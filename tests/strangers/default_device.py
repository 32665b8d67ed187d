import torch
torch.set_default_device("cpu")
torch.manual_seed(10)
with torch.device("meta"):
    shadow = torch.nn.Linear(1000, 1000)  # never materialised
with torch.device("cpu"):
    model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.ELU(), torch.nn.Linear(8, 1))
optimizer = torch.optim.NAdam(model.parameters())
for k in range(20):
    x = torch.rand(10, 8)
    loss = (model(x) - x.prod(1, keepdim=True)).abs().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(k, "loss", loss.item().hex())
with torch.inference_mode():
    print("inference", model(torch.ones(1, 8)).item().hex())
torch.set_default_device("meta")  # whatever is made now without a device has no storage
with torch.enable_grad():
    loss = (model(torch.ones(2, 8, device="cpu")) ** 2).mean()
    optimizer.zero_grad(); loss.backward(); optimizer.step()
print("loss under meta default", loss.item().hex(), torch.empty(1).device)
print("digest", model[0].weight.double().sum().item().hex())
