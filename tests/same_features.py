"""Two engines on one world: the same recipe, counts and texts to the bit, the rest to a billionth."""

import ibis
import numpy as np

from features.matrix import fetch, matrix
from features.outcomes import fates
from features.recipe import FeatureSettings, recipe_for
from features.tables import training_cohort
from tests.matrices import HORIZONS
from tests.worlds import World


def agree(world: World, *engines: ibis.BaseBackend) -> None:
    """Raise an AssertionError where the features or the fates of a world's leads differ between two engines."""
    found = []
    for engine in engines:
        tables = world.tables(engine)
        recipe = recipe_for(tables, FeatureSettings(), HORIZONS)
        cohort = training_cohort(tables, HORIZONS.delay)
        found.append(
            (recipe, matrix(tables, cohort, recipe).to_pandas(), fetch(fates(tables, cohort)).to_pandas())
        )
    (recipe, ours, our_fates), (other_recipe, theirs, their_fates) = found
    assert recipe == other_recipe
    assert ours["lead_id"].tolist() == theirs["lead_id"].tolist()
    for column in recipe.columns:
        one, other = ours[column.name], theirs[column.name]
        if column.kind == "category":
            assert one.fillna("").tolist() == other.fillna("").tolist(), column.name
        elif column.unit in ("events", "leads", "kinds"):
            np.testing.assert_array_equal(
                one.to_numpy(dtype=float), other.to_numpy(dtype=float), err_msg=column.name
            )
        else:
            np.testing.assert_allclose(
                one.to_numpy(dtype=float),
                other.to_numpy(dtype=float),
                rtol=1e-9,
                atol=1e-9,
                err_msg=column.name,
            )
    for name in our_fates.columns:
        assert our_fates[name].astype(str).tolist() == their_fates[name].astype(str).tolist(), name
