"""A fitted network as scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastsoftmax._runtime.atomic import of_one_fit
from fastsoftmax._runtime.sklearn_compat import multilayer_perceptron, require_fit
from fastsoftmax._validation import networks as check_networks

OF_TRAINING = (
    *("n_iter_", "t_", "loss_", "loss_curve_", "best_loss_", "validation_scores_"),
    *("best_validation_score_", "n_features_in_", "feature_names_in_", "n_layers_"),
)


class NetworkToSklearn:
    """`to_sklearn` of an estimator that is a network."""

    @of_one_fit
    def to_sklearn(self) -> Any:
        """The fitted model as a ``sklearn.neural_network.MLPClassifier`` or ``MLPRegressor``.

        It makes the same predictions without this package, for deployment or for code that needs
        that class. ``feature_scale`` is multiplied into its first coefficients. With two classes it
        has one output, the difference of the two of this model. Its parameters are the defaults,
        except ``hidden_layer_sizes``, ``activation``, ``alpha`` and ``max_iter``.

        Returns
        -------
        sklearn.neural_network.MLPClassifier or sklearn.neural_network.MLPRegressor

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            If that class does not have the activations of the hidden layers, or the meaning of the
            outputs: a classifier's loss has to be "cross_entropy", or "binary_cross_entropy" with
            several labels per row.
        ImportError
            Without scikit-learn.

        Examples
        --------
        >>> from fastsoftmax import MLPRegressor
        >>> model = MLPRegressor(hidden_layer_sizes=4, max_iter=2000, random_state=0)
        >>> theirs = model.fit([[0.0], [1.0]], [0.0, 2.0]).to_sklearn()
        >>> type(theirs).__module__
        'sklearn.neural_network._multilayer_perceptron'
        """
        require_fit(self, "coefs_")
        settings = self._settings
        activation = check_networks.activation_of_sklearn(settings.activations)
        labels = getattr(self, "classes_", None)
        several = getattr(self, "_multilabel", False)
        if labels is not None:
            check_networks.loss_of_sklearn(settings.loss, several)
        coefs, intercepts = [W.copy() for W in self.coefs_], [b.copy() for b in self.intercepts_]
        coefs[0] *= coefs[0].dtype.type(settings.feature_scale)
        out_activation = self.out_activation_
        if labels is not None and len(labels) == 2 and not several:
            out_activation = "logistic"
            coefs[-1], intercepts[-1] = _difference(coefs[-1]), _difference(intercepts[-1])
        model = multilayer_perceptron(
            labels, several, hidden_layer_sizes=settings.hidden, activation=activation,
            alpha=self.alpha, max_iter=self.max_iter,
        )  # fmt: skip
        model.coefs_, model.intercepts_ = coefs, intercepts
        model.out_activation_, model.n_outputs_ = out_activation, coefs[-1].shape[1]
        for name in OF_TRAINING:
            if hasattr(self, name):
                setattr(model, name, getattr(self, name))
        return model


def _difference(of_two: NDArray) -> NDArray:
    """The difference along the last axis, which keeps a length of 1."""
    return np.ascontiguousarray(of_two[..., 1:] - of_two[..., :1])
