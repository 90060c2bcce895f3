"""What the metastore promises about issues, on SQLite, MariaDB and PostgreSQL."""

import msgspec
import pytest
from tests.contract.device_worlds import ODD, T0, World, at_once, crash

from logkeep.clock import NS_PER_DAY
from logkeep.decode.issues import IssueNotice
from logkeep.errors import InputError
from logkeep.metastore import devices, issues, told_ids
from logkeep.metastore.issue_rows import Wanted as WantedIssues
from logkeep.metastore.trimming import Trimming


def test_the_same_crash_is_one_issue_that_counts_its_times_users_and_devices(world: World) -> None:
    world.tell(crash(), crash(user="bob"), crash(device="d2", app_version="3.1"))
    world.clock.advance(86_400)
    world.tell(crash(app_version="3.2", stack="x"), crash(title="another"))
    issue = world.one("boom")
    assert (issue.events, issue.users, issue.devices, issue.status) == (4, 2, 2, "open")
    assert (issue.first_ns, issue.last_ns) == (T0, T0 + NS_PER_DAY)
    assert (issue.first_version, issue.last_version) == ("", "3.2")
    assert [(one.name, one.events) for one in world.issues.tallies("shop", issue.issue, "user", limit=9)] in (
        [("anna", 3), ("bob", 1)],
        [("bob", 1), ("anna", 3)],
    )
    assert world.issues.days([issue.issue], 3) == {issue.issue: [0, 3, 1]}
    versions = world.issues.tallies("shop", issue.issue, "version", limit=9)
    assert {one.name: one.events for one in versions} == {"3.1": 1, "3.2": 1}
    newest = world.issues.occurrences("shop", issue.issue, limit=2)
    assert [one.app_version for _, one in newest] == ["3.2", "3.1"]
    older = world.issues.occurrences("shop", issue.issue, limit=9, before=newest[-1][0])
    assert [one.user for _, one in older] == ["bob", "anna"]


def test_what_is_told_again_is_not_counted_again(world: World) -> None:
    assert len(world.tell(crash(), ids=["a" * 28])) == 1
    assert world.tell(crash(), ids=["a" * 28]) == []
    assert len(world.tell(crash(id="mine"), crash(id="mine"), crash(id="other"))) == 2
    assert world.tell(crash(id="mine")) == []
    assert world.one().events == 3


def test_an_id_told_again_is_not_counted_again_when_its_occurrence_is_not_kept_any_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issues, "OCCURRENCES_MAX", 3)
    world.tell(*(crash(id=f"i{index}") for index in range(5)))  # also of one request
    world.tell(*(crash(id=f"i{index}") for index in range(5, 9)))
    assert world.tell(crash(id="i0"), crash(id="i5"), crash(id="new"), crash(title="another", id="i1"))[0].id == (
        devices.id_of("shop", "occurrence", "new")
    )
    assert (world.one().events, world.listed()) == (10, ["boom"])
    assert [len(world.tell(crash(id="i0"), app=app)) for app in ("other", "shop")] == [1, 0]


def test_ids_that_were_told_are_bounded_by_their_issue_and_by_their_age(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issues, "OCCURRENCES_MAX", 1)
    monkeypatch.setattr(told_ids, "IDS_MAX", 3)
    monkeypatch.setattr(told_ids, "STEP", 2)
    monkeypatch.setattr(told_ids, "FORGOTTEN_AT_ONCE", 2)
    world.tell(crash(title="rare", id="rare"), crash(title="rare"), crash(title="rare"))
    for index in range(6):
        world.clock.advance(1)
        world.tell(crash(id=f"i{index}"))
    kept = world.database.read(lambda t: t.rows("SELECT issue FROM told_ids"))
    assert len(kept) == 4  # 3 of the crash loop
    assert len(world.tell(crash(title="rare", id="rare"), crash(id="i3"))) == 0
    assert len(world.tell(crash(id="i2"))) == 1
    for age_days, left in ((told_ids.KEPT_DAYS - 1, True), (2, False)):
        world.clock.advance(age_days * 86_400)
        Trimming(world.database, world.clock).trim()
        assert bool(world.database.read(lambda t: t.rows("SELECT issue FROM told_ids"))) is left


