"""What tells runs apart."""

from dsample_cli.core.config import TrainConfig
from dsample_cli.workflows.run_names import LEAVE_NO_TRACE, differing_names, training_options


def manifest(sha256: str = "d1", **entries) -> dict:
    refit = {
        name: entries.pop(name) for name in ("head", "resample", "commands") if name in entries
    }
    config = TrainConfig(data=entries.pop("data", "/d/train.csv"), **entries).to_options()
    return {
        "config": config,
        "data": {"train": {"path": config["data"], "sha256": sha256}},
        **refit,
    }


def names(*manifests: dict, ignored=()) -> list[str]:
    runs = [f"20260101-00000{i}-x-aa0{i}" for i in range(len(manifests))]
    return differing_names([training_options(one) for one in manifests], runs, ignored)


def test_options_that_leave_no_trace_are_options():
    known = TrainConfig(data="x", max_bytes="1G").to_options() | {"report-to": ()}
    assert set(LEAVE_NO_TRACE) <= set(known)
    assert names(manifest(device="cpu"), manifest(device="auto"))[0].startswith("2026")


def test_an_option_of_another_schedule_or_score_is_not_named():
    found = names(
        manifest(schedule="natural", score="inverse", cycle=5),
        manifest(schedule="cyclic", score="inverse", cycle=3),
        manifest(schedule="cyclic", score="softmax", temperature=0.5, cycle=3),
    )
    assert found == [
        "schedule=natural",
        "schedule=cyclic, score=inverse, cycle=3",
        "schedule=cyclic, score=softmax, temperature=0.5, cycle=3",
    ]


def test_what_an_older_version_did_not_know_has_its_default():
    old = manifest(loss="focal")
    del old["config"]["drw"]
    assert names(old, manifest(loss="ce")) == ["loss=focal", "loss=ce"]


def test_flags_models_and_seeds_are_told_shortly():
    found = names(manifest(drw=True, model="/m/bert", seed=1), manifest(seed=2))
    assert found == ["model=bert, drw, seed=1", "model=minilm, no drw, seed=2"]


def test_equal_names_get_the_end_of_the_run_id():
    found = names(
        manifest(seed=1), manifest(seed=2), manifest(seed=2, loss="focal"), ignored=["seed"]
    )
    assert found == ["loss=ce (x-aa00)", "loss=ce (x-aa01)", "loss=focal"]


def test_data_is_told_by_content():
    assert names(manifest(data="/a/t.csv", lr=0.1), manifest(data="/b/u.csv", lr=0.2)) == [
        "lr=0.1",
        "lr=0.2",
    ]
    assert names(manifest("d1"), manifest("d2")) == ["data=train.csv d1", "data=train.csv d2"]


def test_refits_are_told_by_their_head_and_its_options():
    command = "dsample refit --run R --head crt --epochs {} --lr 0.001 --rho 1.0 --seed 42"
    found = names(
        manifest(),
        manifest(head="crt", commands=[command.format(5)]),
        manifest(head="crt", resample="smote", commands=[command.format(9)]),
    )
    assert found[0].startswith("2026")
    assert found[1] == "head=crt, refit-epochs=5, refit-lr=0.001, refit-rho=1.0"
    assert found[2].startswith("head=crt, resample=smote, refit-epochs=9")
