"""Each problem code on a file that has it, and on files that have not."""

import collections
import csv
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsample_cli.data.facts import read_facts
from dsample_cli.data.normalize import normal_forms
from dsample_cli.data.other_columns import is_identifier, label_lambda
from dsample_cli.data.problems.against import homogeneity_p_value
from dsample_cli.data.profile import profile_facts
from dsample_cli.data.samples import TextSample
from dsample_cli.data.scripts import count_scripts
from dsample_cli.data.token_facts import token_facts

NOUNS = "apple river window garden teacher engine letter market winter planet".split()
VERBS = "opens carries paints follows forgets answers remembers measures sells finds".split()


def sentences(n, first=0):
    """Texts that differ in their words; at most 1000."""
    return [
        f"the {NOUNS[i % 10]} {VERBS[i // 10 % 10]} a {NOUNS[(i // 100 + i) % 10]} {'ab'[i % 2]}"
        for i in range(first, first + n)
    ]


def clean_rows(n=100):
    """Three classes in no order."""
    return [(text, "abc"[i * 7 % 3]) for i, text in enumerate(sentences(n))]


def as_csv(rows, names=("text", "label")):
    out = io.StringIO()
    csv.writer(out).writerows([names, *rows])
    return out.getvalue()


@pytest.fixture
def problems(write):
    """Problems by code of rows, with words as tokens."""

    def find(rows, names=("text", "label"), against=None, max_length=20, special=2, **kwargs):
        facts = read_facts(write("a.csv", as_csv(rows, names)), **kwargs)
        other = None
        if against is not None:
            other = read_facts(
                write("b.csv", as_csv(against, names)), **kwargs, keeps_digits=facts.keeps_digits
            )
        lengths = facts.sample.words + special
        tokens = token_facts(
            "toy", max_length, facts.sample, lengths, np.zeros_like(lengths), special
        )
        found = profile_facts(facts, against=other, tokens=tokens).problems
        assert len({p.code for p in found}) == len(found)
        return {problem.code: problem for problem in found}

    return find


def test_a_clean_file(problems):
    assert problems(clean_rows()) == {}


def test_clean_files_do_not_trouble_each_other(problems):
    other = [(text, "abc"[i * 7 % 3]) for i, text in enumerate(sentences(60, first=200))]
    assert problems(clean_rows(), against=other) == {}


LONG = " ".join(["word"] * 60)
EASY = {
    "empty-text": [*clean_rows(), ("", "a")],
    "missing-label": [*clean_rows(), ("a text", "")],
    "single-class": [(text, "a") for text in sentences(50)],
    "rare-class": [*clean_rows(), ("a text", "rare")],
    "label-variants": [*clean_rows(), *[(f"odd {text}", "A ") for text in sentences(9)]],
    "too-many-labels": [(text, f"label {text}") for text in sentences(60)],
    "exact-duplicates": [*clean_rows(), clean_rows()[7]],
    "normalized-duplicates": [
        *clean_rows(),
        ("The  APPLE, opens: an apple - a!", "a"),
        ("the apple opens: AN apple a", "a"),
    ],
    "conflicting-labels": [*clean_rows(), (clean_rows()[7][0], "c")],
    "sorted-by-label": sorted(clean_rows(), key=lambda row: row[1]),
    "constant-text": [*clean_rows(20), *[("same", "abc"[i % 3]) for i in range(40)]],
    "truncation": [*clean_rows(), (LONG, "a")],
}
FOLLOWING = {"constant-text": {"exact-duplicates", "conflicting-labels"}}


@pytest.mark.parametrize("code", EASY)
def test_a_file_with_one_problem(problems, code):
    found = problems(EASY[code])
    assert set(found) == {code} | FOLLOWING.get(code, set())
    problem = found[code]
    assert problem.count >= 1
    assert len(problem.message) > 40
    is_error = code in ("single-class", "too-many-labels")
    assert (problem.severity == "error") == is_error


def test_normalized_duplicates_do_not_count_exact_ones_again(problems):
    rows = [("A text!", "a"), ("a text", "a"), ("a text", "a"), ("a  TEXT", "b"), ("A text", "a")]
    found = problems([*clean_rows(), *rows])
    assert found["exact-duplicates"].rows == (102,)
    assert found["normalized-duplicates"].rows == (101, 104)
    assert "conflicting-labels" not in found


def test_numbers_do_not_count_unless_they_tell_the_texts_apart(problems):
    rows = [("invoice 17", "a"), ("invoice 18", "a")]
    assert problems([*clean_rows(), *rows])["normalized-duplicates"].rows == (101,)
    numbered = [(f"row {i}", "abc"[i % 3]) for i in range(200)]
    assert problems(numbered) == {}
    assert problems([*numbered, ("ROW  0", "a")])["normalized-duplicates"].rows == (200,)


def test_constant_text_of_one_text_is_an_error(problems):
    found = problems([("same", "abc"[i % 3]) for i in range(40)])["constant-text"]
    assert found.severity == "error"
    assert "1 different text," in found.message
    assert "constant-text" not in problems([("same", "ab"[i % 2]) for i in range(9)])


