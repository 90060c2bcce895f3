"""What an adapter's server cannot do: expected to fail, and a failure when it does not any more."""

import pytest

# (adapter, test) → why. Few, and true: what our own code could do better is not listed but done.
KNOWN_GAPS = {
    ("mongodb", "test_ids_of_any_text_keep_their_place_in_pages"): (
        "the server of the tests sorts texts by UTF-16 units; MongoDB by bytes, which is by code points"
    ),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for (adapter, test), reason in KNOWN_GAPS.items():
            if item.name == f"{test}[{adapter}]":
                item.add_marker(pytest.mark.xfail(strict=True, reason=reason))
