"""A table of one's own: what is made of it, and what a person is told when it cannot be used."""

from __future__ import annotations

import hashlib
import os
import random
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vgrad.errors import ConfigError, DataError
from vgrad.parts import csv_file
from vgrad.parts.datasets import DATASETS, load
from vgrad.parts.table import fingerprint

ROWS = 50


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Writes `own.csv` into the current folder and loads it."""
    monkeypatch.chdir(tmp_path)

    def get(content, **choices):
        raw = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "own.csv").write_bytes(raw)
        return load("csv", {"path": "own.csv", "target": "y"} | choices)

    return get


def table(target=lambda i: "abc"[i % 3], separator=",", rows=ROWS):
    """Columns a and b, the constant c, and the target y; a tells the row."""
    lines = [("a", "y", "b", "c"), *((i, target(i), (i * i % 7) / 10, 4) for i in range(rows))]
    return "".join(separator.join(map(str, line)) + "\n" for line in lines)


def first_column(data):
    """The numbers of the rows of both parts, told from their standardised column a."""
    row = np.concatenate([data.train_x[:, 0], data.test_x[:, 0]]).astype(float)
    ranks = row.argsort().argsort()
    return ranks[: len(data.train_x)], ranks[len(data.train_x) :]


# What is made of a table


def test_every_row_is_used_once_with_its_own_target(own):
    data = own(table())
    assert (data.task, data.classes) == ("classification", 3)
    assert (len(data.train_x), len(data.test_x)) == (40, 10)
    train, test = first_column(data)
    assert sorted([*train, *test]) == list(range(ROWS))
    np.testing.assert_array_equal(data.train_y, train % 3)
    np.testing.assert_array_equal(data.test_y, test % 3)


def test_inputs_are_standardised_by_the_training_rows(own):
    data = own(table(), test_size=20)
    train, test = first_column(data)
    for column, of_row in enumerate((lambda i: i, lambda i: (i * i % 7) / 10)):
        raw = of_row(train).astype(float)
        for part, rows in ((data.train_x, train), (data.test_x, test)):
            expected = (of_row(rows) - raw.mean()) / raw.std()
            np.testing.assert_allclose(part[:, column], expected, rtol=1e-5, atol=1e-6)


def test_a_column_that_is_constant_over_the_training_rows_is_only_centred(own):
    content = table().replace(",4\n", ",0.1\n")
    test = first_column(own(content))[1]
    lines = content.splitlines()
    odd = int(test[0]) + 1
    lines[odd] = lines[odd][: -len("0.1")] + "2.1"
    data = own("\n".join(lines))
    assert not data.train_x[:, 2].any()
    np.testing.assert_allclose(data.test_x[:, 2], [2, *[0] * 9], rtol=1e-6)


TARGETS = {
    "text": (lambda i: ("dog", "cat")[i % 2], [1, 0]),
    "text with spaces around it": (lambda i: (" dog", "cat ")[i % 2], [1, 0]),
    "true and false": (lambda i: ("True", "False")[i % 2], [1, 0]),
    "whole numbers": (lambda i: (10, -3)[i % 2], [1, 0]),
    "whole numbers, by size": (lambda i: (9, 10, 100)[i % 3], [0, 1, 2]),
    "numbers with a point": (lambda i: (0.5, 1.0)[i % 2], None),
    "numbers with an exponent": (lambda i: ("1e2", "1e3")[i % 2], None),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_the_kind_of_the_target_decides_the_task(kind, own):
    target, classes = TARGETS[kind]
    data = own(table(target))
    train = first_column(data)[0]
    if classes is None:
        assert (data.task, data.classes, data.output_dim) == ("regression", None, 1)
        expected = [[float(target(i))] for i in train]
    else:
        assert (data.task, data.classes) == ("classification", len(classes))
        expected = [classes[i % len(classes)] for i in train]
    np.testing.assert_array_equal(data.train_y, np.array(expected, data.train_y.dtype))


def test_the_task_can_be_said(own):
    assert own(table(lambda i: i), task="regression").train_y.dtype == np.float32
    data = own(table(lambda i: i % 2 / 2), task="classification")
    assert (data.task, data.classes) == ("classification", 2)


FORMS = {
    "semicolons": table(separator=";"),
    "tabs": table(separator="\t"),
    "a mark of the byte order": "\ufeff" + table(),
    "lines of Windows": table().replace("\n", "\r\n"),
    "lines of old Macs": table().replace("\n", "\r"),
    "no end of the last line": table()[:-1],
    "blank lines": "\n\n" + table().replace("\n", "\n\n  \n"),
    "blanks above semicolons": "  \n\t\r\n" + table(separator=";"),
    "blanks above tabs": " \n\t\n" + table(separator="\t"),
    "spaces": table(separator=" ,  ").replace("\n", " \n"),
    "quotes": table().replace("a", '"a"').replace(",4\n", ',"4"\n'),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_form_of_the_file_does_not_matter(form, own):
    expected, data = own(table()), own(FORMS[form])
    assert data is not expected
    for field in ("train_x", "train_y", "test_x", "test_y"):
        np.testing.assert_array_equal(getattr(data, field), getattr(expected, field))


NAMES = {
    "commas between quotes": '"a,1,2";b;y',
    "commas between quotes, not first": 'b; "a,1,2";y',
    "two quotes for one": '"say ""a, b, c""";b;y',
    "commas on two lines": '"a,\n1,2,3";b;y',
    "a quote inside": 'height 5";b;y',
}


