"""A small denoising autoencoder, for tags whose relations are curves rather than straight lines.

The network is trained to restore sub-windows in which one tag was shifted (Vincent et al.,
"Extracting and Composing Robust Features with Denoising Autoencoders", ICML 2008), so its output is
the expected sub-window, and it needs no bottleneck. Its input is the sub-window's leading principal
components, which keeps the network small and its training short. The residual is weighted per tag
and squared: summed over a tag's cells it is the tag's contribution. Its mean over the fitted
sub-windows is 1.
"""

import warnings
from typing import Any, NamedTuple

import numpy as np

from detectors.models.lagged import Node
from detectors.models.pca import balanced
from gateway.api.model import Floats

HIDDEN = (32, 32)
KEPT = 0.99
"""Share of variance in the network's input, in at most MAX_COMPONENTS components."""
MAX_COMPONENTS = 32
NOISE = 1.0
"""Largest shift of a tag, in its standard deviations, in every second example."""
EXAMPLES = 4000
EPOCHS = 60


class Layer(NamedTuple):
    """weight: float64[input, output]; bias: float64[output]."""

    weight: Floats
    bias: Floats


class Autoencoder(NamedTuple):
    """A fitted core.

    centre: float64[time * tag]; down: float64[time * tag, input] maps a centred row to the
    network's input, up: float64[output, time * tag] its output to a centred row; weight:
    float64[time, tag].
    """

    centre: Floats
    down: Floats
    layers: tuple[Layer, ...]
    up: Floats
    weight: Floats

    def __str__(self) -> str:
        inner = "-".join(str(len(layer.bias)) for layer in self.layers[:-1])
        size = self.down.shape[1]
        return f"denoising autoencoder, {size}-{inner}-{size}"

    def judge(self, rows: Floats) -> tuple[Floats, Floats]:
        """See `Core`."""
        rest = self.residual(rows)
        return ((rest * self.weight) ** 2).sum(axis=1), rest[:, -1]

    def residual(self, rows: Floats) -> Floats:
        """Difference between rows and the network's output, [row, time, tag]."""
        centred = rows - self.centre
        *hidden, last = self.layers
        values = centred @ self.down
        for layer in hidden:
            values = np.tanh(values @ layer.weight + layer.bias)
        usual = (values @ last.weight + last.bias) @ self.up
        return np.asarray((centred - usual).reshape(-1, *self.weight.shape), dtype=np.float64)

    def nodes(self) -> list[Node]:
        """See `Core`."""
        count = len(self.layers)
        net: list[Node] = []
        for n in range(count):
            net.append(("Gemm", [f"net{n}", f"weight{n}", f"bias{n}"], f"sum{n}", {}))
            net.append(("Tanh", [f"sum{n}"], f"net{n + 1}", {}))
        return [
            ("Gemm", ["row", "down", "shift"], "net0", {}),
            *net[:-1],
            ("Gemm", [f"sum{count - 1}", "up", "centre"], "usual", {}),
            ("Sub", ["row", "usual"], "rest", {}),
            ("Mul", ["rest", "weight"], "weighted", {}),
            ("Mul", ["weighted", "weighted"], "squared", {}),
            ("MatMul", ["squared", "tag_of_cell"], "part", {}),
            ("Reshape", ["rest", "cube"], "residual", {}),
            ("Gather", ["residual", "newest"], "off", {"axis": 1}),
        ]

    def constants(self) -> dict[str, Any]:
        """See `Core`."""
        arrays = {
            "centre": self.centre,
            "down": self.down,
            "shift": -self.centre @ self.down,
            "up": self.up,
            "weight": self.weight.ravel(),
        }
        for n, layer in enumerate(self.layers):
            arrays |= {f"weight{n}": layer.weight, f"bias{n}": layer.bias}
        single: dict[str, Any] = {name: a.astype(np.float32) for name, a in arrays.items()}
        return single | {"newest": np.array(len(self.weight) - 1)}


def fit(rows: Floats) -> list[Autoencoder]:
    """One core; standardised [row, time, tag]."""
    from sklearn.decomposition import PCA

    flat = rows.reshape(len(rows), -1)
    pca = PCA(svd_solver="covariance_eigh").fit(flat)
    enough = int(np.searchsorted(np.cumsum(pca.explained_variance_ratio_), KEPT)) + 1
    count = min(enough, MAX_COMPONENTS)
    components = pca.components_[:count]
    variance = np.maximum(pca.explained_variance_[:count], 1e-12)
    # Halfway to whitening: small components count as well, and their noise is not amplified.
    down = components.T / variance**0.25
    up = components * np.sqrt(variance.mean())
    usual, shifted = _examples(rows)
    layers = _trained((shifted - pca.mean_) @ down, (usual - pca.mean_) @ up.T / variance.mean())
    unweighted = Autoencoder(pca.mean_, down, layers, up, np.ones(rows.shape[1:]))
    return [unweighted._replace(weight=balanced(unweighted.residual(flat)))]


def _examples(rows: Floats) -> tuple[Floats, Floats]:
    """Evenly chosen rows, and the same with one tag shifted in every second row, flattened."""
    usual = rows[np.linspace(0, len(rows) - 1, EXAMPLES).astype(int)]
    shifted = usual.copy()
    rng = np.random.default_rng(0)
    chosen = np.arange(1, EXAMPLES, 2)
    tag = rng.integers(0, rows.shape[2], len(chosen))
    shifted[chosen, :, tag] += rng.uniform(-NOISE, NOISE, (len(chosen), 1))
    return usual.reshape(EXAMPLES, -1), shifted.reshape(EXAMPLES, -1)


def _trained(inputs: Floats, targets: Floats) -> tuple[Layer, ...]:
    """Layers of a network trained to map inputs to targets."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    net = MLPRegressor(
        hidden_layer_sizes=HIDDEN,
        activation="tanh",
        learning_rate_init=0.003,
        early_stopping=True,
        n_iter_no_change=5,
        max_iter=EPOCHS,
        random_state=0,
    )
    with warnings.catch_warnings():
        # Stopping after EPOCHS before convergence is intended.
        warnings.simplefilter("ignore", ConvergenceWarning)
        net.fit(inputs, targets.squeeze())
    return tuple(map(Layer, net.coefs_, net.intercepts_))
