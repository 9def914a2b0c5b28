"""The model card: whole Markdown and YAML whatever the classes are called, and honest."""

import re
from dataclasses import replace

import pytest
import yaml

from dsample_cli.reports._run_report import (
    ClassRow,
    ClassShares,
    CorrectionGain,
    CorrectionReport,
    SplitResult,
)
from dsample_cli.reports.model_card import (
    HeadBeside,
    ModelCard,
    hub_card,
    markdown_text,
    onnx_card,
    render_model_card,
)

NASTY = ("a|b", "---\nlicense: mit", "`code` [x](y) <b>", "정상", "\ud800\u202e")
NCM = HeadBeside("ncm", "logits[c] = -sharpness |x - means[c]|^2")


def rows_of(*counts, support=20, recall=0.5):
    return [
        ClassRow(f"class_{k}", count, support, 0.5, recall, 0.4, "many")
        for k, count in enumerate(counts)
    ]


def correction(method="none", is_folded=False, gain=None, names=("class_0", "class_1")):
    return CorrectionReport(
        "No correction was asked for" if method == "none" else f"Corrected by {method}",
        method,
        is_folded,
        gain,
        "equal class shares",
        {},
        [ClassShares(name, 0.5, 0.5, 1 / len(names), 0.0) for name in names],
    )


@pytest.fixture
def card() -> ModelCard:
    metrics = {"macro_f1": 0.8123, "balanced_accuracy": 0.7, "accuracy": 0.9, "ece": 0.0321}
    return ModelCard(
        run="20260102-030405-cyclic-1a2b",
        version="1.2.3",
        base_model="org/model",
        classes=rows_of(900, 100),
        class_split="test",
        splits=[
            SplitResult("validation", 50, metrics, None, {"many": 0.9, "few": None}),
            SplitResult("test", 40, metrics, {"macro_f1": (0.7, 0.9)}, {"many": 0.8}),
        ],
        training=[("Model", "org/model"), ("Seed", "42")],
        commands=["dsample train t.csv --seed 1"],
        correction=correction(),
    )


def front_matter(text):
    start, content, rest = text.split("---\n", 2)
    assert start == ""
    return yaml.safe_load(content), rest


def test_the_front_matter_is_what_the_hub_reads(card):
    text = render_model_card(card)
    keys, rest = front_matter(text)
    (index,) = keys.pop("model-index")
    assert keys == {
        "library_name": "transformers",
        "pipeline_tag": "text-classification",
        "base_model": "org/model",
        "tags": ["dsample", "imbalanced-classification"],
    }
    assert "\n# Yours to add: license and language" in text
    assert index["name"] == card.run
    validation, test = index["results"]
    assert validation["dataset"] == {"name": "data", "type": "local", "split": "validation"}
    found = {m["name"]: m["value"] for m in test["metrics"]}
    assert found["Macro-F1"] == 0.8123
    assert found["Recall, many classes"] == 0.8
    assert (found["Recall: class_0"], found["F1: class_0"]) == (0.5, 0.4)
    assert not any("class_" in m["name"] for m in validation["metrics"]), "of the last split alone"
    assert rest.startswith("\n# Text classifier of 2 classes\n")
    assert "base_model" not in front_matter(render_model_card(replace(card, base_model=None)))[0]


def test_the_sections_are_all_there(card):
    text = render_model_card(card)
    assert re.findall("^## (.*)$", text, re.MULTILINE) == [
        *("Classes", "Training", "Figures", "Class prior", "What is in the last layer"),
        *("Usage", "Limits"),
    ]
    assert "| class_0 | 900 | 20 | 0.500 | 0.400 | many |" in text
    assert "9.0 times the smallest's" in text
    assert "| Macro-F1 | 0.812 | 0.812 (0.700 to 0.900) |" in text
    assert "| Calibration error (ECE) | 0.032 | 0.032 |" in text
    assert "| Recall, many classes | 0.900 | 0.800 |" in text
    assert "few classes" not in text
    assert "dsample train t.csv --seed 1" in text
    assert "stand for equal class shares." in text


def test_class_names_break_neither_tables_nor_yaml(card):
    rows = [ClassRow(name, 5, 0, 0.0, 0.0, 0.0, "few") for name in NASTY]
    text = render_model_card(
        replace(card, classes=rows, correction=correction(names=NASTY, is_folded=True))
    )
    text.encode("utf-8")
    assert len(front_matter(text)[0]) == 5
    # With figures the names are in the YAML too.
    judged = [replace(row, support=3, recall=1.0) for row in rows]
    keys, _ = front_matter(render_model_card(replace(card, classes=judged, dataset='a: "b"\uffff')))
    result = keys["model-index"][0]["results"][1]
    assert result["dataset"]["name"] == 'a: "b"\ufffd'
    found = [m["name"] for m in result["metrics"] if m["name"].startswith("Recall: ")]
    assert sorted(found) == sorted(
        f"Recall: {n}" for n in ("a|b", "--- license: mit", "`code` [x](y) <b>", "정상", "\ufffd ")
    )
    assert not re.search(r"^(---|license)", text.split("---\n", 2)[2], re.MULTILINE)
    table = [line for line in text.splitlines() if line.startswith("|") and line.count("5 | 0")]
    assert len(table) == len(NASTY)
    for line in table:
        assert len(re.findall(r"(?<!\\)\|", line)) == 7
    assert "정상" in text
    assert "\u202e" not in text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("bug_report", "bug_report"),
        ("_hidden_ a_", r"\_hidden\_ a\_"),
        ("1 * 2 # $3", r"1 \* 2 \# \$3"),
        ("a\n\tb\u2028c", "a b c"),
        ("\\|", r"\\\|"),
        ("", ""),
    ],
)
def test_names_are_escaped_for_markdown(text, escaped):
    assert markdown_text(text) == escaped


