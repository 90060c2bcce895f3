"""What saved searches promise, on SQLite and on real MariaDB and PostgreSQL servers."""

import pytest
from tests.contract.metastores import Shared

from logkeep.clock import ManualClock
from logkeep.errors import InputError
from logkeep.metastore.searches import Searches, SearchState

NOW_NS = 1_785_578_400_000_000_000
STATE = SearchState(query='level>=warn "é 🙂"', from_="-24h", columns=["component", 'attributes."a,b"'])


def test_what_is_saved_is_found_by_its_app_alone_in_order_of_name(begun: Shared) -> None:
    searches = Searches(begun.open(), ManualClock(NOW_NS))
    second = searches.add("shop", "Slow", STATE, "ann")
    first = searches.add("shop", "errors", SearchState(), "bob")
    searches.add("other", "errors", STATE, "eve")
    assert searches.of_app("shop") == [first, second]
    assert (second.state, second.version, second.saved_by, second.saved_ns) == (STATE, 1, "ann", NOW_NS)
    assert searches.of_app("Shop") == []


def test_of_two_who_change_it_the_second_is_told(begun: Shared) -> None:
    searches = Searches(begun.open(), ManualClock(NOW_NS))
    saved = searches.add("shop", "errors", STATE, "ann")
    changed = searches.change("shop", saved.id, version=1, by="bob", name="worse")
    assert (changed.name, changed.state, changed.version, changed.saved_by) == ("worse", STATE, 2, "bob")
    with pytest.raises(InputError, match="bob has changed it meanwhile") as caught:
        searches.change("shop", saved.id, version=1, by="ann", state=SearchState())
    assert caught.value.status == 409
    assert searches.of_app("shop") == [changed]


def test_a_name_is_there_once_in_an_app_and_free_again_after_it_is_deleted(begun: Shared) -> None:
    searches = Searches(begun.open(), ManualClock(NOW_NS))
    saved = searches.add("shop", "errors", STATE, "ann")
    other = searches.add("shop", "others", STATE, "ann")
    with pytest.raises(InputError, match="saved as 'errors' already"):
        searches.add("shop", "errors", STATE, "bob")
    with pytest.raises(InputError, match="saved as 'errors' already"):
        searches.change("shop", other.id, version=1, by="bob", name="errors")
    searches.remove("shop", saved.id)
    assert searches.change("shop", other.id, version=1, by="bob", name="errors").name == "errors"


def test_nobody_changes_or_deletes_what_belongs_to_another_app(begun: Shared) -> None:
    searches = Searches(begun.open(), ManualClock(NOW_NS))
    saved = searches.add("shop", "errors", STATE, "ann")
    for name in (saved.id, "sea_0123456789abcdef", "' OR 1=1 --", ""):
        with pytest.raises(InputError) as caught:
            searches.change("other", name, version=1, by="eve", name="mine")
        assert caught.value.status == 404
        with pytest.raises(InputError):
            searches.remove("other", name)
    assert searches.of_app("shop") == [saved]
