"""What a maximum of the likelihood says of a model as a whole."""

import math
from typing import NamedTuple

LIKELIHOOD = "maximum likelihood"


class PseudoR2(NamedTuple):
    """Pseudo-R² of a fit, from its likelihood L and that of intercepts alone, L₀.

    Attributes
    ----------
    mcfadden : float
        1 - log L / log L₀.
    cox_snell : float
        1 - (L₀ / L)^(2/n).
    nagelkerke : float
        The same divided by its largest possible value, 1 - L₀^(2/n).
    """

    mcfadden: float
    cox_snell: float
    nagelkerke: float


class Facts(NamedTuple):
    """Of a model and its rows, of which there are as many as their weights sum to."""

    loglike: float
    null_loglike: float  # of the model without features
    n_observations: float
    n_coefficients: int
    classes: tuple[object, ...]
    method: str = LIKELIHOOD

    @property
    def aic(self) -> float:
        return 2 * self.n_coefficients - 2 * self.loglike

    @property
    def bic(self) -> float:
        return self.n_coefficients * math.log(self.n_observations) - 2 * self.loglike

    @property
    def pseudo_r2s(self) -> PseudoR2:
        per_row = 2 / self.n_observations
        cox_snell = -math.expm1(per_row * (self.null_loglike - self.loglike))
        largest = -math.expm1(per_row * self.null_loglike)
        return PseudoR2(1 - self.loglike / self.null_loglike, cox_snell, cox_snell / largest)

    def shown(self) -> dict[str, str]:
        """As the heading of a table."""
        return {
            "Observations": f"{self.n_observations:.10g}",
            "Coefficients": str(self.n_coefficients),
            "Log-likelihood": f"{self.loglike:.3f}",
            "of intercepts alone": f"{self.null_loglike:.3f}",
            "Pseudo R² (McFadden)": f"{self.pseudo_r2s.mcfadden:.4f}",
            "AIC": f"{self.aic:.3f}",
            "BIC": f"{self.bic:.3f}",
        }
