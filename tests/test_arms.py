import numpy as np
import pandas as pd
import pytest

from vgrad.arms import arms, differing, setting_columns

ID = iter(range(10_000))


def run(**settings: object) -> dict[str, object]:
    """A row of `.runs`, as `vgrad.load` makes it; `_` in a keyword is a dot."""
    config = {"activation": "relu", "init": "he_normal", "depth": 10, "seed": 0, "name": "all"}
    config |= {key.replace("__", "."): value for key, value in settings.items()}
    summary = {"verdict": "healthy", "final_val_accuracy": next(ID) / 1e4}
    return {**config, "run_id": f"id{next(ID)}", "status": "completed", "path": "p", **summary}


def frame(*rows: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame(rows)


def test_runs_that_differ_in_their_seed_only_are_one_arm():
    runs = frame(run(seed=0), run(seed=1), run(seed=0, depth=20), run(seed=1, depth=20))
    first, second = arms(runs)
    assert (first.number, second.number) == (0, 1)
    assert first.run_ids == tuple(runs["run_id"][:2])
    assert (first.seeds, second.seeds) == ((0, 1), (0, 1))
    assert (first.settings["depth"], second.settings["depth"]) == (10, 20)
    assert (first.label, second.label) == ("depth=10", "depth=20")


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("seed", (0, 1)),
        ("name", ("a", "b")),
        ("device", ("cpu", "cuda")),
        ("checkpoint__every", (0, 10)),
        ("objective", ("a", "b")),
    ],
)
def test_what_does_not_change_the_experiment_sets_no_arms_apart(key, values):
    runs = frame(*(run(**{key: value}) for value in values))
    (arm,) = arms(runs)
    assert len(arm.run_ids) == 2
    assert key.replace("__", ".") not in arm.settings
    assert differing(runs) == []


def test_the_results_of_a_run_set_no_arms_apart():
    (arm,) = arms(frame(run(seed=0), run(seed=1), run(seed=2)))
    assert "final_val_accuracy" not in arm.settings
    assert "status" not in arm.settings


def test_arms_stand_in_the_order_of_their_first_run():
    runs = frame(run(depth=20), run(depth=2), run(depth=20, seed=1))
    assert [arm.settings["depth"] for arm in arms(runs)] == [20, 2]


def test_activation_init_and_depth_come_first_among_what_differs():
    runs = frame(
        run(width=10, depth=2, init="he_normal", activation="relu"),
        run(width=20, depth=3, init="xavier_normal", activation="tanh"),
    )
    assert differing(runs)[:3] == ["activation", "init", "depth"]
    assert arms(runs)[1].label == "tanh xavier_normal depth=3 width=20"


def test_a_setting_that_is_there_for_another_choice_sets_nothing_apart():
    runs = frame(run(), run(activation="elu", activation__alpha=1.0))
    assert differing(runs) == ["activation"]
    assert [arm.label for arm in arms(runs)] == ["relu", "elu"]
    assert "activation.alpha" not in arms(runs)[0].settings


def test_a_setting_that_differs_among_runs_of_one_choice_does():
    runs = frame(run(), *(run(activation="elu", activation__alpha=a) for a in (0.5, 1.0)))
    assert differing(runs) == ["activation", "activation.alpha"]
    assert [arm.label for arm in arms(runs)] == ["relu", "elu alpha=0.5", "elu alpha=1"]


def test_settings_that_some_runs_only_have_are_found_behind_the_results():
    runs = frame(run(), run(activation="elu", activation__alpha=1.0))
    assert list(runs.columns)[-1] == "activation.alpha"
    assert "activation.alpha" in setting_columns(runs)
    assert "final_val_accuracy" not in setting_columns(runs)


def test_a_choice_stands_before_the_settings_of_others():
    runs = frame(run(init__gain=1.0, loss="bce"), run(init__gain=2.0, loss="mse"))
    assert differing(runs) == ["loss", "init.gain"]
    assert arms(runs)[1].label == "mse gain=2"


def test_keys_with_the_same_end_are_written_in_full():
    runs = frame(run(probe__every=1, eval__every=1), run(probe__every=2, eval__every=2))
    assert arms(runs)[1].label == "probe.every=2 eval.every=2"


def test_null_and_a_number_are_two_arms():
    runs = frame(run(clip=None), run(clip=1.0), run(clip=None, seed=1))
    assert [len(arm.run_ids) for arm in arms(runs)] == [2, 1]
    assert [arm.label for arm in arms(runs)] == ["clip=null", "clip=1"]


def test_a_single_arm_is_called_by_its_network():
    assert arms(frame(run()))[0].label == "relu he_normal depth=10"


def test_some_rows_of_a_frame_have_arms_of_their_own():
    runs = frame(run(depth=2), run(depth=20), run(depth=20, activation="tanh"))
    assert [arm.label for arm in arms(runs[runs["depth"] == 20])] == ["relu", "tanh"]


def test_no_runs_have_no_arms():
    runs = frame(run())[:0]
    assert arms(runs) == []
    assert differing(runs) == []


def test_labels_are_one_per_arm_where_numbers_are_near():
    runs = frame(*(run(lr=np.float64(lr)) for lr in (0.1, 0.10000001)))
    assert len({arm.label for arm in arms(runs)}) == 2
