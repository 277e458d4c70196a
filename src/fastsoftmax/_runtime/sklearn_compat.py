"""scikit-learn where it is installed, and as little as estimators need where it is not.

The only file that imports scikit-learn. A scikit-learn that is installed but broken raises its own
error here: it is not treated as missing.
"""

import inspect
from importlib.util import find_spec

import numpy as np

if find_spec("sklearn") is not None:
    import sklearn
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError
    from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
    from sklearn.utils.validation import validate_data

    def check_features_of_fit(estimator, X, *, reset):
        """Set `n_features_in_` and `feature_names_in_`; or check X against them.

        Of an array it takes less than scikit-learn's 0.1 ms to see that it has no names.
        """
        if type(X) is np.ndarray and X.ndim == 2:
            if reset:
                vars(estimator).pop("feature_names_in_", None)
                estimator.n_features_in_ = X.shape[1]
                return
            known = vars(estimator)
            if "feature_names_in_" not in known and known.get("n_features_in_") == X.shape[1]:
                return
        validate_data(estimator, X, reset=reset, skip_check_array=True)

    def scorer_of(scoring):
        """scikit-learn's scorer of that name, or the function itself."""
        if not isinstance(scoring, str):
            return scoring
        from sklearn.metrics import get_scorer, get_scorer_names  # which takes long to import

        if scoring not in (names := get_scorer_names()):
            raise ValueError(
                "scoring: expected None, a function scorer(estimator, X, y) or one of "
                f"{', '.join(names)}, got {scoring!r}"
            )
        return get_scorer(scoring)

    def takes_weights(scorer):
        """Whether a scorer, or a function, has a place for sample_weight."""
        own = getattr(scorer, "_accept_sample_weight", None)  # of a scorer: whether its metric has
        return own() if own else has_parameter(scorer, "sample_weight")

    def is_routing_enabled():
        """Whether scikit-learn hands metadata on to those who request it, and to no others."""
        return sklearn.get_config().get("enable_metadata_routing", False)

    def routed(estimator, method, sample_weight, params):
        """What the splitter and the scorer of a method are handed, by scikit-learn's routing.

        Where that is not enabled as in `unrouted`.
        """
        if not is_routing_enabled():
            return unrouted(method, params)
        given = {"sample_weight": sample_weight, **params}
        given = {name: value for name, value in given.items() if value is not None}
        found = process_routing(estimator, method, **given) if given else {}
        return {
            name: dict(found.get(name, {}).get(callee, {}))
            for name, callee in (("splitter", "split"), ("scorer", "score"))
        }

    def metadata_router(estimator, splitter, scorer):
        """What an estimator asks for and hands on to a splitter, and to a scorer, if any."""
        router = MetadataRouter(owner=estimator).add_self_request(estimator)
        router.add(
            splitter=splitter, method_mapping=MethodMapping().add(caller="fit", callee="split")
        )
        if scorer is not None:
            mapping = MethodMapping().add(caller="fit", callee="score")
            router.add(scorer=scorer, method_mapping=mapping.add(caller="score", callee="score"))
        return router

    def logistic_regression(*, l1_ratio, **parameters):
        """scikit-learn's `LogisticRegression`, with this penalty in the terms of its version."""
        from sklearn.linear_model import LogisticRegression

        parameters["solver"] = "saga" if l1_ratio > 0 else "lbfgs"
        if inspect.signature(LogisticRegression).parameters["l1_ratio"].default is None:  # < 1.8
            parameters["penalty"] = {0: "l2", 1: "l1"}.get(l1_ratio, "elasticnet")
            l1_ratio = l1_ratio if 0 < l1_ratio < 1 else None
        return LogisticRegression(l1_ratio=l1_ratio, **parameters)

    def multilayer_perceptron(labels, several, **parameters):
        """scikit-learn's `MLPClassifier` of these labels, or its `MLPRegressor` without any."""
        from sklearn.neural_network import MLPClassifier, MLPRegressor
        from sklearn.preprocessing import LabelBinarizer

        if labels is None:
            return MLPRegressor(**parameters)
        model = MLPClassifier(**parameters)
        known = np.eye(len(labels), dtype=int) if several else labels
        model._label_binarizer = LabelBinarizer().fit(known)
        model.classes_ = model._label_binarizer.classes_
        return model