@pytest.mark.parametrize("names", NAMES)
def test_only_what_stands_outside_quotes_parts_the_values(names, own):
    data = own(f"{NAMES[names]}\n" + "1;2;0\n2;4;1\n" * 5)
    assert data.train_x.shape == (8, 2)


LONG = 10**30


def test_whole_numbers_of_any_length_are_numbers(own):
    """Those beyond 64 bits, also beside negative ones that fit in no type with them."""
    expected = own("a,b,y\n" + "".join(f"{i},{i % 2},{i % 3}\n" for i in range(ROWS)))
    rows = "".join(f"{i * LONG},{(i % 2) * (2**64 - 1) - 1},{i % 3}\n" for i in range(ROWS))
    data = own("a,b,y\n" + rows)
    np.testing.assert_allclose(data.train_x, expected.train_x, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(data.train_y, expected.train_y)


def test_a_long_whole_number_is_a_class_of_its_own_or_a_value_to_be_predicted(own):
    content = table(lambda i: LONG + i % 2)
    assert own(content).classes == 2
    data = own(content, task="regression")
    np.testing.assert_array_equal(data.train_y, np.full((40, 1), LONG, np.float32))


def test_true_and_false_are_1_and_0_among_the_inputs(own):
    data = own("a,y\n" + "True,0\nFalse,1\n" * 10)
    assert np.corrcoef(data.train_x[:, 0], data.train_y)[0, 1] == pytest.approx(-1)


# The split


def test_the_seed_decides_which_rows_are_for_the_test(own):
    one, again, other = (first_column(own(table(), seed=seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one[1], again[1])
    assert set(one[1]) != set(other[1])


@pytest.mark.parametrize("sizes", [{}, {"test_size": 20}, {"test_share": 0.5}])
def test_smaller_sizes_take_the_first_of_the_same_rows(sizes, own):
    targets = table(lambda i: i + 0.5)
    large, small = own(targets, **sizes), own(targets, train_size=7, test_size=5)
    np.testing.assert_array_equal(small.train_y, large.train_y[:7])
    np.testing.assert_array_equal(small.test_y, large.test_y[:5])


@pytest.mark.parametrize(("rows", "share", "held_out"), [(2, 0.01, 1), (2, 0.99, 1), (10, 0.25, 2)])
def test_each_part_has_a_row_whatever_the_share(rows, share, held_out, own):
    data = own(table(lambda i: i / 2, rows=rows), test_share=share)
    assert (len(data.train_x), len(data.test_x)) == (rows - held_out, held_out)


# Tables that cannot be used

GOOD = "a,b,y\n1,2,u\n3,5,v\n4,4,u\n2,3,v\n"
TABLES = {
    "nothing": (b"", {}, "own.csv is empty"),
    "blanks": (b" \n\n\t", {}, "own.csv is empty"),
    "names only": (b"a,b,y\n\n", {}, "own.csv has a first row of names and no rows"),
    "UTF-16": (GOOD.encode("utf-16"), {}, "own.csv is not text in UTF-8 (byte 1 is not)"),
    "Latin-1": ("a,ß,y\n1,2,u\n".encode("latin-1"), {}, "not text in UTF-8 (byte 3 is not)"),
    "an archive": (b"PK\3\4\0\0", {}, "own.csv is not text but binary: save it as CSV"),
    "a row too short": ("a,b,y\n1,2,u\n\n1,2\n", {}, "own.csv, line 4: the number of values is 2"),
    "blanks above": ("  \n\t\r\na;b;y\n1;2;u\n1;2\n", {}, "own.csv, line 5: the number of values"),
    "a row too long": ("a,b,y\n1,2,u,9\n", {}, "line 2: the number of values is 4, but the first"),
    "rows all too long": ("a,b,y\n" + "1,2,u,9\n" * 9, {}, "line 2: the number of values is 4"),
    "a quote left open": ('a,b,y\n1,"2,u\n3,4,v\n', {}, "separated values: line 2: unexpected end"),
    "a column without a name": (",b,y\n1,2,u\n", {}, "own.csv: column 1 of 3 has no name"),
    "two columns of a name": ("a,b, a,y\n1,2,3,u\n", {}, "columns 1 and 3 are both named 'a'"),
    "one column": ("y\n1\n2\n", {}, "own.csv has one column, 'y', and so no inputs"),
    "another separator": ("a b y\n1 2 3\n", {}, "one column, 'a b y', and so no inputs. Commas"),
    "missing values": (
        'a,b,"two\nlines",y\n1,,3,u\n\n1,2,,v\n1,NA,4,\n',
        {},
        "missing values (empty, NA, NaN, null): 'b' (2, the first on line 3), "
        "'two lines' (1, the first on line 5), 'y' (1, the first on line 6). Fill them in",
    ),
    "many missing values": (
        ",".join("abcdefgy") + "\n" + ",,,,,,,\n",
        {},
        "'e' (1, the first on line 2) and 3 more columns. Fill",
    ),
    "text among the inputs": (
        "a,city,y\n1,2,u\n1,Par\u00eds,v\n",
        {},
        "own.csv has text among its inputs: 'city' has 'Par\u00eds' on line 3. A network takes "
        "numbers: encode these columns as numbers, or drop them.",
    ),
    "a long text": (f"a,b,y\n{'x' * 99},2,u\n", {}, f"'a' has '{'x' * 40}…' on line 2"),
    "a date": ("a,y\n2020-01-01,1\n2020-01-02,2\n", {}, "'a' has '2020-01-01' on line 2"),
    "a decimal comma": ("a;y\n1,5;u\n2,5;v\n", {}, "'a' has '1,5' on line 2"),
    "an infinite value": (
        "a,y\n1,u\n-inf,v\n",
        {},
        "own.csv, line 3: 'a' is -inf; numbers must be",
    ),
    "a whole number too large": (f"a,y\n1,u\n{'9' * 400},v\n", {}, "line 3: 'a' is inf; numbers"),
    "a long whole number, and none": (f"a,y\n{LONG},1\n,2\n", {}, "'a' (1, the first on line 3)"),
    "a huge value": ("a,y\n1,u\n1e39,v\n", {}, "line 3: 'a' is 1e+39; numbers must be finite, and"),
    "an infinite target": ("a,y\n1,0.5\n2,inf\n", {}, "line 3: 'y' is inf; numbers must be finite"),
    "no such column": (GOOD, {"target": "bb"}, "no such column. Did you mean 'b'? It has a, b, y."),
    "no such column of many": (
        ",".join(f"x{i}" for i in range(30)) + "\n" + ",".join("1" * 30) + "\n",
        {"target": "z"},
        "It has x0, x1, ",
    ),
    "no target": (GOOD, {"target": None}, "data.target=COLUMN. own.csv has a, b, y."),
    "one class": ("a,y\n1,u\n2,u\n", {}, "all 2 rows have the same class, 'y' = 'u'; there is"),
    "too many classes": (
        table(lambda i: i),
        {},
        "'y' has 50 different values in 50 rows, too many to be classes. For numbers to be "
        "predicted: data.task=regression.",
    ),
    "too many names": (table(lambda i: f"n{i}"), {}, "in 50 rows, too many to be classes."),
    "regression on text": (
        GOOD,
        {"task": "regression"},
        "wants numbers, and 'y' has 'u' on line 2",
    ),
    "one row": ("a,y\n1,u\n", {}, "own.csv has too few rows, 1: at least one to learn from"),
    "fewer rows than asked for": (
        GOOD,
        {"train_size": 4},
        "own.csv has 4 rows: 1 for the test and 4 to learn from are more than that. Lower",
    ),
    "no rows to learn from": (
        GOOD,
        {"test_size": 4},
        "4 for the test and 1 to learn from are more",
    ),
    "no path": (GOOD, {"path": None}, "data=csv needs a table: data.path=FILE data.target=COLUMN."),
    "no such file": (GOOD, {"path": "owm.csv"}, "no such file in "),
    "a guess": (GOOD, {"path": "owm.csv"}, "Did you mean 'own.csv'?"),
    "a path from the root": (GOOD, {"path": "/no/x.csv"}, "=/no/x.csv: there is no such file."),
    "a path that is too long": (GOOD, {"path": "a" * 5000}, "there is no such file in "),
    "a folder": (GOOD, {"path": "."}, "data.path=. is a folder; name a file in it."),
    "a device": (GOOD, {"path": os.devnull}, f"data.path={os.devnull} is no file that can be read"),
}


@pytest.mark.parametrize("fault", TABLES)
def test_a_table_that_cannot_be_used_is_met_by_one_clear_line(fault, own):
    content, choices, message = TABLES[fault]
    with pytest.raises((DataError, ConfigError)) as caught:
        own(content, **choices)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 2


def test_a_file_that_is_too_large_is_refused_unread(own, tmp_path):
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate(csv_file.MAX_BYTES + 1)
    with pytest.raises(DataError, match="too large to hold: it has 256 MiB, and at most 256 MiB"):
        own(GOOD, path="large.csv")


def test_a_file_that_cannot_be_read_is_refused(own, monkeypatch):
    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match=r"own.csv cannot be read: Permission denied\."):
        own(GOOD)


def test_a_test_row_beyond_all_training_rows_is_refused(own):
    test = first_column(own(table(lambda i: i / 2)))[1]
    lines = [f"{1e30 if i == test[0] else i * 1e-30},{i / 2}" for i in range(ROWS)]
    with pytest.raises(DataError, match=r"varies so little that it is 7e[+]58 standard"):
        own("a,y\n" + "\n".join(lines))


CELLS = ["1", "-2.5", " 3", '"4"', "1e30", "u", "", "NA", "inf", '"', '""', " ", "\t", "é", "\x0c"]
ENDS = ["\n", "\r\n", "\r", "\n \n", ",", ";"]


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), odd=st.sampled_from([0.0, 0.02, 0.3]))
def test_any_text_is_a_data_set_or_refused(seed, odd, own):
    choose = random.Random(seed)

    def row():
        cells = [choose.choice(CELLS if choose.random() < odd else CELLS[:5]) for _ in range(3)]
        return ",".join(cells) + (choose.choice(ENDS) if choose.random() < odd else "\n")

    content = "a,b,y\n" + "".join(row() for _ in range(choose.randrange(9)))
    with suppress(DataError):
        data = own(content, task=choose.choice(["auto", "classification", "regression"]))
        for array in (data.train_x, data.train_y, data.test_x, data.test_y):
            assert np.isfinite(array).all()


