import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsample_cli.data.labels import encode_labels, read_label_names


def test_names_are_sorted_and_kept_as_they_are():
    encoded = encode_labels(pa.array(["b", "NA", "1.0", " b", "b"]))
    assert encoded.names == (" b", "1.0", "NA", "b")
    assert encoded.codes.tolist() == [3, 2, 1, 0, 3]
    assert encoded.codes.dtype == np.int32
    assert encoded.unknown == {}


def test_missing_and_blank_labels_have_no_id():
    encoded = encode_labels(pa.array(["a", None, "", " \u3000", "b"]))
    assert encoded.names == ("a", "b")
    assert encoded.codes.tolist() == [0, -1, -1, -1, 1]


def test_given_names_keep_their_order_and_the_rest_is_unknown():
    encoded = encode_labels(pa.array(["x", "b", "y", "x", None, "a"]), names=["b", "a"])
    assert encoded.names == ("b", "a")
    assert encoded.codes.tolist() == [-1, 0, -1, -1, -1, 1]
    assert list(encoded.unknown.items()) == [("x", 2), ("y", 1)]


@given(
    st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=3)),
    st.integers(1, 4),
)
def test_codes_point_at_the_labels_however_they_are_chunked(labels, n_chunks):
    pieces = [labels[i::n_chunks] for i in range(n_chunks)]
    encoded = encode_labels(pa.chunked_array(pieces, pa.string()))
    flat = [label for piece in pieces for label in piece]
    assert encoded.names == tuple(sorted({x for x in flat if x and not x.isspace()}))
    assert [encoded.names[c] if c >= 0 else None for c in encoded.codes] == [
        x if x and not x.isspace() else None for x in flat
    ]


def test_names_from_the_command_line():
    assert read_label_names("ham, spam,NA") == ("ham", "spam", "NA")


def test_names_from_a_file(write):
    assert read_label_names(str(write("a.txt", "\ufeffham\r\n a,b\r\n"))) == ("ham", " a,b")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("ham,,spam", "name 2 is empty"),
        ("ham,spam,", "name 3 is empty"),
        ("ham,spam,ham", "'ham' comes twice (name 3)"),
        ("nosuchfile.txt", "neither a file nor a list"),
        ("x" * 5000, "neither a file nor a list"),
    ],
)
def test_bad_lists(spec, told, data_error):
    assert told in data_error(read_label_names, spec)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a\n\nb\n", "name 2 is empty"),
        ("a\nb\na\n", "comes twice"),
        ("a\n", "has 1 label"),
        ("é\nb".encode("latin-1"), "not UTF-8"),
    ],
)
def test_bad_files(write, content, told, data_error):
    assert told in data_error(read_label_names, str(write("a.txt", content)))
