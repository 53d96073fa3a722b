"""Every method keeps the contract; what is optional is off in the paper's setting."""

from dataclasses import replace

import pytest
import torch

from wespe.adversarial import AdversarialConfig
from wespe.batch import Batch
from wespe.learner import Learner, LearnerConfig
from wespe.methods import METHODS, MethodConfig, build_generator, build_method
from wespe.methods.distort_recover import DistortRecoverConfig
from wespe.methods.dpe import DpeConfig
from wespe.methods.dped import DpedConfig
from wespe.methods.enhancegan import EnhanceGanConfig
from wespe.methods.hdrnet import HdrnetConfig
from wespe.methods.hdrnet_unpaired import HdrnetUnpairedConfig
from wespe.methods.johnson import JohnsonConfig
from wespe.methods.lut_residual import LutResidualConfig
from wespe.methods.lut_restore import DegradationConfig, LutRestoreConfig
from wespe.methods.muspe import MuspeConfig
from wespe.methods.restore import RestoreConfig
from wespe.methods.srcnn import SrcnnConfig
from wespe.methods.upe import UpeConfig
from wespe.methods.wespe import LossWeights, WespeConfig
from wespe.methods.whitebox import WhiteboxConfig
from wespe.networks.bilateral import BilateralConfig
from wespe.networks.critic import CriticConfig
from wespe.networks.detail import DetailConfig
from wespe.networks.features import ContentConfig
from wespe.networks.light import LightConfig
from wespe.networks.lut import ColourConfig
from wespe.networks.patch_critic import PatchCriticConfig
from wespe.networks.photo_critic import PhotoCriticConfig
from wespe.networks.resnet import ResNetConfig
from wespe.networks.restorer import RestorerConfig
from wespe.networks.sliced_critic import SlicedCriticConfig
from wespe.networks.strided import StridedConfig
from wespe.networks.two_stream import TwoStreamConfig
from wespe.networks.unet import UNetConfig
from wespe.optimisers import OptimiserConfig

NETWORKS = {
    "generator": ResNetConfig(width=4, blocks=1),
    "critic": CriticConfig(width=0.1),
    "content": ContentConfig(layers={"relu1_2": 1.0}, weights="random"),
}
WESPE = WespeConfig(**NETWORKS)
LUT_RESIDUAL = LutResidualConfig(
    colour=ColourConfig(side=5, width=2),
    detail=DetailConfig(width=4, blocks=1),
    critic=PatchCriticConfig(width=4, halvings=2),
    content=NETWORKS["content"],
)
LUT_RESTORE = LutRestoreConfig(
    colour=ColourConfig(side=5, width=2),
    detail=RestorerConfig(width=4, blocks=1),
    content=NETWORKS["content"],
    degradation=DegradationConfig(steps=2),
)
RESTORE = RestoreConfig(
    colour=ColourConfig(side=2, width=1, bases=1, thumbnail_px=32),
    learn_light=True,
    light=LightConfig(widths=(4, 4)),
    detail=RestorerConfig(width=4, blocks=1),
    content=NETWORKS["content"],
    degradation=DegradationConfig(steps=2),
)
MUSPE = MuspeConfig(
    generator=TwoStreamConfig(widths=(4, 4)), critic=SlicedCriticConfig(width=4, halvings=2, slices=4)
)
JOHNSON = JohnsonConfig(generator=StridedConfig(width=4, blocks=1), content=NETWORKS["content"])
ENHANCEGAN = EnhanceGanConfig(
    content=ContentConfig(backbone="resnet18", layers={"layer1": 1.0}, weights="random"), judging_steps=0
)
DPE = DpeConfig(
    generator=UNetConfig(widths=(4, 8, 8), thumbnail_px=32),
    critic=PhotoCriticConfig(widths=(4, 8, 8)),
    critic_steps=1,
)
BILATERAL = BilateralConfig(side_px=16, width=8, halvings=2, cells=4, depth=4, knots=4)
CONFIGS: list[MethodConfig] = [
    WESPE,
    DpedConfig(**NETWORKS),
    SrcnnConfig(),
    LUT_RESIDUAL,
    LUT_RESTORE,
    RESTORE,
    ENHANCEGAN,
    DPE,
    HdrnetConfig(generator=BILATERAL),
    HdrnetUnpairedConfig(generator=BILATERAL, critic=LUT_RESIDUAL.critic, content=NETWORKS["content"]),
    UpeConfig(generator=BILATERAL),
    MUSPE,
    JOHNSON,
    WhiteboxConfig(),
    DistortRecoverConfig(memory=8, edits=4),
]
SIZE = 32
FITTED = ("degradation.", "networks.generator.enhance.colour.")  # before the first step, and then never