def test_what_is_folded_says_how_it_can_be_undone(card):
    gain = CorrectionGain("macro_f1", 0.5, 0.6, 0.02, is_taken=True)
    folded = replace(card, correction=correction("logit-adjust+temperature", True, gain))
    assert folded.is_whole
    text = render_model_card(folded)
    assert "`dsample correct --run 20260102-030405-cyclic-1a2b --method none`" in text
    assert "(Macro-F1 0.500 → 0.600 on validation rows" in text
    assert "cross-fitted" in text
    assert "**" not in text


@pytest.mark.parametrize(
    ("changes", "verdict", "named"),
    [
        (
            {"correction": correction("logit-adjust")},
            "does not give the figures below",
            ["the correction `logit-adjust`"],
        ),
        ({"head_beside": NCM}, "does not give the figures below", ["the head `ncm`"]),
        (
            {"head_beside": NCM, "correction": correction("temperature")},
            "does not give the figures below",
            ["the head `ncm` and the correction `temperature`"],
        ),
        (
            {"head_beside": replace(NCM, kind="cosine", has_stand_in=True)},
            "gives the labels of the run, with nearly its probabilities",
            ["stands in for it"],
        ),
    ],
)
def test_what_is_kept_beside_is_told_first(card, changes, verdict, named):
    changed = replace(card, **changes)
    assert not changed.is_whole
    text = render_model_card(changed)
    warning = next(line for line in text.splitlines() if line.startswith("> "))
    assert f"**`from_pretrained` alone {verdict}.**" in warning
    assert "head.safetensors" in warning
    assert "dsample predict INPUT --run" in warning
    for part in named:
        assert part in text
    assert text.index(warning) < text.index("## Classes")


def test_a_refitted_last_layer_names_its_parent(card):
    text = render_model_card(replace(card, refitted="crt", parent="run-a"))
    assert "The last layer was refitted (`crt`)" in text
    assert "The parent run is `run-a`." in text


def test_many_classes_are_folded_up_and_very_many_cut(card):
    text = render_model_card(replace(card, classes=rows_of(*range(1, 151))))
    assert "<summary>All 150 classes</summary>\n\n| class |" in text
    assert len(re.findall("^\\| class_", text, re.MULTILINE)) == 150
    text = render_model_card(replace(card, classes=rows_of(*range(1, 1001))))
    assert len(re.findall("^\\| class_", text, re.MULTILINE)) == 400
    assert "| … 600 more |  |  |  |  |  |" in text


def test_limits_name_the_classes_of_which_little_is_known(card):
    rows = [
        *rows_of(500, 500),
        ClassRow("rare", 19, 20, 0.5, 0.5, 0.5, "few"),
        ClassRow("rough", 50, 9, 0.5, 0.5, 0.5, "few"),
        ClassRow("unseen", 50, 0, 0.0, 0.0, 0.0, "few"),
        ClassRow("missed", 50, 30, 0.0, 0.0, 0.0, "few"),
    ]
    limits = render_model_card(replace(card, classes=rows)).split("## Limits")[1]
    for line in (
        "- 1 class is learned from fewer than 20 rows: rare.",
        "- 1 class is judged by fewer than 10 test rows, so that their figures are rough: rough.",
        "- 1 class is without any test row: unseen.",
        "- 1 class is not recognised once among the test rows: missed.",
    ):
        assert line in limits


def test_without_held_out_rows_there_are_no_figures(card):
    text = render_model_card(replace(card, class_split=None, splits=[]))
    assert "This model was not evaluated" in text
    assert "| class_0 | 900 |\n" in text
    assert "rows, so that" not in text


def test_a_command_with_backticks_stays_in_its_block(card):
    text = render_model_card(replace(card, commands=["dsample train '````.csv'"]))
    assert "`````sh\ndsample train '````.csv'\n`````" in text


def test_pairs_of_texts_are_given_as_pairs(card):
    assert '"text_pair"' in render_model_card(replace(card, text_columns=2))


def test_a_folder_that_lacks_the_head_claims_no_figures(card):
    assert "model-index" in front_matter(render_model_card(card))[0]
    stand_in = HeadBeside("cosine", "logits", has_stand_in=True)
    assert "model-index" in front_matter(render_model_card(replace(card, head_beside=stand_in)))[0]
    for changes in ({"head_beside": NCM}, {"correction": correction("logit-adjust")}):
        assert "model-index" not in front_matter(render_model_card(replace(card, **changes)))[0]


def test_the_card_of_an_upload_and_of_an_onnx_model(card):
    text = render_model_card(replace(card, head_beside=NCM, text_columns=2))
    assert 'model = "model"  # this folder' in text
    assert '\nmodel = "me/x"\n' in hub_card(text, "me/x")
    onnx = onnx_card(text, 64, 2)
    keys, _ = front_matter(onnx)
    assert keys["library_name"] == "onnx"
    assert keys["tags"][0] == "onnx"
    assert "`from_pretrained` alone" not in onnx
    assert "max_length=64" in onnx
    assert 'tokenizer(["..."], ["..."], ' in onnx
    assert 'file = f"{model}/model.onnx"' in onnx
    assert re.findall("^## (.*)$", onnx, re.MULTILINE)[-3:] == [
        "What it was made of",
        "Usage",
        "Limits",
    ]
    pushed = hub_card(onnx, "me/x")
    assert 'hf_hub_download(model, "model.onnx")' in pushed
    for code in re.findall("```python\n(.*?)```", text + onnx + pushed, re.DOTALL):
        compile(code, "usage", "exec")
