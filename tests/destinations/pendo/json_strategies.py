"""Any JSON, and what only a careless decoder lets through: NaN, infinities, halves of surrogate pairs."""

from hypothesis import strategies as st

TEXT = st.text(st.characters(codec=None), max_size=40) | st.sampled_from(
    ["id", "ID", "createdAt", "a", "A", "__x__", "300", "", "plan type", "x" * 40, "é" * 20]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXT
    | st.sampled_from(["2020-03-24", "42", "true", "x" * 2000, "€" * 300, 10**400, "03/04/2020"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=15,
)
