import torch
import torch.nn as nn

torch.manual_seed(8)
backbone = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
for p in backbone.parameters():
    p.requires_grad_(False)
backbone.eval()
head = nn.Linear(32, 4)
optimizer = torch.optim.Adam(head.parameters(), 1e-2)
for step in range(20):
    images, labels = torch.randn(16, 3, 12, 12), torch.randint(4, (16,))
    with torch.no_grad():
        feats = backbone(images)
    loss = nn.functional.cross_entropy(head(feats), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print("step %d loss %.17g" % (step, loss.item()))
print("digest %.17g" % head.weight.double().sum().item(), "bn", backbone[1].num_batches_tracked.item())
