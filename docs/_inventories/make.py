"""Write the inventories of other projects' names that the site links to, by sphobjinv.

    pip install sphobjinv && python docs/_inventories/make.py

Only names that are used are listed, so that a build fetches nothing.
"""

from pathlib import Path

from sphobjinv import DataObjStr, Inventory, compress, writebytes

FOLDER = Path(__file__).parent
PROJECTS = {
    "numpy": ("reference/generated/{0}.html#{0}", {
        "numpy.memmap": "class",
        "numpy.ndarray": "class",
        "numpy.savez": "function",
        "numpy.dtype": "class",
    }),
    "scipy": ("reference/generated/{0}.html#{0}", {
        "scipy.optimize.minimize": "function",
        "scipy.optimize.linprog": "function",
        "scipy.sparse.csr_array": "class",
        "scipy.special.expit": "function",
        "scipy.special.log_expit": "function",
        "scipy.special.log_softmax": "function",
        "scipy.special.logsumexp": "function",
        "scipy.special.softmax": "function",
    }),
    "sklearn": ("modules/generated/{0}.html#{0}", {
        "sklearn.calibration.CalibratedClassifierCV": "class",
        "sklearn.calibration.CalibrationDisplay": "class",
        "sklearn.feature_selection.SelectFromModel": "class",
        "sklearn.linear_model.LogisticRegression": "class",
        "sklearn.linear_model.LogisticRegressionCV": "class",
        "sklearn.model_selection.GridSearchCV": "class",
        "sklearn.multiclass.OneVsRestClassifier": "class",
        "sklearn.multioutput.MultiOutputClassifier": "class",
        "sklearn.neural_network.MLPClassifier": "class",
        "sklearn.neural_network.MLPRegressor": "class",
    }),
}  # fmt: skip


def main():
    for project, (uri, names) in PROJECTS.items():
        inventory = Inventory()
        inventory.project, inventory.version = project, ""
        for name, role in names.items():
            inventory.objects.append(
                DataObjStr(
                    name=name, domain="py", role=role, priority="1", uri=uri.format(name),
                    dispname="-",
                )
            )  # fmt: skip
        writebytes(FOLDER / f"{project}.inv", compress(inventory.data_file(contract=True)))


if __name__ == "__main__":
    main()
