"""One suite per protocol, run for every implementation."""

import pytest

pytest.register_assert_rewrite(f"{__name__}.store", f"{__name__}.lab")
