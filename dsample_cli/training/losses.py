"""Training losses.

A loss names what it works on in its signature: the `logits` z, shape [B, C], the label ids
(`labels`, y), shape [B], the class share that the present epoch is expected to draw (`share`, q)
and the training examples per class (`counts`, n), both shape [C]. Options have defaults. It
returns the loss of each example, shape [B]; p = softmax(z) is what the model predicts.

What corrects a class prior reads `share`, not `counts`: the prior that the sampler draws is the
one that the model would learn. So no loss corrects again what the sampler has balanced already,
but for `weighted`, whose weights are of the data.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy as _cross_entropy
from torch.nn.functional import log_softmax, softmax

from dsample_cli.core.loss_options import check_loss_options

Loss = Callable[..., Tensor]

# Below it a share counts as this, so that the log of what is never drawn stays finite.
_SMALLEST_SHARE = 1e-8
# Below it 1 - p counts as this, so that its powers have finite gradients.
_SMALLEST_COMPLEMENT = 1e-12


def cross_entropy(logits: Tensor, labels: Tensor, label_smoothing: float = 0.1) -> Tensor:
    """Cross-entropy of each example: the usual loss.

    loss[i] = -sum_c t[c] log p[i, c], with t[c] = (1 - s) [c = y[i]] + s / C

    When: The default: the schedule alone decides what the model is trained for.
        A little smoothing makes it less sure of itself; on 150 classes the correction afterwards
        gained more with it.
    Cost: None.
    Risk: The model learns the class shares that it was shown. Where a scored epoch has the last
        word, its probabilities are too high for rare classes.

    Args:
        logits: Shape [B, C].
        labels: Label ids, shape [B].
        label_smoothing: Share s of the target that is spread over all classes, below 1.

    Returns:
        Losses, shape [B], in fp32.

    Raises:
        ConfigError: If label_smoothing lies outside 0..1 or is 1.

    References:
        Maximum likelihood; see Goodfellow et al., Deep Learning, MIT Press 2016, section 6.2.2.
        Smoothing: Szegedy et al., Rethinking the Inception Architecture, CVPR 2016.

    Examples:
        >>> cross_entropy(torch.tensor([[2.0, 1.0, 0.1]]), torch.tensor([0]), label_smoothing=0)
        tensor([0.4170])
    """
    check_loss_options(label_smoothing=label_smoothing)
    return _cross_entropy(_exact(logits), labels, reduction="none", label_smoothing=label_smoothing)


def label_aware_smoothing_loss(
    logits: Tensor,
    labels: Tensor,
    counts: Tensor,
    smoothing_many: float = 0.4,
    smoothing_few: float = 0.1,
) -> Tensor:
    """Cross-entropy whose targets are smoothed more, the more frequent the label is.

    loss[i] = -sum_c t[c] log p[i, c], with t[c] = (1 - s) [c = y[i]] + s / C; s = s_few +
    (s_many - s_few) sin(pi/2 (n[y] - n_min) / (n_max - n_min))

    When: The probabilities are to be trusted: large classes are those the model is too sure of.
    Cost: None.
    Risk: Improves calibration, hardly recall. Where all classes are of one size, each counts as
        the smallest.

    Args:
        logits: Shape [B, C].
        labels: Label ids, shape [B].
        counts: Training examples per class, shape [C].
        smoothing_many: s_many, of the largest class, below 1.
        smoothing_few: s_few, of the smallest class, below 1.

    Returns:
        Losses, shape [B], in fp32.

    Raises:
        ConfigError: If a smoothing lies outside 0..1 or is 1.

    References:
        Zhong et al., Improving Calibration for Long-Tailed Recognition (MiSLAS), CVPR 2021.

    Examples:
        >>> label_aware_smoothing_loss(
        ...     torch.tensor([[2.0, 1.0, 0.1]]), torch.tensor([0]), torch.tensor([60, 30, 10])
        ... )
        tensor([0.8037])
    """
    check_loss_options(smoothing_many=smoothing_many, smoothing_few=smoothing_few)
    smoothing = smoothing_by_class(counts, smoothing_many, smoothing_few)[labels]
    log_probs = log_softmax(_exact(logits), dim=-1)
    smoothing = smoothing.to(log_probs.dtype)
    return -(1 - smoothing) * _of_label(log_probs, labels) - smoothing * log_probs.mean(dim=-1)


def weighted_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    counts: Tensor,
    share: Tensor,
    class_weight: str = "balanced",
    weight_beta: float = 0.999,
) -> Tensor:
    """Cross-entropy times a weight of the label, higher for rare classes.

    loss[i] = -w[y[i]] log p[i, y[i]], with w ~ 1 / n (balanced), 1 - n / N (one-minus-share) or
    (1 - b) / (1 - b^n) (effective-number), scaled so that sum_c q[c] w[c] = 1; q is the class
    share that the epoch is expected to draw

    When: In place of a scored schedule: the classes are weighed, and each example is seen once.
    Cost: None.
    Risk: A rare example with a large weight makes a step jump, where a sampler would make several
        small ones; use large batches. The weights are of the data: with a balancing score rare
        classes are favoured twice, which is warned of.

    Args:
        logits: Shape [B, C].
        labels: Label ids, shape [B].
        counts: Training examples per class, shape [C].
        share: Class share that the epoch is expected to draw, shape [C].
        class_weight: "balanced", "one-minus-share" (nearly flat with many classes) or
            "effective-number".
        weight_beta: b of effective-number, from 0 (no weights) to below 1 (towards balanced).

    Returns:
        Losses, shape [B], in fp32. The mean weight of what the epoch draws is 1, so that dividing
        their sum by the number of examples keeps the scale of cross-entropy. torch's "mean" divides
        by the sum of the weights in the batch; this divides by what that sum is on average, so that
        several processes and accumulated batches give the gradient of one big batch.

    Raises:
        ConfigError: If class_weight is something else, or weight_beta lies outside 0..1 or is 1.

    References:
        King and Zeng, Logistic Regression in Rare Events Data, Political Analysis 2001;
        effective-number: Cui et al., Class-Balanced Loss, CVPR 2019.

    Examples:
        >>> counts = torch.tensor([60.0, 30.0, 10.0])
        >>> weighted_cross_entropy(
        ...     torch.tensor([[2.0, 1.0, 0.1]]), torch.tensor([0]), counts, counts / 100
        ... )
        tensor([0.2317])
    """
    weights = loss_weights(counts, class_weight, weight_beta)
    losses = _negative_log_likelihood(logits, labels)
    return (weights / (share * weights).sum())[labels].to(losses.dtype) * losses


def focal_loss(logits: Tensor, labels: Tensor, focal_gamma: float = 2.0) -> Tensor:
    """Cross-entropy that fades for examples which the model already gets right.

    loss[i] = -(1 - p[i, y[i]])^g log p[i, y[i]]

    When: Most examples are easy, in every class.
    Cost: None.
    Risk: Knows nothing of class sizes; wrong labels weigh most; the probabilities come out too
        near to each other.

    Args:
        logits: Shape [B, C].
        labels: Label ids, shape [B].
        focal_gamma: The exponent g, 0 or more; 0 is `ce`.

    Returns:
        Losses, shape [B], in fp32.

    Raises:
        ConfigError: If focal_gamma < 0.

    References:
        Lin et al., Focal Loss for Dense Object Detection, ICCV 2017; here with softmax.

    Examples:
        >>> focal_loss(torch.tensor([[2.0, 1.0, 0.1]]), torch.tensor([0]))
        tensor([0.0485])
    """
    check_loss_options(focal_gamma=focal_gamma)
    losses = _negative_log_likelihood(logits, labels)
    return _complement(-losses) ** focal_gamma * losses


def soft_f1_loss(logits: Tensor, labels: Tensor, f1_weight: float = 0.5) -> Tensor:
    """Mixture of cross-entropy and the macro-F1 of the batch, counted with probabilities.

    loss[i] = (1 - a) CE[i] + a (1 - mean_c F[c]), F[c] = 2 sum_i p[i, c] [y[i] = c] /
    (sum_i p[i, c] + sum_i [y[i] = c]); over the classes that the batch has labels of

    When: Macro-F1 is what counts, batches are large (64 or more) and classes few.
    Cost: None.
    Risk: F is a quantity of the batch: other batch sizes train something else, and several
        processes average the F of theirs instead of taking that of all. What is predicted as a
        class that the batch lacks costs nothing but through cross-entropy. Spoils calibration.

    Args:
        logits: Shape [B, C].
        labels: Label ids, shape [B].
        f1_weight: a, from 0 (`ce`) to 1 (F1 alone).

    Returns:
        Losses, shape [B], in fp32; their mean is that of the batch, whose F1 each example carries.

    Raises:
        ConfigError: If f1_weight lies outside 0..1.

    References:
        Pastor-Pellicer et al., F-Measure as the Error Function to Train Neural Networks, IWANN
        2013; here as the mean over classes.

    Examples:
        >>> soft_f1_loss(torch.tensor([[2.0, 1.0, 0.1]]), torch.tensor([0]), f1_weight=1.0)
        tensor([0.2055])
    """
    check_loss_options(f1_weight=f1_weight)
    logits = _exact(logits)
    truth = _one_hot(labels, logits)
    probs = softmax(logits, dim=-1)
    examples = truth.sum(dim=0)
    f1 = 2 * (probs * truth).sum(dim=0) / (probs.sum(dim=0) + examples + 1e-8)
    is_present = (examples > 0).to(f1.dtype)
    macro_f1 = (f1 * is_present).sum() / is_present.sum()
    return (1 - f1_weight) * _negative_log_likelihood(logits, labels) + f1_weight * (1 - macro_f1)


def balanced_softmax_loss(logits: Tensor, labels: Tensor, share: Tensor) -> Tensor:
    """Cross-entropy of a softmax that knows the class shares, so that the logits need not.

    loss[i] = CE(z[i] + log q); q is the class share that the epoch is expected to draw

    When: All classes count alike. The plain logits come out as if the classes were equally
        frequent, under every score and schedule: nothing is left to correct.
    Cost: None.
    Risk: Where the data to come is as imbalanced as the training data, accuracy suffers. A
        class's few texts can still be memorised.

    Args:
        logits: Shape [B, C].
        labels: Label ids, shape [B].
        share: Class share that the epoch is expected to draw, shape [C].

    Returns:
        Losses, shape [B], in fp32.

    References:
        Ren et al., Balanced Meta-Softmax for Long-Tailed Visual Recognition, NeurIPS 2020; here
        with the share that is drawn in place of the data's.

    Examples:
        >>> balanced_softmax_loss(
        ...     torch.tensor([[2.0, 1.0, 0.1]]), torch.tensor([0]), torch.tensor([0.6, 0.3, 0.1])
        ... )
        tensor([0.1897])
    """
    return logit_adjusted_loss(logits, labels, share)


def logit_adjusted_loss(logits: Tensor, labels: Tensor, share: Tensor, tau: float = 1.0) -> Tensor:
    """Balanced softmax with a strength: how much of the class shares the logits need not hold.

    loss[i] = CE(z[i] + tau log q); q is the class share that the epoch is expected to draw

    When: Between `ce` (tau 0) and `balanced-softmax` (tau 1), or beyond it.
    Cost: None.
    Risk: Above 1 rare classes are favoured over balance, below 1 some of the imbalance stays.

    Args:
        logits: Shape [B, C].
        labels: Label ids, shape [B].
        share: Class share that the epoch is expected to draw, shape [C].
        tau: The strength, 0 or more.

    Returns:
        Losses, shape [B], in fp32.

    Raises:
        ConfigError: If tau < 0.

    References:
        Menon et al., Long-Tail Learning via Logit Adjustment, ICLR 2021; here with the share that
        is drawn in place of the data's.

    Examples:
        >>> logit_adjusted_loss(
        ...     torch.tensor([[2.0, 1.0, 0.1]]), torch.tensor([0]), torch.tensor([0.6, 0.3, 0.1])
        ... )
        tensor([0.1897])
    """
    check_loss_options(tau=tau)
    logits = _exact(logits)
    return _negative_log_likelihood(logits + tau * _log_share(share, logits), labels)


def vs_loss(
    logits: Tensor,
    labels: Tensor,
    counts: Tensor,
    share: Tensor,
    vs_gamma: float = 0.3,
    tau: float = 1.0,
) -> Tensor:
    """Vector scaling: logit adjustment, and smaller logits for rare classes while training.

    loss[i] = CE(d z[i] + tau log q), with d[c] = (n[c] / n_max)^g; q is the class share that the
    epoch is expected to draw

    When: The training data is learned by heart; the factor d still acts there, where the term
        with tau fades.
    Cost: None.
    Risk: Two strengths to tune. A large g leaves rare classes hardly a gradient at first.

    Args:
        logits: Shape [B, C].
        labels: Label ids, shape [B].
        counts: Training examples per class, shape [C].
        share: Class share that the epoch is expected to draw, shape [C].
        vs_gamma: The exponent g, 0 or more; 0 is `logit-adjusted`.
        tau: Strength of the adjustment, 0 or more.

    Returns:
        Losses, shape [B], in fp32.

    Raises:
        ConfigError: If vs_gamma or tau < 0.

    References:
        Kini et al., Label-Imbalanced and Group-Sensitive Classification under
        Overparameterization, NeurIPS 2021; here with the share that is drawn in the second term.

    Examples:
        >>> counts = torch.tensor([60.0, 30.0, 10.0])
        >>> vs_loss(torch.tensor([[2.0, 1.0, 0.1]]), torch.tensor([0]), counts, counts / 100)
        tensor([0.1624])
    """
    check_loss_options(vs_gamma=vs_gamma)
    logits = _exact(logits)
    counts = counts.clamp_min(1).to(logits.dtype)
    return logit_adjusted_loss((counts / counts.max()) ** vs_gamma * logits, labels, share, tau)


def dice_loss(
    logits: Tensor, labels: Tensor, dice_alpha: float = 0.01, dice_smooth: float = 1.0
) -> Tensor:
    """Dice coefficient of each example's true class, in place of its log-probability.

    loss[i] = 1 - (2 r + s) / (r + 1 + s), with r = (1 - p)^a p and p = p[i, y[i]]

    When: Labels are noisy: no example can cost more than 1 / (1 + s).
    Cost: None.
    Risk: What is entirely wrong has no gradient, so that training may not get going. A high a
        makes p = 1 / (1 + a) the best probability of a true class. Knows nothing of class sizes.

    Args:
        logits: Shape [B, C].
        labels: Label ids, shape [B].
        dice_alpha: The exponent a, 0 or more; easy examples count less where it is higher.
        dice_smooth: s, 0 or more; flattens the loss.

    Returns:
        Losses, shape [B], in fp32.

    Raises:
        ConfigError: If an option is < 0.

    References:
        Li et al., Dice Loss for Data-imbalanced NLP Tasks, ACL 2020; the paper's form, with the
        alpha and smoothing of its scripts.

    Examples:
        >>> dice_loss(torch.tensor([[2.0, 1.0, 0.1]]), torch.tensor([0]))
        tensor([0.1312])
    """
    check_loss_options(dice_alpha=dice_alpha, dice_smooth=dice_smooth)
    log_prob = -_negative_log_likelihood(logits, labels)
    overlap = _complement(log_prob) ** dice_alpha * log_prob.exp()
    return 1 - (2 * overlap + dice_smooth) / (overlap + 1 + dice_smooth)


def seesaw_loss(
    logits: Tensor, labels: Tensor, share: Tensor, seesaw_p: float = 0.8, seesaw_q: float = 2.0
) -> Tensor:
    """Cross-entropy in which frequent labels punish rare classes less, and mistakes more.

    loss[i] = CE(z[i] + log S[y[i]]), with S[y, c] = min(1, (q[c] / q[y])^a)
    max(1, (p[c] / max(p[y], 0.01))^b); q is the class share that the epoch is expected to draw

    When: Many classes, of which the rare ones are hardly ever predicted.
    Cost: None.
    Risk: Punishes wrong labels by the power b of how unlikely they look.

    Args:
        logits: Shape [B, C].
        labels: Label ids, shape [B].
        share: Class share that the epoch is expected to draw, shape [C].
        seesaw_p: The exponent a, 0 or more: how much rare classes are spared.
        seesaw_q: The exponent b, 0 or more: how much mistakes are punished. No gradient flows
            through this factor.

    Returns:
        Losses, shape [B], in fp32.

    Raises:
        ConfigError: If an option is < 0.

    References:
        Wang et al., Seesaw Loss for Long-Tailed Instance Segmentation, CVPR 2021; with the share
        that is expected where the paper counts what it has seen.

    Examples:
        >>> seesaw_loss(
        ...     torch.tensor([[2.0, 1.0, 0.1]]), torch.tensor([0]), torch.tensor([0.6, 0.3, 0.1])
        ... )
        tensor([0.2207])
    """
    check_loss_options(seesaw_p=seesaw_p, seesaw_q=seesaw_q)
    logits = _exact(logits)
    log_share = _log_share(share, logits)
    sparing = seesaw_p * (log_share - log_share[labels, None]).clamp_max(0)
    log_probs = log_softmax(logits.detach(), dim=-1)
    of_label = _of_label(log_probs, labels).clamp_min(math.log(0.01))
    punishing = seesaw_q * (log_probs - of_label[:, None]).clamp_min(0)
    return _negative_log_likelihood(logits + sparing + punishing, labels)


def equalization_loss(
    logits: Tensor,
    labels: Tensor,
    share: Tensor,
    equalization_share: float | None = None,
    equalization_drop: float = 0.9,
) -> Tensor:
    """Cross-entropy in which the examples of other classes mostly let rare classes be.

    loss[i] = -log(exp z[i, y] / sum_c k[i, c] exp z[i, c]), with k = 0 at random, with probability
    g, where c is not y and q[c] < h, else 1; q is the class share that the epoch is expected to
    draw

    When: Many classes, of which the rare ones are hardly ever predicted.
    Cost: None.
    Risk: A class is rare or it is not, by the threshold; logit adjustment is smoother. What is left
        out is drawn at random, by several processes otherwise than by one.

    Args:
        logits: Shape [B, C].
        labels: Label ids, shape [B].
        share: Class share that the epoch is expected to draw, shape [C].
        equalization_share: The threshold h; half of a balanced share, 0.5 / C, unless it is given.
        equalization_drop: The probability g with which a rare class is left out.

    Returns:
        Losses, shape [B], in fp32.

    Raises:
        ConfigError: If an option lies outside 0..1.

    References:
        Tan et al., Equalization Loss for Long-Tailed Object Recognition, CVPR 2020; the softmax
        form.

    Examples:
        >>> equalization_loss(
        ...     torch.tensor([[2.0, 1.0, 0.1]]),
        ...     torch.tensor([0]),
        ...     torch.tensor([0.6, 0.3, 0.1]),
        ...     equalization_drop=1.0,
        ... )
        tensor([0.3133])
    """
    check_loss_options(equalization_share=equalization_share, equalization_drop=equalization_drop)
    logits = _exact(logits)
    threshold = 0.5 / len(share) if equalization_share is None else equalization_share
    # From torch's own generator, whose state a checkpoint holds.
    is_dropped = torch.rand(logits.shape, device=logits.device) < equalization_drop
    is_dropped &= (share < threshold) & (_one_hot(labels, logits) == 0)
    return _negative_log_likelihood(logits.masked_fill(is_dropped, -torch.inf), labels)


def ldam_loss(
    logits: Tensor,
    labels: Tensor,
    counts: Tensor,
    ldam_margin: float = 0.5,
    ldam_scale: float = 30.0,
) -> Tensor:
    """Cross-entropy of a cosine head that must find the label by a margin, larger for rare classes.

    loss[i] = CE(z[i] - s m[y] [c = y]), with m[c] = m_max (n_min / n[c])^(1/4) and z[c] =
    s cos(w[c], h)

    When: Rare classes are learned by heart and not recognised again. The paper's own way is
        --schedule natural with --drw, which weighs the classes in the last epochs.
    Cost: None in training. No last layer can hold the cosine head, which is kept beside the model.
    Risk: The margin does not balance the classes: that is left to --drw or to the correction.
        Probabilities come out too sure, as the margin is there in training alone.

    Args:
        logits: Shape [B, C]; those of a cosine head, which a run with this loss trains.
        labels: Label ids, shape [B].
        counts: Training examples per class, shape [C].
        ldam_margin: m_max, the margin of the rarest class as a difference of cosines, 0 or more.
        ldam_scale: s, what the head multiplies cosines by, above 0.

    Returns:
        Losses, shape [B], in fp32.

    Raises:
        ConfigError: If an option is impossible.

    References:
        Cao et al., Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss, NeurIPS
        2019.

    Examples:
        >>> cosines = torch.tensor([[0.6, 0.2, -0.1]])
        >>> ldam_loss(30 * cosines, torch.tensor([0]), torch.tensor([60.0, 30.0, 10.0]))
        tensor([0.0855])
    """
    check_loss_options(ldam_margin=ldam_margin, ldam_scale=ldam_scale)
    logits = _exact(logits)
    margins = ldam_margins(counts, ldam_margin).to(logits.dtype)
    return _negative_log_likelihood(
        logits - ldam_scale * margins * _one_hot(labels, logits), labels
    )


LOSSES: dict[str, Loss] = {
    "ce": cross_entropy,
    "label-aware-smoothing": label_aware_smoothing_loss,
    "weighted": weighted_cross_entropy,
    "focal": focal_loss,
    "soft-f1": soft_f1_loss,
    "balanced-softmax": balanced_softmax_loss,
    "logit-adjusted": logit_adjusted_loss,
    "vs": vs_loss,
    "dice": dice_loss,
    "seesaw": seesaw_loss,
    "equalization": equalization_loss,
    "ldam": ldam_loss,
}


def loss_weights(
    counts: Tensor, class_weight: str = "balanced", weight_beta: float = 0.999
) -> Tensor:
    """Weight of each class in `weighted`, before it is scaled to what is drawn.

    balanced: N / (C n);  one-minus-share: 1 - n / N;  effective-number: (1 - b) / (1 - b^n),
    scaled to sum to C

    Args:
        counts: Training examples per class, shape [C]; none counts as one.
        class_weight: Which of them.
        weight_beta: b, from 0 to below 1.

    Returns:
        Shape [C].

    Raises:
        ConfigError: If an option is impossible.

    Examples:
        >>> loss_weights(torch.tensor([60.0, 30.0, 10.0]))
        tensor([0.5556, 1.1111, 3.3333])
    """
    check_loss_options(class_weight=class_weight, weight_beta=weight_beta)
    counts = counts.clamp_min(1)
    if class_weight == "balanced":
        return counts.sum() / (len(counts) * counts)
    if class_weight == "one-minus-share":
        return 1 - counts / counts.sum()
    log_beta = math.log(weight_beta) if weight_beta > 0 else -math.inf
    weights = -1 / torch.expm1(counts * log_beta)
    return weights * (len(counts) / weights.sum())


def smoothing_by_class(
    counts: Tensor, smoothing_many: float = 0.4, smoothing_few: float = 0.1
) -> Tensor:
    """Label smoothing of each class in `label-aware-smoothing`, shape [C].

    Examples:
        >>> smoothing_by_class(torch.tensor([60.0, 30.0, 10.0]))
        tensor([0.4000, 0.2763, 0.1000])
    """
    fewest, most = counts.min(), counts.max()
    position = (counts - fewest) / (most - fewest).clamp_min(1)
    return smoothing_few + (smoothing_many - smoothing_few) * torch.sin(math.pi / 2 * position)


def ldam_margins(counts: Tensor, ldam_margin: float = 0.5) -> Tensor:
    """Margin of each class in `ldam`, shape [C]; a class without examples counts as one of one.

    Examples:
        >>> ldam_margins(torch.tensor([60.0, 30.0, 10.0]))
        tensor([0.3195, 0.3799, 0.5000])
    """
    counts = counts.clamp_min(1)
    return ldam_margin * (counts.min() / counts) ** 0.25


def _negative_log_likelihood(logits: Tensor, labels: Tensor) -> Tensor:
    """-log p of each example's label, shape [B], in fp32."""
    return _cross_entropy(_exact(logits), labels, reduction="none")


def _exact(logits: Tensor) -> Tensor:
    """Logits in fp32, or in fp64 if they are."""
    return logits if logits.dtype == torch.float64 else logits.float()


def _log_share(share: Tensor, logits: Tensor) -> Tensor:
    return share.to(logits.dtype).clamp_min(_SMALLEST_SHARE).log()


def _one_hot(labels: Tensor, logits: Tensor) -> Tensor:
    """Shape [B, C], in the logits' dtype."""
    classes = torch.arange(logits.shape[-1], device=logits.device)
    return (labels[:, None] == classes).to(logits.dtype)


def _of_label(values: Tensor, labels: Tensor) -> Tensor:
    """Of each row of values, shape [B, C], that of its label, shape [B]."""
    return values.gather(1, labels[:, None])[:, 0]


def _complement(log_prob: Tensor) -> Tensor:
    """1 - exp(log_prob), above 0 so that its powers have finite gradients."""
    return (-torch.expm1(log_prob)).clamp_min(_SMALLEST_COMPLEMENT)