def test_a_category_as_text(problems):
    rows = [(f"kind {'xyz'[i % 3]}", "ab"[i // 3 % 2]) for i in range(600)]
    assert "3 different texts" in problems(rows)["constant-text"].message


@pytest.mark.parametrize(
    ("share", "severity", "mend"),
    [(0.02, "info", "--max-length 64"), (0.5, "warning", "--max-length 64")],
)
def test_truncation(problems, share, severity, mend):
    rows = clean_rows(200)
    rows = [(f"{text} {LONG[:200]}" if i < share * 200 else text, label)
            for i, (text, label) in enumerate(rows)]  # fmt: skip
    problem = problems(rows)["truncation"]
    assert (problem.severity, problem.count) == (severity, share * 200)
    assert mend in problem.message
    assert "64: 0.0% (0.0%)" in problem.message


def sample_of(texts):
    rows = np.arange(len(texts))
    return TextSample(rows, np.ones(len(texts), np.int64), (pa.array(texts),), True)


@pytest.mark.parametrize(
    ("texts", "per_letter", "unknown", "told"),
    [
        (["hello there", "good day"], 0.2, 0, None),
        (["hello there", "good day"], 0.2, 1, "unknown to it"),
        (["정말 좋아요", "별로예요"], 1.8, 0, "klue/bert-base"),
        (["정말 좋아요", "별로예요"], 0.6, 0, None),
        (["очень хорошо", "плохо"], 0.9, 0, "xlm-roberta-base"),
        (["очень хорошо", "плохо"], 0.4, 0, None),
        (["很好", "不好"], 1.0, 0, None),
        (["很好", "不好"], 2.5, 0, "multilingual-e5-small"),
    ],
)
def test_unknown_tokens(write, texts, per_letter, unknown, told):
    facts = read_facts(write("a.csv", as_csv(clean_rows())))
    letters = np.array([count_scripts(text).total() for text in texts])
    lengths = np.round(letters * per_letter * 100).astype(np.int64)  # so that nothing is rounded
    lengths = np.maximum(1, lengths // 100) + 2
    tokens = token_facts("toy", 500, sample_of(texts), lengths, np.full(len(texts), unknown), 2)
    found = {p.code: p for p in profile_facts(facts, tokens=tokens).problems}
    assert ("unknown-tokens" in found) == (told is not None)
    if told:
        assert told in found["unknown-tokens"].message
        assert "--model tiny" in found["unknown-tokens"].message
        assert found["unknown-tokens"].rows == (0, 1)


NAMES = ("text", "label", "extra")


def test_label_leak_column(problems):
    rows = [(text, label, label.upper() * 3) for text, label in clean_rows(300)]
    problem = problems(rows, NAMES)["label-leak-column"]
    assert (problem.severity, problem.count) == ("info", 300)
    assert "'extra'" in problem.message
    pair = problems(rows, NAMES, text_columns=["text", "extra"])["label-leak-column"]
    assert pair.severity == "warning"


@pytest.mark.parametrize(
    "extra",
    [
        lambda i, label: "same",
        lambda i, label: "xyz"[i * i % 3],
        lambda i, label: f"id{i}",
        lambda i, label: label if i % 5 else "other",
    ],
)
def test_columns_that_do_not_give_the_label_away(problems, extra):
    rows = [(text, label, extra(i, label)) for i, (text, label) in enumerate(clean_rows(300))]
    assert problems(rows, NAMES) == {}


def test_repeated_group(problems):
    rows = [(text, label, f"c{i % 40}") for i, (text, label) in enumerate(clean_rows())]
    problem = problems(rows, ("text", "label", "customer_id"))["repeated-group"]
    assert problem.severity == "info"
    assert (problem.count, problem.rows[:2]) == (60, (40, 41))
    assert "--group-column 'customer_id'" in problem.message
    assert problems(rows, ("text", "label", "channel")) == {}
    unique = [(text, label, f"t{i}") for i, (text, label) in enumerate(clean_rows())]
    assert problems(unique, ("text", "label", "ticket_id")) == {}
    blank = [(text, label, "") for text, label in clean_rows()]
    assert problems(blank, ("text", "label", "customer_id")) == {}


def test_leakage(problems):
    rows = clean_rows()
    other = [(text, "abc"[i * 7 % 3]) for i, text in enumerate(sentences(30, first=200))]
    other += [rows[3], (rows[4][0].upper(), "b"), (rows[5][0], "c")]
    problem = problems(rows, against=other)["leakage"]
    assert (problem.severity, problem.count, problem.rows) == ("warning", 3, (30, 31, 32))
    assert "3 of the other file's 33 rows" in problem.message
    assert "1 of them in another spelling" in problem.message
    assert problems(rows, against=rows)["leakage"].severity == "error"


def test_unseen_labels(problems):
    rows = clean_rows()
    other = [(text, "abc"[i % 3]) for i, text in enumerate(sentences(30, first=200))]
    problem = problems(rows, against=[*other, ("news here", "d")])["unseen-labels"]
    assert (problem.severity, problem.count, problem.rows) == ("error", 1, (30,))
    assert "(d)" in problem.message
    fewer = [row for row in other if row[1] != "b"]
    problem = problems(rows, against=fewer)["unseen-labels"]
    assert (problem.severity, problem.count, problem.rows) == ("warning", 1, ())
    assert "only in this file (b)" in problem.message


def test_share_shift(problems):
    rows = clean_rows(400)
    other = [(text, "aaaabc"[i % 6]) for i, text in enumerate(sentences(300, first=500))]
    problem = problems(rows, against=other)["share-shift"]
    assert problem.severity == "warning"
    assert "a 33.5% to 66.7%" in problem.message
    few = [(text, "aaaabc"[i % 6]) for i, text in enumerate(sentences(12, first=500))]
    assert "share-shift" not in problems(rows, against=few), "so few rows may differ by chance"


def test_homogeneity_by_scipy():
    from scipy.stats import chi2_contingency

    counts = np.array([[50, 30, 20], [20, 30, 50]])
    assert homogeneity_p_value(counts) == pytest.approx(chi2_contingency(counts).pvalue)
    assert homogeneity_p_value(np.array([[2, 1], [1, 2]])) == 1.0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("customer_id", True),
        ("userId", True),
        ("User ID", True),
        ("author", True),
        ("id", True),
        ("paid", False),
        ("valid", False),
        ("identity_text", False),
    ],
)
def test_names_of_identifiers(name, expected):
    assert is_identifier(name) == expected


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 2)), min_size=1, max_size=30))
def test_lambda_by_brute_force(rows):
    codes, labels = map(np.array, zip(*rows, strict=True))
    by_value = collections.defaultdict(list)
    for code, label in rows:
        by_value[code].append(label)
    base = max(collections.Counter(labels.tolist()).values())
    right = sum(max(map(of.count, of)) for of in by_value.values() if len(of) > 1)
    expected = 1.0 if base == len(rows) else (right - base) / (len(rows) - base)
    assert label_lambda(codes, labels) == pytest.approx(expected)


