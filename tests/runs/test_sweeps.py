"""What a workspace keeps of a sweep."""

import pytest

from dsample_cli.errors import RunError
from dsample_cli.runs.sweeps import PRUNED, PointEntry, Sweep


@pytest.fixture
def make_sweep(tmp_path):
    def make(name="s1", **points) -> Sweep:
        return Sweep(tmp_path / "sweeps", name, {"grid": {}}, points)

    return make


def test_what_is_written_is_read_again(make_sweep):
    sweep = make_sweep(a=PointEntry({"cycle": 2}), b=PointEntry({"cycle": 3}))
    with sweep.locked():
        sweep.change("a", run="r1", status="completed", seconds=1.5)
        sweep.change("b", run="r2", status=PRUNED, error="Too slow.")
    again = make_sweep(a=PointEntry({}), c=PointEntry({"cycle": 4}))
    with again.locked():
        assert again.points == {**sweep.points, "c": PointEntry({"cycle": 4})}
    assert [again.points[key].is_over for key in "abc"] == [True, True, False]


def test_a_sweep_that_is_in_use_is_told(make_sweep):
    with (
        make_sweep().locked(),
        pytest.raises(RunError, match="Sweep s1 is in use by another process"),
        make_sweep().locked(),
    ):
        pass
    with make_sweep().locked(), make_sweep("s2").locked():
        pass  # another one is free


@pytest.mark.parametrize(
    "content",
    [
        *(
            "",
            "[]",
            '{"points": 3}',
            '{"points": {"a": {"b": 1}}}',
            '{"schema": "x"}',
            "[" * 100000,
        ),
        '{"points": {"a": {"settings": {}, "run": "../../x"}}}',
        '{"points": {"a": {"settings": {}, "run": "/x", "status": "completed"}}}',
        '{"points": {"a": {"settings": {}, "status": "gone"}}}',
        '{"points": {"a": {"settings": {}, "seconds": NaN}}}',
        '{"points": {"a": {"settings": [], "error": 3}}}',
    ],
    ids=lambda content: content[:50],
)
def test_a_damaged_file_is_told_and_no_matter_for_others(make_sweep, content):
    sweep = make_sweep(a=PointEntry({}))
    with sweep.locked():
        sweep.change("a", status="completed", run="r1")
    other = make_sweep("s2")
    assert other.known_runs() == {"a": PointEntry({}, "r1", "completed")}
    sweep.file.write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match="damaged"), make_sweep().locked():
        pass
    assert other.known_runs() == {}


def test_a_newer_file_is_left_alone(make_sweep):
    sweep = make_sweep()
    with sweep.locked():
        sweep.file.write_text('{"schema": 99, "points": {}}', encoding="utf-8")
    with pytest.raises(RunError, match="newer"), make_sweep().locked():
        pass
