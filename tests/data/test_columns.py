import pytest

from dsample_cli.data.columns import resolve_columns


@pytest.mark.parametrize(
    ("names", "text", "label", "guessed"),
    [
        (["text", "label"], "text", "label", ""),
        (["id", "label", "text", "title"], "text", "label", ""),
        (["Text", "LABEL"], "Text", "LABEL", "text label"),
        (["id", "sentence", "label"], "sentence", "label", "text"),
        (["id", "text", "Category"], "text", "Category", "label"),
        (["title", "body", "intent"], "body", "intent", "text label"),
        (["review_text", "stars"], "review_text", "stars", "text label"),
        (["text", "kind"], "text", "kind", "label"),
        (["v1", "label"], "v1", "label", "text"),
        (["class", "label", "text"], "text", "label", ""),
    ],
)
def test_defaults_and_guesses(names, text, label, guessed):
    texts, found_label, notes = resolve_columns(names)
    assert (texts, found_label) == ((text,), label)
    assert [note.split()[0] for note in notes] == guessed.split()


def test_named_columns_are_taken_without_a_note():
    told = resolve_columns(["text", "label", "a", "b"], ["a"], "b")
    assert told == (("a",), "b", ())


def test_one_named_column_of_two_settles_the_other():
    assert resolve_columns(["v1", "v2"], ["v2"])[:2] == (("v2",), "v1")
    assert resolve_columns(["v1", "v2"], label_column="v1")[:2] == (("v2",), "v1")


def test_the_label_column_is_no_text_column_even_if_named_text():
    assert resolve_columns(["text", "title"], label_column="text")[:2] == (("title",), "text")
    assert resolve_columns(["text", "label"], ["label"])[:2] == (("label",), "text")


def test_pairs():
    names = ["sentence1", "sentence2", "label"]
    assert resolve_columns(names, names[:2])[:2] == (("sentence1", "sentence2"), "label")


def test_without_need_only_a_named_label_is_given():
    assert resolve_columns(["text", "label"], need_labels=False)[:2] == (("text",), None)
    assert resolve_columns(["text", "y"], (), "y", need_labels=False)[1] == "y"
    assert resolve_columns(["anything"], need_labels=False)[0] == ("anything",)
    assert resolve_columns(["v1", "label"], need_labels=False)[0] == ("v1",)


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ((["text", "label"], ["txt"]), "no column 'txt'. | Did you mean 'text'? Columns: 'text'"),
        ((["text", "Label"], (), "label"), "Did you mean 'Label'?"),
        ((["text", "label"], (), "zzz"), "no column 'zzz'. | Columns: 'text', 'label'."),
        ((["text", "label"], ["text"], "text"), "both the text column and the label column"),
        ((["text", "label"], ["text", "text"]), "named twice"),
        ((["a", "b", "c", "label"], ["a", "b", "c"]), "3 text columns"),
        ((["a", "b", "label"],), "text column cannot be guessed. | Name it with --text-column"),
        ((["text", "coarse", "fine"],), "label column cannot be guessed. | Name it with --label-c"),
        ((["TEXT", "Text", "label"],), "text column cannot be guessed"),
        ((["premise", "hypothesis", "label"],), "--text-column 'premise' --text-column 'hypothes"),
        ((["text"],), "label column cannot be guessed"),
    ],
)
def test_errors(args, told, data_error):
    assert told in data_error(resolve_columns, *args)


def test_messages_stay_short_with_thousands_of_columns(data_error):
    told = data_error(resolve_columns, [f"column{i}" * 50 for i in range(5000)])
    assert "and 4970 more" in told
    assert len(told) < 3000


def test_messages_name_the_file(data_error):
    assert "train.csv has no column" in data_error(
        resolve_columns, ["text"], ["x"], where="train.csv"
    )
