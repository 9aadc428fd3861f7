"""What strangers may send: settings and values for the fuzz tests of the doors."""

from __future__ import annotations

import os

from hypothesis import HealthCheck
from hypothesis import strategies as st

#: ``HYPOTHESIS_PROFILE=deep`` looks at 2,000 examples a door.
DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"
EXAMPLES = 2_000 if DEEP else 60
#: Of what is done behind doors that there are dozens of, on a database.
CALLS = 200 if DEEP else 3
QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck)}

#: Values of any type that JSON has.
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["a,b", "$x", "_id", "a.b"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def is_a_sentence(error: Exception) -> bool:
    """Whether an error is told in one line that says something."""
    return len(str(error)) > 10 and "\n" not in str(error)
