import numpy as np
import pytest

from dsample_cli.data.facts import read_facts
from dsample_cli.data.profile import profile_facts


@pytest.fixture
def profile(write):
    """Profile rows of (text, label)."""

    def run(rows, **kwargs):
        body = "".join(f'"{text}","{label}"\n' for text, label in rows)
        return profile_facts(read_facts(write("a.csv", "text,label\n" + body)), **kwargs)

    return run


def mixed(*labels, n=8):
    """Rows with distinct texts, the labels taking turns."""
    return [(f"some text {i}", labels[i % len(labels)]) for i in range(n * len(labels))]


def found(profile):
    return {problem.code: problem for problem in profile.problems}


def test_counts_and_classes(profile):
    told = profile([*mixed("b", "a"), ("one more", "a"), ("", "a"), ("x", "")])
    assert (told.rows, told.usable_rows) == (19, 17)
    assert told.names == ("a", "b")
    assert told.counts.tolist() == [9, 8]
    assert [(c.label, c.count, c.group) for c in told.classes] == [
        ("a", 9, "many"),
        ("b", 8, "few"),
    ]
    assert sum(c.share for c in told.classes) == pytest.approx(1)
    assert told.imbalance.ratio == pytest.approx(9 / 8)
    assert told.median_words == 3


def test_classes_of_one_count_are_in_order_of_label(profile):
    assert [c.label for c in profile(mixed("c", "a", "b")).classes] == ["a", "b", "c"]


def test_group_thresholds(profile):
    told = profile([*mixed("a"), ("x", "b")], group_thresholds=(7, 3))
    assert [c.group for c in told.classes] == ["many", "few"]


def test_clean_data_has_no_problems(profile):
    assert profile(mixed("a", "b", "c")).problems == ()


def test_empty_text_and_missing_label(profile):
    problems = found(profile([("", "a"), *mixed("a", "b"), ("x", ""), (" ", " ")]))
    assert (problems["empty-text"].count, problems["empty-text"].rows) == (2, (0, 18))
    assert (problems["missing-label"].count, problems["missing-label"].rows) == (2, (17, 18))
    assert set(problems) == {"empty-text", "missing-label"}
    assert {p.severity for p in problems.values()} == {"warning"}


def test_rows_are_cut_at_twenty(profile):
    problem = found(profile([*mixed("a", "b"), *[("", "a")] * 50]))["empty-text"]
    assert problem.count == 50
    assert problem.rows == tuple(range(16, 36))


def test_single_class(profile):
    told = profile(mixed("a", n=12))
    assert told.imbalance.ratio == 1
    assert [(p.code, p.severity) for p in told.problems] == [("single-class", "error")]


def test_rare_class(profile):
    rows = mixed("a", "b") + [
        (f"rare {c} {i}", f"r{c}") for c in range(6) for i in range(c % 3 + 1)
    ]
    problem = found(profile(rows))["rare-class"]
    assert problem.count == 6
    assert "r0 (1), r3 (1), r1 (2), r4 (2), r2 (3) and 1 more" in problem.message
    assert "2 with a single example cannot be validated" in problem.message


def test_exact_duplicates(profile):
    rows = [*mixed("a", "b"), ("same", "a"), ("same", "a"), ("same", "a"), ("some text 0", "a")]
    problems = found(profile([("", "a"), *rows]))
    assert (problems["exact-duplicates"].count, problems["exact-duplicates"].rows) == (
        3,
        (18, 19, 20),
    )
    assert "conflicting-labels" not in problems


def test_conflicting_labels(profile):
    rows = [*mixed("a", "b"), ("torn", "a"), ("torn", "b"), ("torn", "a")]
    problem = found(profile(rows))["conflicting-labels"]
    assert (problem.count, problem.rows) == (3, (16, 17, 18))


def test_pairs_are_duplicates_only_as_a_whole(write):
    lines = [f"{i % 2},{i // 2 % 2},{'xy'[i % 3 % 2]}\n" for i in range(12)]
    path = write("a.csv", "a,b,label\n" + "".join(lines))
    told = found(profile_facts(read_facts(path, ["a", "b"])))
    assert told["conflicting-labels"].count == 12
    assert told["exact-duplicates"].count == 4


def test_label_variants(profile):
    variants = [("v 1", " SPAM"), ("v 2", "\uff53pam"), ("v", "{X}")]
    rows = [*mixed("Spam", "spam", "ham", "{x}"), *variants]
    problem = found(profile(rows))["label-variants"]
    assert problem.count == 8 + 3
    assert "'{X}' = '{x}'" in problem.message
    assert "'ham'" not in problem.message


def test_too_many_labels(profile):
    told = profile([(f"text {i}", f"id{i}") for i in range(60)])
    problem = told.problems[0]
    assert (problem.code, problem.severity, problem.count) == ("too-many-labels", "error", 60)
    assert len(told.problems) == 1, "rare classes would only repeat it"
    assert "too-many-labels" not in found(profile([(f"t {i}", f"id{i}") for i in range(50)]))


def test_sorted_by_label(profile):
    rows = sorted(mixed("a", "b", n=12), key=lambda row: row[1])
    assert found(profile(rows))["sorted-by-label"].severity == "warning"
    assert "sorted-by-label" not in found(profile(rows[8:16]))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([("", "a"), (" ", "b")], "all texts are empty (column 'text')"),
        ([("x", ""), ("y", "")], "all labels are missing (column 'label')"),
        ([("x", ""), ("", "b")], "no row has both"),
    ],
)
def test_nothing_usable(profile, data_error, rows, told):
    assert told in data_error(profile, rows)


def test_messages_hold_no_text(profile):
    rows = [("secret", "a"), ("secret", "b"), ("secret", "a"), ("secret", ""), ("", "secret-free")]
    assert not any("secret" in p.message for p in profile(rows + mixed("a", "b")).problems)


def test_real_data(real_data):
    sms = profile_facts(read_facts(real_data / "sms_spam.csv"))
    assert sms.names == ("ham", "spam")
    assert sms.counts.sum() == sms.rows == 5574
    assert round(sms.imbalance.ratio, 1) == 6.5
    assert found(sms)["exact-duplicates"].count == 403
    clinc = profile_facts(read_facts(real_data / "clinc_lt_train.csv"))
    assert (len(clinc.names), clinc.imbalance.ratio) == (150, 50)
    assert np.all(clinc.counts > 0)
