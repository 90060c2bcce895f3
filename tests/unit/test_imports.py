"""Libraries without their optional parts: the part is absent during the import only."""

import sys
from pathlib import Path

import pytest

from logkeep.imports import import_without


@pytest.fixture
def libraries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a_library.py").write_text(
        "try:\n    import an_option\nexcept ImportError:\n    an_option = None\n",
    )
    (tmp_path / "an_option.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("a_library", "an_option"):
        monkeypatch.delitem(sys.modules, name, raising=False)


@pytest.mark.usefixtures("libraries")
def test_the_optional_part_is_not_loaded_and_can_be_afterwards() -> None:
    assert import_without("a_library", "an_option").an_option is None
    assert "an_option" not in sys.modules
    import an_option  # type: ignore[import-not-found]  # noqa: F401


@pytest.mark.usefixtures("libraries")
def test_a_part_that_is_loaded_already_is_used() -> None:
    import an_option  # type: ignore[import-not-found]

    assert import_without("a_library", "an_option").an_option is an_option