# Where it stands, and what it holds


def test_the_path_is_from_the_current_folder_or_from_the_users_own(own, tmp_path, monkeypatch):
    expected = own(GOOD)
    assert own(GOOD, path=str(tmp_path / "own.csv")).train_x.tolist() == expected.train_x.tolist()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert own(GOOD, path="~/own.csv").train_x.tolist() == expected.train_x.tolist()


def test_a_file_that_has_changed_is_read_again(own):
    assert own(GOOD).train_x.tolist() == own(GOOD).train_x.tolist()
    assert own(GOOD.replace("\n2,3,v", "\n9,9,v")).train_x.tolist() != own(GOOD).train_x.tolist()


def test_the_fingerprint_is_of_the_content_wherever_the_file_is(own, tmp_path):
    own(GOOD)
    (tmp_path / "copy.csv").write_bytes(GOOD.encode())
    expected = hashlib.sha256(GOOD.encode()).hexdigest()
    for path in ("own.csv", "copy.csv", str(tmp_path / "own.csv")):
        assert fingerprint({"path": path, "target": "y"}) == expected
    (tmp_path / "copy.csv").write_bytes(GOOD.encode() + b"\n")
    assert DATASETS["csv"].fingerprint({"path": "copy.csv"}) != expected


def test_the_fingerprint_of_a_file_that_is_not_there_is_refused_as_the_file_is(own):
    with pytest.raises(DataError, match="there is no such file"):
        fingerprint({"path": "nowhere.csv"})
    with pytest.raises(ConfigError, match="needs a table"):
        fingerprint({})


def test_what_pandas_writes_is_read(own, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.standard_normal((ROWS, 4)), columns=list("abcy"))
    data = own(frame.to_csv(index=False))
    assert data.task == "regression"
    values = np.concatenate([data.train_y, data.test_y])[:, 0]
    np.testing.assert_allclose(np.sort(values), np.sort(frame.y.to_numpy(np.float32)), rtol=1e-6)