CELLS = st.sampled_from(["x", "X", "x!", "y", "y 1", "y 22", "", " ", "é", "e", "e\u0301"])
TABLES = st.lists(st.tuples(CELLS, st.sampled_from(["a", "b", "A", "", " "])), min_size=1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TABLES)
def test_rows_by_brute_force(tmp_path, rows):
    path = tmp_path / "a.csv"
    path.write_text(as_csv(rows), encoding="utf-8")
    usable = [(i, t, n) for i, (t, n) in enumerate(rows) if t.strip() and n.strip()]
    if not usable:
        return
    facts = read_facts(path, keeps_digits=False)
    found = {p.code: p for p in profile_facts(facts).problems}
    forms = normal_forms(pa.array([t for _, t, _ in usable])).to_pylist()
    exact = [(t, n) for _, t, n in usable]
    alike = [(form, n) for form, (_, _, n) in zip(forms, usable, strict=True)]
    is_exact = [pair in exact[:i] for i, pair in enumerate(exact)]
    expected = {
        "empty-text": [i for i, (t, _) in enumerate(rows) if not t.strip()],
        "missing-label": [i for i, (_, n) in enumerate(rows) if not n.strip()],
        "exact-duplicates": [u[0] for u, again in zip(usable, is_exact, strict=True) if again],
        "normalized-duplicates": [
            u[0] for i, u in enumerate(usable) if alike[i] in alike[:i] and not is_exact[i]
        ],
        "conflicting-labels": [
            i for i, t, _ in usable if len({n for _, other, n in usable if other == t}) > 1
        ],
    }
    for code, expected_rows in expected.items():
        assert (code in found) == bool(expected_rows), code
        if expected_rows:
            assert found[code].rows == tuple(expected_rows[:20])
            assert found[code].count == len(expected_rows)


@pytest.mark.parametrize(
    ("name", "label", "against"),
    [
        ("sms_spam.csv", None, None),
        ("trec_train.csv", "coarse", "trec_test.csv"),
        ("trec_train.csv", "fine", None),
        ("korean_hate_train.csv", "hate", "korean_hate_dev.csv"),
        ("korean_hate_train.csv", "bias", None),
        ("clinc_lt_train.csv", None, "clinc_lt_test.csv"),
        ("clinc_imbalanced_train.csv", None, "clinc_imbalanced_val.csv"),
    ],
)
def test_no_false_errors_on_real_data(real_data, name, label, against):
    facts = read_facts(real_data / name, (), label)
    other = None
    if against:
        other = read_facts(
            real_data / against, (), facts.label_column, keeps_digits=facts.keeps_digits
        )
    found = profile_facts(facts, against=other).problems
    assert [p for p in found if p.severity == "error"] == []


def test_the_sample_tickets():
    path = Path(__file__).parents[2] / "sample_data" / "support_tickets.csv"
    if not path.is_file():
        pytest.skip("the sample data are not here")
    found = [p for p in profile_facts(read_facts(path)).problems if p.code == "repeated-group"]
    assert len(found) == 1
    assert "--group-column 'customer_id'" in found[0].message
