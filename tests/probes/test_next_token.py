"""What the graph tells of targets that are the next token, and of attention that sees them."""

import pytest

from tests.probes.training import train

# One backward line, and so one series, for each way to attend.
BODY = """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.out = nn.Embedding(12, 16), nn.Linear(16, 12)
        self.attend = nn.MultiheadAttention(16, 2, batch_first=True)
        self.rnn = nn.GRU(16, 8, batch_first=True, bidirectional=True)
    def forward(self, x, way):
        return self.out(way(self, self.embed(x)))
net = Model()
mask = torch.triu(torch.full((7, 7), float("-inf")), 1)
prefix = torch.ones(7, 7).tril().bool() | (torch.arange(7) < 4)
sdpa = F.scaled_dot_product_attention
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
text = torch.randint(0, 12, (4, 8))
x, y = text[:, :-1], text[:, 1:]
late = y.masked_fill(torch.arange(7) < 3, -100)
optimizer.zero_grad()
"""
WAYS = [
    ("net.attend(h, h, h, need_weights=True)[0]", "y"),
    ("net.attend(h, h, h, attn_mask=mask, need_weights=True)[0]", "y"),
    ("sdpa(h, h, h)", "y"),
    ("sdpa(h, h, h, is_causal=True)", "y"),
    ("sdpa(h, h, h, attn_mask=mask)", "y"),
    ("(h @ h.transpose(1, 2)).softmax(-1) @ h", "y"),
    ("(h @ h.transpose(1, 2) + mask).softmax(-1) @ h", "y"),
    ("net.rnn(h)[0]", "y"),
    ("sdpa(h, h, h)", "(x % 3)"),
    ("sdpa(h, h, h, attn_mask=prefix)", "late"),
]


@pytest.fixture(scope="module")
def looks(tmp_path_factory) -> list[dict]:
    lines = [
        f"F.cross_entropy(net(x, lambda net, h: {way}).flatten(0, 1), {target}.flatten()).backward()\n"
        for way, target in WAYS
    ]
    run = train(tmp_path_factory.mktemp("next_token"), BODY + "".join(lines) + "optimizer.step()\n")
    assert run.of("probe_error") == []
    return run.of("next_token")


def test_the_embedded_numbers_are_found_and_the_targets_are_the_next(looks) -> None:
    assert len(looks) == len(WAYS)
    assert {(look["rows"], look["positions"], look["embedded"]) for look in looks} == {(4, 7, 1)}
    assert [look["shifted"] == 1.0 for look in looks] == [True] * 8 + [False, True]


def test_attention_without_a_mask_lies_on_later_positions(looks) -> None:
    for look in (looks[0], looks[2], looks[5]):
        assert len(look["ahead"]) == 1 and look["ahead"][0] > 0.01


def test_masked_attention_has_none_of_it_there(looks) -> None:
    for look in (looks[1], looks[3], looks[4], looks[6]):
        assert look["ahead"] == [0.0]


def test_a_recurrent_layer_that_reads_both_ways(looks) -> None:
    assert looks[7]["ahead"] == [] and looks[7]["backward_rnn"] in (0, 1)


def test_a_prefix_without_targets_may_look_ahead(looks) -> None:
    assert looks[9]["ahead"] == [0.0]