def config_of(learning_rate: float = 5e-4, critics: float | None = None, **settings) -> LearnerConfig:
    """The paper's Adam at this rate, and the critics' at another where one is given."""
    others = {} if critics is None else {"critics": OptimiserConfig(learning_rate=critics)}
    return LearnerConfig(
        optimiser=OptimiserConfig(learning_rate=learning_rate), optimisers=others, **settings
    )


def learner(config: MethodConfig, **settings) -> Learner:
    torch.manual_seed(0)
    return Learner(build_method(config, size_px=SIZE), config_of(**settings))


def batch(seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    source, target, whole = torch.rand(3, 4, 3, SIZE, SIZE, generator=generator)
    return Batch(source, target, total=4, whole=whole)


def losses_of(config: MethodConfig, steps: int = 1) -> dict[str, float]:
    one = learner(config)
    for step in range(steps):
        one.learn(batch(step))
    return one.read_losses()


def test_every_method_is_tried_here() -> None:
    assert {config.name for config in CONFIGS} == set(METHODS)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_three_steps_move_every_parameter_and_nothing_frozen(config: MethodConfig) -> None:
    """An output that starts at zero moves what lies before it in step 2; a target network follows in 3."""
    one, frozen = learner(config), ("features.", *(FITTED if "restore" in config.name else ()))
    before = {name: p.clone() for name, p in one.method.named_parameters()}
    for step in range(3):
        one.learn(batch(step))
    still = {name for name, p in one.method.named_parameters() if torch.equal(p, before[name])}
    assert still == {name for name in before if name.startswith(frozen)}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_every_method_trains_in_the_memory_format_of_gpus(
    config: MethodConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = learner(config)
    monkeypatch.setattr("wespe.learner._fastest_format", lambda device: torch.channels_last)
    one = learner(config)
    for trained in (plain, one):
        for step in range(2):
            trained.learn(batch(step))
    assert one.read_losses() == pytest.approx(plain.read_losses(), rel=0.01, abs=1e-4)
    kernels = [p for p in one.method.networks.parameters() if p.ndim == 4 and min(p.shape[1:]) > 1]
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in kernels)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_each_turn_teaches_its_own_group_only(config: MethodConfig) -> None:
    """A misspelt requires_grad would let the critics learn to please the generator."""
    one = learner(config)
    turns = one.method.turns
    for turn in turns:
        one.method.networks.zero_grad()
        one.method.turns = (turn,)
        one.learn(batch(0))
        parameters = dict(one.method.networks.named_parameters())
        assert {n.split(".")[0] for n, p in parameters.items() if p.grad is not None} == {turn.learns}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_the_generator_alone_enhances_as_the_trained_method_does(config: MethodConfig) -> None:
    one = learner(config)
    one.learn(batch(0))
    alone = build_generator(config)
    alone.load_state_dict(one.generator.state_dict())
    photo = torch.rand(1, 3, 21, 33)
    torch.testing.assert_close(alone(photo), one.method.generator(photo))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_whatever_a_method_calls_a_weight_it_has_a_loss_for(config: MethodConfig) -> None:
    named = {name.partition("/")[2] for name in losses_of(config)}
    wanted = {n for turn in learner(config).method.turns for n, weight in turn.weights.items() if weight}
    assert wanted <= named
    assert "psnr_to_source" in named  # what the guard looks at


def test_what_the_paper_does_not_have_is_off_by_default() -> None:
    assert set(losses_of(WESPE)) == {
        "generators/content",
        "generators/colour",
        "generators/texture",
        "generators/tv",
        "model/psnr_to_source",
        "critics/colour_critic",
        "critics/colour_accuracy",
        "critics/texture_critic",
        "critics/texture_accuracy",
    }


@pytest.mark.parametrize(
    ("change", "term"),
    [
        ({"weights": LossWeights(direct=1.0)}, "generators/direct"),
        ({"weights": LossWeights(identity=1.0)}, "generators/identity"),
        ({"adversarial": AdversarialConfig(r1=1.0)}, "critics/colour_r1"),
    ],
)
def test_each_stabiliser_adds_its_term(change: dict, term: str) -> None:
    losses = losses_of(replace(WESPE, **change))
    assert losses[term] > 0


def test_the_gradient_penalty_makes_critics_flatter() -> None:
    """Through two differentiations, and through spectral norm."""
    for critic in (
        CriticConfig(width=0.1, norm="none"),
        CriticConfig(width=0.1, norm="none", spectral_norm=True),
    ):
        slopes = []
        for r1 in (0.0, 1e3):
            config = replace(WESPE, critic=critic, adversarial=AdversarialConfig(r1=r1, r1_every=1))
            one = learner(config, learning_rate=1e-3)
            for step in range(15):
                one.learn(batch(step))
            view = batch(99).target.clone().requires_grad_()
            logits = one.method.networks["critics"].colour(view)
            slopes.append(torch.autograd.grad(logits.sum(), view)[0].norm().item())
        assert slopes[1] < 0.7 * slopes[0], slopes


def test_an_identity_generator_pays_nothing_for_identity_and_direct() -> None:
    config = replace(
        WESPE,
        generator=replace(NETWORKS["generator"], output="residual"),
        weights=LossWeights(direct=1.0, identity=1.0),
    )
    losses = losses_of(config)
    assert losses["generators/identity"] == losses["generators/direct"] == 0


def test_dpeds_texture_weighs_as_much_as_its_colour() -> None:
    """As a mean over the batch it was 30 to 50 times weaker than in the authors' code."""
    torch.manual_seed(0)
    config = DpedConfig(content=ContentConfig(layers={"relu1_1": 1.0}, weights="random"))
    method = build_method(config, size_px=SIZE)
    truth = torch.rand(50, 3, SIZE, SIZE)
    scene = method.render(method.networks, Batch(0.6 * truth, truth, total=50))
    losses, weights = method.generator_losses(method.networks, scene), method.turns[0].weights
    texture, colour = (
        torch.autograd.grad(weights[name] * losses[name], scene.enhanced, retain_graph=True)[0].norm().item()
        for name in ("texture", "colour")
    )
    assert 0.1 < texture / colour < 10


def test_dped_pays_nothing_for_content_and_colour_when_it_hits_the_truth() -> None:
    config = DpedConfig(**{**NETWORKS, "generator": replace(NETWORKS["generator"], output="residual")})
    one = learner(config)
    same = batch(0).source
    one.learn(Batch(same, same, total=4))
    losses = one.read_losses()
    assert losses["generator/content"] == losses["generator/colour"] == 0


@pytest.mark.parametrize("config", CONFIGS[1:3], ids=lambda config: config.name)
def test_paired_methods_learn_the_truth_of_each_photo(config: MethodConfig) -> None:
    """Darkened photos come out brighter than they went in, whatever the critic says."""
    if isinstance(config, DpedConfig):
        config = replace(config, generator=ResNetConfig(width=4, blocks=0, norm="none", output="residual"))
    one = learner(config, learning_rate=2e-3)
    for step in range(60):
        truth = batch(step).target
        one.learn(Batch(0.5 * truth, truth, total=4))
    truth = batch(99).target
    with torch.no_grad():
        enhanced = one.generator(0.5 * truth)
    assert (enhanced - truth).square().mean() < 0.5 * (0.5 * truth - truth).square().mean()


def test_weights_of_imagenet_are_never_random_in_silence() -> None:
    with pytest.raises(ValueError, match="the weights of vgg19 are missing"):
        build_method(WespeConfig(), size_px=SIZE)