def test_two_processors_that_count_one_issue_lose_no_count(world: World) -> None:
    others = [World(world.shared.open()) for _ in range(4)]  # type: ignore[attr-defined]

    def tell(index: int) -> None:
        for count in range(5):
            others[index].tell(crash(user=f"u{index}"), ids=[f"{index}-{count}"])

    results = at_once(*(lambda index=index: tell(index) for index in range(4)))
    assert [result for result in results if result is not None] == []
    issue = world.one()
    assert (issue.events, issue.users, issue.devices) == (20, 4, 1)


def test_feedback_is_never_the_same_and_a_fingerprint_of_one_s_own_decides(world: World) -> None:
    feedback = IssueNotice(session="s", kind="feedback", title="I like it")
    world.tell(feedback, feedback, crash(title="a", fingerprint="x"), crash(title="b", fingerprint="x"))
    assert sorted(world.listed()) == ["I like it", "I like it", "a"]
    assert world.listed(kinds=("crash",)) == ["a"]


def test_occurrences_users_and_issues_are_bounded_and_counts_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issues, "OCCURRENCES_MAX", 3)
    monkeypatch.setitem(issues._MAX, "user", 4)
    monkeypatch.setattr(issues, "ISSUES_MAX", 2)
    world.tell(*(crash(user=f"u{index}") for index in range(10)))
    issue = world.one()
    assert (issue.events, issue.users) == (10, 4)
    kept = world.issues.occurrences("shop", issue.issue, limit=99)
    assert [one.user for _, one in kept] == ["u9", "u8", "u7"]
    for title in ("later", "last"):
        world.clock.advance(1)
        world.tell(crash(title=title))
    assert world.listed() == ["last", "later"]
    with pytest.raises(InputError):
        world.issues.issue("shop", issue.issue)
    left = world.database.read(lambda t: t.rows("SELECT DISTINCT issue FROM issue_tallies"))
    assert len(left) == 2


@pytest.mark.parametrize(
    ("resolved_in", "version", "status"),
    [
        ("3.2", "3.1", "resolved"),
        ("3.2", "3.2", "regressed"),
        ("3.2", "3.10", "regressed"),
        ("3.2", "", "resolved"),
        ("", "3.1", "regressed"),
        ("", "", "regressed"),
    ],
)
def test_what_was_resolved_and_comes_back_in_a_newer_version_is_regressed(
    it_world: World, resolved_in: str, version: str, status: str
) -> None:
    title = f"title {resolved_in}|{version}"
    it_world.tell(crash(title=title, app_version="3.0"), app=title)
    issue = it_world.issues.find(title, WantedIssues()).issues[0]
    judge = it_world.issues.judge
    judged = judge(title, issue.issue, revision=1, status="resolved", resolved_in=resolved_in, by="eve")
    assert (judged.status, judged.status_by, judged.revision) == ("resolved", "eve", 2)
    it_world.clock.advance(1)
    it_world.tell(crash(title=title, app_version=version or None), app=title)
    after = it_world.issues.issue(title, issue.issue)
    assert (after.status, after.events) == (status, 2)
    assert after.revision == (3 if status == "regressed" else 2)


def test_what_is_muted_stays_muted_and_what_was_kept_offline_does_not_reopen(world: World) -> None:
    world.tell(crash())
    name = world.one().issue
    world.issues.judge("shop", name, revision=1, status="muted", resolved_in="", by="eve")
    world.tell(crash())
    assert world.one().status == "muted"
    world.clock.advance(10)
    world.issues.judge("shop", name, revision=2, status="resolved", resolved_in="", by="eve")
    late = issues.IssueReport("shop", "late", world.clock.now_ns(), T0, crash())
    world.database.write(lambda transaction: issues.apply(transaction, [late]))
    assert (world.one().status, world.one().events) == ("resolved", 3)