else:

    class NotFittedError(ValueError, AttributeError):
        """An estimator was used before it was fitted."""

    class ConvergenceWarning(UserWarning):
        """A fit ended before it had converged."""

    class DataConversionWarning(UserWarning):
        """Data was brought into another shape."""

    def check_features_of_fit(estimator, X, *, reset):
        """Set `n_features_in_`."""
        if reset:
            estimator.n_features_in_ = np.shape(X)[1]

    def scorer_of(scoring):
        """The function itself: names are scikit-learn's."""
        if isinstance(scoring, str):
            raise ImportError(
                "scoring: expected None, 'neg_log_loss', 'accuracy' or a function, got "
                f"{scoring!r}, which takes scikit-learn: pip install scikit-learn"
            )
        return scoring

    def takes_weights(scorer):
        """Whether a function has a place for sample_weight."""
        return has_parameter(scorer, "sample_weight")

    def is_routing_enabled():
        """No: routing takes scikit-learn."""
        return False

    def routed(estimator, method, sample_weight, params):
        """As `unrouted`."""
        return unrouted(method, params)

    def metadata_router(estimator, splitter, scorer):
        raise ImportError(
            "get_metadata_routing: expected scikit-learn, which is not installed: "
            "pip install scikit-learn"
        )

    def logistic_regression(*_, **parameters):
        raise ImportError(
            "to_sklearn: expected scikit-learn, which is not installed: pip install scikit-learn"
        )

    multilayer_perceptron = logistic_regression

    class BaseEstimator:
        """Parameters by the names of ``__init__``, as scikit-learn's base class has them."""

        @classmethod
        def _names(cls):
            return [p for p in inspect.signature(cls.__init__).parameters if p != "self"]

        def get_params(self, deep=True):
            """Parameters of the estimator, name to value."""
            return {name: getattr(self, name) for name in self._names()}

        def set_params(self, **params):
            """Set parameters by name; returns the estimator."""
            for name, value in params.items():
                if name not in self._names():
                    raise ValueError(
                        f"Invalid parameter {name!r} for estimator {self}. "
                        f"Valid parameters are: {self._names()!r}."
                    )
                setattr(self, name, value)
            return self

        def __repr__(self):
            defaults = inspect.signature(type(self).__init__).parameters
            changed = {
                name: value
                for name, value in self.get_params().items()
                if repr(value) != repr(defaults[name].default)
            }
            return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in changed.items())})"

    class ClassifierMixin:
        """The score of a classifier: its accuracy."""

        def score(self, X, y, sample_weight=None):
            """Share of rows (by weight) whose label is predicted."""
            right = self.predict(X)
            right = right == np.reshape(y, right.shape)
            right = right if right.ndim == 1 else right.all(axis=1)
            return float(np.average(right, weights=sample_weight))

    class RegressorMixin:
        """The score of a regressor: R², the mean over the outputs."""

        def score(self, X, y, sample_weight=None):
            """1 - squared errors / squared deviations from the mean of y."""
            predicted = self.predict(X)
            y = np.reshape(y, predicted.shape).astype(np.float64)
            errors = np.average((predicted - y) ** 2, axis=0, weights=sample_weight)
            centred = y - np.average(y, axis=0, weights=sample_weight)
            spread = np.average(centred**2, axis=0, weights=sample_weight)
            return float(np.mean(1 - errors / spread))


def unrouted(method, params):
    """Groups for the splitter, and None for the scorer: what is usual there."""
    if unknown := [name for name in params if name != "groups" or method != "fit"]:
        raise TypeError(
            f"{method}: expected no further arguments unless scikit-learn's metadata routing is "
            f"enabled, got {', '.join(unknown)}"
        )
    return {"splitter": params, "scorer": None}


def of_all_classes(scorer, classes):
    """The scorer with a metric that knows all classes, of which the rows of a fold may lack some.

    As in `LogisticRegressionCV` of scikit-learn 1.9, of two classes the second is the positive one.
    """
    metric = getattr(scorer, "_score_func", None)
    known = () if metric is None else inspect.signature(metric).parameters
    if "labels" not in known:
        return scorer
    more = {"labels": classes}
    if len(classes) == 2 and "pos_label" in known:
        more["pos_label"] = classes[1]
    return type(scorer)(metric, scorer._sign, more | scorer._kwargs, scorer._response_method)


def has_parameter(function, name):
    """Whether a function can be called with an argument of this name."""
    parameters = inspect.signature(function).parameters
    return name in parameters or any(p.kind == p.VAR_KEYWORD for p in parameters.values())


def require_fit(estimator, attribute):
    """Raise unless a fit has set the attribute."""
    if not hasattr(estimator, attribute):
        raise NotFittedError(
            f"This {type(estimator).__name__} instance is not fitted yet: call fit(X, y) first."
        )


__all__ = [
    "BaseEstimator",
    "ClassifierMixin",
    "ConvergenceWarning",
    "DataConversionWarning",
    "NotFittedError",
    "RegressorMixin",
    "check_features_of_fit",
    "is_routing_enabled",
    "logistic_regression",
    "metadata_router",
    "multilayer_perceptron",
    "of_all_classes",
    "require_fit",
    "routed",
    "scorer_of",
    "takes_weights",
]
