"""Free text, such as a message or a note, as a few numbers: which words it has (TF-IDF), drawn together to what words that
come together mean (truncated SVD, also called latent semantic analysis).

What is learned are arrays of plain numbers, kept with the recipe: of words that several leads have, and of the oldest
leads alone, so that no judged one is among them. A text is never kept.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import ibis
import ibis.expr.types as ir
import numpy as np
from scipy.sparse import csr_array

from features.definitions.attributes import AT_SOURCE
from features.register import feature
from features.tables import Tables

WORD = re.compile(r"[^\W\d_]{2,}")  # no numbers: what is written with digits tells who somebody is
PARTS = 12
MOST_WORDS = 1_000
FEWEST_TEXTS = 200
FEWEST_LEADS, MOST_OF_LEADS = 5, 0.5  # that have a word
OLDEST_SHARE, MOST_TEXTS = 1 / 3, 10_000  # of the leads, whose texts are learned from
TOO_LITTLE = "free text, and the oldest third of the leads has too little of it to learn from"
FIGURES = 6  # of a number that is kept


@dataclass(frozen=True)
class TextModel:
    """What turns the texts of one column into numbers.

    Attributes
    ----------
    attribute : str
        The column of the leads table.
    words : tuple of str
    weights : tuple of float
        Of each word: how rare it is.
    parts : tuple of tuple of float
        Of each word: where it points to.
    """

    attribute: str
    words: tuple[str, ...]
    weights: tuple[float, ...]
    parts: tuple[tuple[float, ...], ...]

    @cached_property
    def _arrays(self) -> tuple[dict[str, int], np.ndarray, np.ndarray]:
        return (
            {word: place for place, word in enumerate(self.words)},
            np.array(self.weights),
            np.array(self.parts),
        )

    def of(self, texts: Sequence[str | None]) -> np.ndarray:
        """The numbers of each text, whatever others are asked about at the same time.

        Returns
        -------
        array of float, shape (n_texts, PARTS)
            NaN where there is no text; 0 where none of its words is known.
        """
        places, weights, parts = self._arrays
        indices, values, ends = [], [], [0]
        for text in texts:
            counts = Counter(places[word] for word in words_of(text or "") if word in places)
            found = np.array(sorted(counts), dtype=int)
            told = (
                (1 + np.log([counts[place] for place in found])) * weights[found] if counts else np.zeros(0)
            )
            indices.extend(found)
            values.extend(told / np.sqrt((told * told).sum()) if counts else told)
            ends.append(len(indices))
        rows = csr_array((values, indices, ends), shape=(len(texts), len(places)))
        numbers = rows @ parts
        numbers[[text is None for text in texts]] = np.nan
        return numbers


def words_of(text: str) -> list[str]:
    """Its words in lower case."""
    return WORD.findall(text.lower())


def fit_text(attribute: str, texts: Sequence[str]) -> TextModel | None:
    """Learn from texts which words tell them apart; None where they are too few, or say too little.

    No outcome is looked at.
    """
    # Slow to import, and needed at the fit alone.
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    if len(texts) < FEWEST_TEXTS:
        return None
    counted = TfidfVectorizer(
        analyzer=words_of,
        min_df=FEWEST_LEADS,
        max_df=MOST_OF_LEADS,
        max_features=MOST_WORDS,
        sublinear_tf=True,
    )
    try:
        matrix = counted.fit_transform(texts)
    except ValueError:  # no word is left
        return None
    if matrix.shape[1] <= PARTS:
        return None
    found = TruncatedSVD(PARTS, random_state=0).fit(matrix)

    def kept(numbers: np.ndarray) -> tuple[float, ...]:
        return tuple(float(f"{number:.{FIGURES}g}") for number in numbers)

    return TextModel(
        attribute,
        tuple(counted.get_feature_names_out().tolist()),
        kept(counted.idf_),
        tuple(kept(of_word) for of_word in found.components_.T),
    )


def learn_texts(tables: Tables, names: Sequence[str]) -> dict[str, TextModel | None]:
    """What turns some lead columns into numbers, learned of the oldest leads; None where they have too little of it."""
    if not names:
        return {}
    most = min(round(OLDEST_SHARE * tables.leads.count().to_pyarrow().as_py()), MOST_TEXTS)
    oldest = tables.leads.order_by("created_at", "lead_id").limit(most).select(*names).to_pyarrow()
    return {name: fit_text(name, oldest[name].drop_null().to_pylist()) for name in names}


@feature(
    of="lead",
    attributes=["text"],
    column="{attribute}_text_{part}",
    group="{attribute}",
    words="what its {attribute} says",
    unit="a direction in which the words of such texts differ; each of 12, from -1 to 1",
    empty=AT_SOURCE,
)
def text_part(lead: ir.Table, attribute: str, part: int) -> ir.FloatingValue:
    """What a free text says, as numbers: its words by how rare they are, drawn together to 12 directions. Used only where later leads are told apart better with them."""
    # No engine knows the words: the matrix asks the recipe's arrays (``TextModel.of``) in place of this.
    return ibis.null("float64")