def test_of_two_people_who_judge_at_once_the_second_is_told(world: World) -> None:
    world.tell(crash())
    name = world.one().issue
    others = [World(world.shared.open()) for _ in range(2)]  # type: ignore[attr-defined]
    results = at_once(
        *(
            lambda other=other, status=status: other.issues.judge(
                "shop", name, revision=1, status=status, resolved_in="", by="eve"
            )
            for other, status in zip(others, ("muted", "resolved"), strict=True)
        )
    )
    refused = [result for result in results if isinstance(result, InputError)]
    assert [(one.status, one.code) for one in refused] == [(409, "conflict")]
    assert world.one().revision == 2
    with pytest.raises(InputError):
        world.issues.judge("shop", name, revision=2, status="open", resolved_in="3.2", by="eve")


def test_issues_are_found_by_kind_status_text_version_and_who_they_met_in_any_order(world: World) -> None:
    world.tell(crash(title="50%_off! fails", app_version="3.1", session="s1"))
    world.clock.advance(1)
    world.tell(*(crash(title="Boom", user=f"u{index}", device="d7", session="s7") for index in range(3)))
    world.clock.advance(1)
    world.tell(IssueNotice(session="s9", title="slow", user="u1"), IssueNotice(session="s9", title="slow", user="u1"))
    assert world.listed() == ["slow", "Boom", "50%_off! fails"]
    assert world.listed(order="count") == ["Boom", "slow", "50%_off! fails"]
    assert world.listed(order="users") in (["Boom", "slow", "50%_off! fails"], ["Boom", "50%_off! fails", "slow"])
    assert world.listed(text="%_OFF!") == ["50%_off! fails"]
    assert world.listed(text="b_om") == []
    assert world.listed(version="3.1") == ["50%_off! fails"]
    assert world.listed(user="u1") == ["slow", "Boom"]
    assert world.listed(device="d7") == ["Boom"]
    assert world.listed(session="s9") == ["slow"]
    assert world.listed(kinds=("issue", "feedback"), statuses=("open", "regressed")) == ["slow"]
    assert world.listed(statuses=("muted",)) == []
    pages, after = [], None
    for _ in range(4):
        page = world.issues.find("shop", WantedIssues(order="count", limit=1, after=after))
        pages += [issue.title for issue in page.issues]
        if (after := page.next) is None:
            break
    assert pages == ["Boom", "slow", "50%_off! fails"]


def test_issues_belong_to_their_app(world: World) -> None:
    (occurrence,) = world.tell(crash())
    name = world.one().issue
    assert world.issues.find("other", WantedIssues()).issues == []
    assert world.issues.issue_of("shop", occurrence.id) == name
    assert world.issues.issue_of("other", occurrence.id) is None
    for bad in (name, ODD, "x" * 100_000, ""):
        for call in (
            lambda bad=bad: world.issues.issue("other", bad),
            lambda bad=bad: world.issues.occurrences("other", bad, limit=1),
            lambda bad=bad: world.issues.tallies("other", bad, "user", limit=1),
            lambda bad=bad: world.issues.judge("other", bad, revision=1, status="muted", resolved_in="", by="eve"),
        ):
            with pytest.raises(InputError) as refused:
                call()
            assert refused.value.status == 404
    assert world.one().status == "open"


def test_any_text_is_kept_as_it_was_told(world: World) -> None:
    told = IssueNotice(session=ODD, title=ODD, text=ODD * 100, stack=ODD, device=ODD, user=ODD, app_version=ODD)
    world.tell(told)
    ((_, kept),) = world.issues.occurrences("shop", world.one().issue, limit=9)
    assert (kept.session, kept.text, kept.stack, kept.user) == (ODD, ODD * 100, ODD, ODD)
    assert [one.name for one in world.issues.tallies("shop", kept.issue, "user", limit=9)] == [ODD]
    assert msgspec.json.decode(msgspec.json.encode(world.one()), type=issues.Issue) == world.one()
