"""The pixels of an image are what is trained; the network is frozen on purpose; LBFGS."""

# optimise the pixels of an image so that its features match content and style (a la Gatys)
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

torch.manual_seed(0)


def gram(x):
    b, c, h, w = x.size()
    f = x.view(b * c, h * w)
    return torch.mm(f, f.t()).div(b * c * h * w)


class ContentLoss(nn.Module):
    def __init__(self, target):
        super().__init__()
        self.target = target.detach()

    def forward(self, x):
        self.loss = F.mse_loss(x, self.target)
        return x


class StyleLoss(nn.Module):
    def __init__(self, target):
        super().__init__()
        self.target = gram(target).detach()

    def forward(self, x):
        self.loss = F.mse_loss(gram(x), self.target)
        return x


cnn = nn.Sequential(
    nn.Conv2d(3, 16, 3, padding=1),
    nn.ReLU(),
    nn.Conv2d(16, 16, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1),
    nn.ReLU(),
).eval()
yy, xx = torch.meshgrid(torch.linspace(0, 1, 48), torch.linspace(0, 1, 48), indexing="ij")
content_img = torch.stack([yy, xx, ((yy - 0.5) ** 2 + (xx - 0.5) ** 2 < 0.1).float()])[None]
style_img = torch.stack([(torch.sin(40 * xx) > 0).float(), torch.sin(20 * yy) * 0.5 + 0.5, torch.rand(48, 48)])[None]

model = nn.Sequential()
content_losses, style_losses = [], []
for i, layer in enumerate(cnn.children()):
    if isinstance(layer, nn.ReLU):
        layer = nn.ReLU(inplace=False)
    model.add_module(str(i), layer)
    if i == 2:
        content_losses.append(ContentLoss(model(content_img)))
        model.add_module("c", content_losses[-1])
    if i in (0, 2, 5):
        s = StyleLoss(model(style_img))
        model.add_module(f"s{i}", s)
        style_losses.append(s)
model.eval()
model.requires_grad_(False)
input_img = content_img.clone().requires_grad_(True)
optimizer = optim.LBFGS([input_img])
run = [0]
while run[0] <= 300:

    def closure():
        with torch.no_grad():
            input_img.clamp_(0, 1)
        optimizer.zero_grad()
        model(input_img)
        style_score = sum(sl.loss for sl in style_losses) * 1e4
        content_score = sum(cl.loss for cl in content_losses)
        loss = style_score + content_score
        loss.backward()
        run[0] += 1
        if run[0] % 50 == 0:
            print("run {}: style {:.6f} content {:.6f}".format(run, style_score.item(), content_score.item()))
        return style_score + content_score

    optimizer.step(closure)
with torch.no_grad():
    input_img.clamp_(0, 1)
torch.save(input_img, "result.pt")
