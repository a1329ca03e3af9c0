# SPDX-License-Identifier: Apache-2.0
"""Channels removed for real: what goes together, what stays the same, what is refused."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from support import conv, map_network, named, network, one_line
from torch import nn

import halfbyte as hb
from exporter.lower import lower
from training.errors import HalfbyteError
from training.layers import BitConv1d, BitConv2d, BitLayer, BitLinear, GlobalAvgPool, Input
from training.prune import prune
from training.prune.choose import Goal, choose
from training.prune.cut import remove
from training.prune.scores import SCORES
from training.prune.ties import find_ties

FIXED = {"requant": "shift"}  # no multiplier that gets finer where there are fewer inputs
BATCH = {"requant": "mulshift", "norm": "batch", "scale": "channel"}


class Branches(nn.Module):
    """A residual sum behind a depthwise and a pointwise convolution, a concatenation, a grouped convolution, a map."""

    def __init__(self, **options):
        super().__init__()
        self.input = Input((8, 8))
        self.stem = conv(1, 6, **options)
        self.depth = conv(6, 6, groups=6, **options)
        self.point = conv(6, 6, 1, **options)
        self.add = hb.Add()
        self.pool = nn.MaxPool2d(2)
        self.side = conv(6, 4, **options)
        self.both = hb.Concat()
        self.grouped = conv(10, 8, groups=2, **options)
        self.flatten = nn.Flatten()
        self.fc1 = BitLinear(8 * 16, 12, **options)
        self.fc2 = BitLinear(12, 3, requant=None, bias=True)

    def forward(self, x):
        x = self.stem(self.input(x).unsqueeze(1))
        x = self.pool(self.add(self.point(self.depth(x)), x))
        return self.fc2(self.fc1(self.flatten(self.grouped(self.both(x, self.side(x))))))


def branches(**options) -> Branches:
    torch.manual_seed(3)
    net = Branches(**options)
    net.train()(images(64))  # statistics and ranges of its own
    with torch.no_grad():
        net.fc2.bias.bias.normal_()
    for layer in net.modules():
        if isinstance(layer, BitLayer):
            layer.freeze_clip()
    return net.eval()


def images(n: int = 40, size: int = 8) -> torch.Tensor:
    return torch.as_tensor(np.random.default_rng(1).integers(0, 128, (n, size, size), np.uint8))


def widths(net: nn.Module) -> dict[str, tuple[int, int]]:
    return {path: (m.fan_in, m.out_channels) for path, m in net.named_modules() if isinstance(m, BitLayer)}


def silence(net: nn.Module, path: str, channels: list[int]) -> None:
    """Let these channels of a layer make 0 for every input: weights below 0, inputs never are."""
    layer = net.get_submodule(path)
    with torch.no_grad():
        layer.weight[channels] = -layer.weight[channels].abs() - 0.1
        if hasattr(layer.requant, "bias"):
            layer.requant.bias[channels] = -1.0


def gone(ties, *groups: int) -> torch.Tensor:
    mask = torch.zeros(ties.count + 1, dtype=torch.bool)
    mask[[int(group) for group in groups]] = True
    return mask


def test_channels_that_are_added_go_with_the_depthwise_chain_between_them():
    ties = find_ties(branches(**FIXED))
    stem = ties.layers["stem"].rows.tolist()
    assert len(set(stem)) == 5  # the first and the last are tied by the groups behind the concatenation
    assert 0 not in stem
    assert ties.layers["depth"].rows.tolist() == stem
    assert ties.layers["point"].rows.tolist() == stem
    assert ties.layers["point"].columns.tolist() == stem
    assert ties.layers["side"].columns.tolist() == [number for number in stem for _ in range(9)]


def test_a_concatenation_keeps_the_channels_of_its_inputs_in_order_and_groups_are_tied_place_by_place():
    ties = find_ties(branches(**FIXED))
    stem, side, grouped = (ties.layers[path] for path in ("stem", "side", "grouped"))
    both = grouped.inputs.tolist()
    assert both[:5] == both[5:]  # two groups of five
    assert both[0] == stem.rows[0] == stem.rows[5]
    assert both[1:5] == stem.rows[1:5].tolist() == side.rows.tolist()
    assert grouped.rows[:4].tolist() == grouped.rows[4:].tolist()
    assert grouped.columns.tolist() == [number for number in both[:5] for _ in range(9)]


def test_a_flattened_map_has_a_column_for_every_pixel_of_a_channel():
    ties = find_ties(branches(**FIXED))
    assert ties.layers["fc1"].columns.tolist() == [n for n in ties.layers["grouped"].rows.tolist() for _ in range(16)]


def test_scores_and_the_input_do_not_go():
    ties = find_ties(branches(**FIXED))
    assert not ties.layers["fc2"].rows.any()
    assert not ties.layers["stem"].columns.any()


@pytest.mark.parametrize("requant", ["shift", "maxshift"])
def test_removing_neurons_that_are_always_0_leaves_every_score_as_it_was(requant):
    net = network(64, 20, 16, 10, shape=(8, 8), requant=requant, format="int4")
    silence(net, "fc1", [0, 7, 19])
    silence(net, "fc2", [3])
    for layer in net.modules():
        if isinstance(layer, BitLayer):
            layer.freeze_clip()
    before = net(images())
    ties = find_ties(net)
    rows = [ties.layers["fc1"].rows[i] for i in (0, 7, 19)] + [ties.layers["fc2"].rows[3]]
    remove(net, ties, gone(ties, *rows))
    assert widths(net) == {"fc1": (64, 17), "fc2": (17, 15), "fc3": (15, 10)}
    assert torch.equal(net(images()), before)


def test_removing_silent_channels_of_branches_leaves_every_score_as_it_was():
    net = branches(**FIXED)
    for path in ("stem", "depth", "point", "side"):
        silence(net, path, [0, 2])
    silence(net, "stem", [5])
    silence(net, "depth", [5])
    silence(net, "point", [5])
    silence(net, "grouped", [1, 5])
    silence(net, "fc1", [11])
    before = net(images())
    assert before.unique().numel() > 20
    ties = find_ties(net)
    stem, grouped, fc1 = (ties.layers[path].rows for path in ("stem", "grouped", "fc1"))
    # channels 0 and 5 of the concatenation are tied by the groups, 2 and side's 1 as well: silence what goes with them
    silence(net, "side", [1])
    before = net(images())
    remove(net, ties, gone(ties, stem[0], stem[2], grouped[1], fc1[11]))
    assert widths(net) == {
        "stem": (9, 3), "depth": (9, 3), "point": (3, 3), "side": (27, 3),
        "grouped": (27, 6), "fc1": (96, 11), "fc2": (11, 3),
    }  # fmt: skip
    assert net.depth.groups == 3
    assert net.grouped.in_channels == 6
    assert torch.equal(net(images()), before)
    exported = hb.export(net, name="net")
    assert exported.verify(images()).mismatches == 0


def test_what_is_learned_for_each_channel_is_cut_with_it():
    net = named(
        input=Input((8, 8)), map=nn.Unflatten(1, (1, 8)), conv=conv(1, 6, clip="learned", **BATCH),
        mean=hb.GlobalAvgPool(), fc=BitLinear(6, 3, requant=None),
    )  # fmt: skip
    requant = net.eval().conv.requant
    for number, tensor in enumerate((requant.gamma, requant.beta, requant.mean, requant.variance)):
        tensor.data = torch.arange(6.0) + 10 * number + 1
    net.conv.clip_scale = torch.arange(6.0)[:, None] + 1
    ties = find_ties(net)
    remove(net, ties, gone(ties, ties.layers["conv"].rows[1], ties.layers["conv"].rows[4]))
    left = torch.tensor([0.0, 2, 3, 5])
    for number, tensor in enumerate((requant.gamma, requant.beta, requant.mean, requant.variance)):
        assert torch.equal(tensor.data, left + 10 * number + 1)
    assert torch.equal(net.conv.clip_scale, left[:, None] + 1)
    assert net.conv.log_scale.shape == (4, 1)
    assert requant.channels == net.conv.out_channels == 4


def test_channels_of_a_series_go_too():
    net = map_network(
        Input((16,)), nn.Unflatten(1, (1, 16)), BitConv1d(1, 6, 3, **FIXED), nn.MaxPool1d(2),
        nn.Flatten(), BitLinear(42, 3, requant=None),
    )  # fmt: skip
    prune(net, 0.5, structured=True)
    assert net[2].out_channels == 3
    assert net[5].fan_in == 21
    lower(net, "net")


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("cost", ["weights", "products"])
def test_every_score_reaches_the_target_and_what_is_left_learns_and_exports(score, cost):
    net = branches(**BATCH)
    before = getattr(find_ties(net), cost)(torch.zeros(100, dtype=torch.bool))
    y = torch.arange(40) % 3
    pruned = prune(net, 0.5, structured=True, score=score, cost=cost, x=images(), y=y)
    ties = find_ties(net)
    left = getattr(ties, cost)(torch.zeros(ties.count + 1, dtype=torch.bool))
    assert getattr(pruned, cost) == 1 - left / before
    assert 0.5 <= getattr(pruned, cost) < 0.75
    assert {path: width[1] for path, width in pruned.widths.items()} == {p: w[1] for p, w in widths(net).items()}
    net.train()(images()).sum().backward()
    assert net.stem.weight.grad.shape == net.stem.weight.shape
    assert hb.export(net.eval(), name="net").verify(images(9)).mismatches == 0


@pytest.mark.parametrize("score", ["magnitude", "wanda", "fisher", "group-l1", "l0"])
def test_a_neuron_that_does_nothing_goes_first(score):
    net = network(16, 12, 3, shape=(4, 4), format="int8", requant="shift")
    with torch.no_grad():
        net.fc1.weight[5], net.fc2.weight[:, 5] = 1e-6, 0
        if score in ("group-l1", "l0"):  # learned scores see the loss: give the others something to lose
            net.fc1.weight.abs_()
    torch.manual_seed(0)
    y = torch.arange(600) % 3
    x = images(600, 4) // 4 + (90 * (torch.arange(4)[None, :, None] == y[:, None, None])).to(torch.uint8)
    pruned = prune(net, 0.05, structured=True, score=score, x=x, y=y)
    assert pruned.widths["fc1"] == (12, 11)
    if not SCORES[score].learned:
        assert net.fc1.weight.abs().amax(1).min() > 1e-3


def test_logits_and_bias_stay_what_they_are_when_the_width_changes():
    net = network(64, 20, 10, shape=(8, 8), requant="shift", format="int4", last={"bias": True})
    silence(net, "fc1", [2, 3])
    for layer in net.modules():
        if isinstance(layer, BitLayer):
            layer.freeze_clip()
    with torch.no_grad():
        net.fc2.bias.bias.normal_()
    before = net.fc2.scores_to_logits(net(images()))
    ties = find_ties(net)
    remove(net, ties, gone(ties, *ties.layers["fc1"].rows[[2, 3]]))
    assert torch.allclose(net.fc2.scores_to_logits(net(images())), before)
    assert net.fc2.bias.unit == net.fc2.score_unit()


def test_a_target_that_cannot_be_reached_names_the_nearest_that_can():
    net = network(64, 20, 16, 10, shape=(8, 8))
    with pytest.raises(HalfbyteError, match=r"^sparsity 0\.99: with one channel left in every layer, 0\.9574 of") as e:
        prune(net, 0.99, structured=True)
    assert one_line(str(e.value))
    assert widths(net) == {"fc1": (64, 20), "fc2": (20, 16), "fc3": (16, 10)}
    prune(net, 0.95, structured=True)


def test_a_mask_that_empties_a_layer_is_refused_and_nothing_is_cut():
    net = network(64, 20, 16, 10, shape=(8, 8))
    ties = find_ties(net)
    with pytest.raises(HalfbyteError, match=r"^fc1: every one of its 20 channels would go; keep one at least$"):
        remove(net, ties, gone(ties, *ties.layers["fc1"].rows.tolist()))
    assert widths(net)["fc1"] == (64, 20)


def test_what_channels_cannot_be_followed_through_is_named():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.input, self.fc = Input((4,)), BitLinear(4, 4, requant=None)

        def forward(self, x):
            return torch.relu(self.fc(self.input(x)))

    with pytest.raises(HalfbyteError, match=r"^relu: channels cannot be followed through 'relu'$"):
        prune(Odd(), 0.5, structured=True)
    with pytest.raises(HalfbyteError, match=r"^1: channels cannot be followed through Softmax$"):
        prune(nn.Sequential(Input((4,)), nn.Softmax(1), BitLinear(4, 4, requant=None)), 0.5, structured=True)
    with pytest.raises(HalfbyteError, match=r"no hb\.Input"):
        prune(nn.Sequential(BitLinear(4, 4, requant=None)), 0.5, structured=True)


def test_scores_that_look_at_samples_ask_for_them():
    net = network(64, 20, 10, shape=(8, 8))
    with pytest.raises(HalfbyteError, match=r"^score 'fisher' looks at samples and their classes; give it x and y$"):
        prune(net, 0.5, structured=True, score="fisher", x=images())
    with pytest.raises(HalfbyteError, match=r"^score 'wanda' looks at samples"):
        prune(net, 0.5, structured=True, score="wanda")
    with pytest.raises(HalfbyteError, match=r"^unknown pruning score 'wander'; there are magnitude, wanda, fisher"):
        prune(net, 0.5, structured=True, score="wander")


def test_the_channel_that_is_worth_least_for_what_it_costs_goes_first():
    ties = find_ties(network(64, 20, 16, 10, shape=(8, 8)))  # a neuron of fc1: 80 weights, of fc2: 30
    scores = torch.full((ties.count,), 100.0)
    scores[3], scores[25] = 8.0, 6.0  # 0.1 and 0.2 for a weight
    assert torch.nonzero(choose(ties, scores, Goal(0.01, "weights"), per_cost=True)).tolist() == [[4]]
    assert torch.nonzero(choose(ties, scores, Goal(0.01, "weights"), per_cost=False)).tolist() == [[26]]


def test_a_layer_that_has_lost_much_holds_on_to_the_rest():
    """All channels alike: the dearest layer loses most, but not nearly all."""
    net = network(64, 20, 20, 20, 10, shape=(8, 8))
    with torch.no_grad():
        for layer in net.modules():
            if isinstance(layer, BitLayer):
                layer.weight.fill_(1.0)
    for score in ("magnitude", "wanda"):
        widths = prune(copy.deepcopy(net), 0.65, structured=True, score=score, x=images()).widths
        assert 4 <= widths["fc1"][1] < widths["fc3"][1]


@pytest.mark.parametrize("score", ["magnitude", "wanda"])
def test_layers_keep_a_multiple_of_channels_where_that_is_asked(score):
    model = nn.Sequential(
        Input((8, 8)),
        nn.Unflatten(1, (1, 8)),
        BitConv2d(1, 19, 3, padding=1, requant="mulshift"),
        BitConv2d(19, 19, 3, padding=1, groups=19, requant="mulshift"),
        BitConv2d(19, 24, 3, requant="mulshift"),
        GlobalAvgPool(),
        BitLinear(24, 10, requant=None),
    )
    x = torch.randint(0, 128, (20, 8, 8), dtype=torch.uint8)
    pruned = prune(model, 0.4, structured=True, score=score, cost="products", multiple=8, x=x)
    left = [after for _, after in pruned.widths.values()]
    assert left[0] == left[1]  # the depthwise convolution goes with what it reads
    assert all(n % 8 == 0 or n == 19 for n in left[:-1])
    assert left[-1] == 10
    assert pruned.products >= 0.4
    model.eval()(x)
    message = r"with 8 channels or fewer left in every layer, 0\.\d+ of the weights are gone"
    with pytest.raises(HalfbyteError, match=message):
        prune(model, 0.99, structured=True, multiple=8)
