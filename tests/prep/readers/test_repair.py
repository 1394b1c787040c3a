from __future__ import annotations

import numpy as np
import pytest

from prep.errors import SourceError
from prep.readers.repair import doubtful_limit
from prep.readers.text import PointTable, parse_points

GOOD = b"1.5 2.5 3.5 10 20 30\n"


def parse(line: bytes, on_defect: str = "repair", n_good: int = 20) -> PointTable:
    """Parse a line between good ones; it is line 11 of the file."""
    data = GOOD * 10 + line + b"\n" + GOOD * (n_good - 10)
    return parse_points(data, scene="Area_5/x", file="Area_5/x/a.txt", on_defect=on_defect)


@pytest.mark.parametrize(
    ("line", "xyz", "color"),
    [
        pytest.param(
            b"22.379 43.878 3.048 185\x00187 182",
            [22.379, 43.878, 3.048],
            [185, 187, 182],
            id="Area_5/hallway_6/ceiling_1:180389",
        ),
        pytest.param(
            b"-9.1\x160 1.0 2.0 1 2 3", [-9.160, 1, 2], [1, 2, 3], id="Area_3/hallway_2:926337"
        ),
        pytest.param(
            b"19.304 38.304 3.193 103.0\x100000 101.000000 96.000000",
            [19.304, 38.304, 3.193],
            [103, 101, 96],
            id="Area_5/office_19/ceiling_1:323474",
        ),
        pytest.param(
            b"-22.0 4.0 1.0 56.00\x10000 50.000000 44.000000",
            [-22, 4, 1],
            [56, 50, 44],
            id="Area_1/WC_1:429613",
        ),
        pytest.param(
            b"-22.0 4.0 1.0 2\x111.000000 50.000000 44.000000",
            [-22, 4, 1],
            [211, 50, 44],
            id="Area_6/hallway_2:842733",
        ),
        pytest.param(b"1\x0e5 \r2 3 1 2 3", [1.5, -2, 3], [1, 2, 3], id="point-and-minus"),
    ],
)
@pytest.mark.parametrize("end", [b"", b"\r"])
def test_lost_bits_of_the_release(
    line: bytes, xyz: list[float], color: list[int], end: bytes
) -> None:
    table = parse(line + end)
    np.testing.assert_array_equal(table.xyz[10], xyz)
    np.testing.assert_array_equal(table.color[10], color)
    np.testing.assert_array_equal(table.row, np.arange(21))
    (defect,) = table.defects
    assert (defect.scene, defect.file, defect.line) == ("Area_5/x", "Area_5/x/a.txt", 11)
    assert (defect.rule, defect.dropped) == ("lost bit", 0)
    assert "\\x" in defect.found or "\\r" in defect.found
    assert (
        defect.repair.strip("'").split()[0]
        == line.translate(bytes.maketrans(b"\x00\x0e\x10\x11\x16", b" .016")).split()[0].decode()
    )


def test_every_control_digit_is_its_digit() -> None:
    line = bytes(range(0x11, 0x1A)) + b"\x10 1 1 1 1 1"
    assert parse(line).xyz[10, 0] == 1234567890


def test_a_tail_of_nul_bytes_is_a_blank_row() -> None:
    table = parse(b"\x00" * 40)
    assert table.n_read == 20
    assert [(d.rule, d.repair, d.dropped) for d in table.defects] == [("lost bit", "blank row", 0)]


def test_rows_joined_by_carriage_returns_are_split() -> None:
    table = parse(b"1 2 3 4 5 6\r7 8 9 10 11 12\r13 14 15 16 17 18")
    np.testing.assert_array_equal(table.xyz[10:13, 0], [1, 7, 13])
    np.testing.assert_array_equal(table.row, np.arange(23))
    assert table.n_read == 23
    assert [(d.rule, d.line, d.repair) for d in table.defects] == [
        ("carriage return", 11, "split into 3 rows")
    ]


@pytest.mark.parametrize(
    ("color", "mended"), [(b"256 -3 7", [255, 0, 7]), (b"12.6 0 999999", [13, 0, 255])]
)
def test_colors_outside_the_range_are_clipped(color: bytes, mended: list[int]) -> None:
    table = parse(b"1 2 3 " + color)
    np.testing.assert_array_equal(table.color[10], mended)
    np.testing.assert_array_equal(table.xyz[10], [1, 2, 3])
    assert [(d.rule, d.dropped) for d in table.defects] == [("color", 0)]


LOST = [
    pytest.param(b"1 2 3 4 5", "columns", id="5-columns"),
    pytest.param(b"1 2 3 4 5 6 7", "columns", id="7-columns"),
    pytest.param(b"1 2 3", "columns", id="cut-short"),
    pytest.param(b"1 2 three 4 5 6", "not a number", id="word"),
    pytest.param(b"1 2 0x3 4 5 6", "not a number", id="hexadecimal"),
    pytest.param(b"1 2 1_0 4 5 6", "not a number", id="underscore"),
    pytest.param(b"1 2 3e 4 5 6", "not a number", id="half-an-exponent"),
    pytest.param(b"1 2 3.4.5 4 5 6", "not a number", id="two-points"),
    pytest.param(b"1 2 -. 4 5 6", "not a number", id="no-digit"),
    pytest.param(b"1 2 \xff 4 5 6", "not a number", id="byte-of-no-encoding"),
    pytest.param(b"1 2 NaN 4 5 6", "not finite", id="nan"),
    pytest.param(b"1 2 -Infinity 4 5 6", "not finite", id="infinity"),
    pytest.param(b"1 2 1e400 4 5 6", "not finite", id="overflow"),
    pytest.param(b"1 2 3 nan 5 6", "not finite", id="nan-color"),
]


@pytest.mark.parametrize(("line", "rule"), LOST)
def test_a_row_that_no_rule_mends_is_left_out_with_a_record(line: bytes, rule: str) -> None:
    table = parse(line)
    assert table.n_read == 21
    np.testing.assert_array_equal(table.row, np.delete(np.arange(21), 10))
    (defect,) = table.defects
    assert (defect.line, defect.rule, defect.repair) == (11, rule, "left out")
    assert defect.dropped == 1


@pytest.mark.parametrize("on_defect", ["fail", "skip"])
@pytest.mark.parametrize(("line", "rule"), LOST)
def test_the_error_line_of_such_a_row(line: bytes, rule: str, on_defect: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse(line, on_defect)
    message = str(caught.value)
    assert message.startswith("Area_5/x: Area_5/x/a.txt:11: found '")
    assert f"({rule}), wanted 3 finite numbers and 3 integers 0..255; --on-defect repair" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"1 2 3 185\x00187 182", r"'1 2 3 185\x00187 182' (lost bit)"),
        (b"-9.1\x160 1 2 1 2 3", r"'-9.1\x160 1 2 1 2 3' (lost bit)"),
        (b"1 2 3 103.0\x100000 1 2", r"'1 2 3 103.0\x100000 1 2' (lost bit)"),
        (b"1 2 3 2\x111.000000 1 2", r"'1 2 3 2\x111.000000 1 2' (lost bit)"),
        (b"1 2 3 4 5 6\r7 8 9 1 2 3", r"'1 2 3 4 5 6\r7 8 9 1 2 3' (carriage return)"),
        (b"1 2 3 300 0 0", "'1 2 3 300 0 0' (color)"),
    ],
    ids=["NUL", "digit", "zero", "one", "joined", "color"],
)
def test_the_error_line_of_a_row_that_a_rule_mends(line: bytes, found: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse(line, "fail")
    assert str(caught.value) == (
        f"Area_5/x: Area_5/x/a.txt:11: found {found}, wanted 3 finite numbers and 3 integers "
        "0..255; --on-defect repair mends it"
    )


@pytest.mark.parametrize("line", [b"-9.1\x160 1 2 1 2 3", b"1 2 3 300 0 0"])
def test_skip_mends_and_fail_does_not(line: bytes) -> None:
    assert len(parse(line, "skip").defects) == 1
    with pytest.raises(SourceError, match="--on-defect repair mends it"):
        parse(line, "fail")


def test_the_first_defect_fails() -> None:
    data = GOOD + b"1 2\n" + b"nan 2 3 4 5 6\n"
    with pytest.raises(SourceError, match="'1 2' \\(columns\\)") as caught:
        parse_points(data, on_defect="fail")
    assert caught.value.line == 2


@pytest.mark.parametrize(
    ("n_rows", "limit"),
    [(0, 0), (1, 0), (2, 1), (10, 5), (499, 5), (1000, 10), (9900, 99), (10**8, 99)],
)
def test_doubtful_limit(n_rows: int, limit: int) -> None:
    assert doubtful_limit(n_rows) == limit


@pytest.mark.parametrize("bad", [b"1 2 3 4 5 6 7\n", b"1 2 3 0.5 0.5 0.5\n", b"a,b,c,d,e,f\n"])
def test_a_file_of_another_format_is_an_error(bad: bytes) -> None:
    with pytest.raises(SourceError, match=r"doubtful row 1 of 1 rows, wanted .* --on-defect skip"):
        parse_points(bad)
    with pytest.raises(SourceError, match="doubtful row 100 of 20000 rows"):
        parse_points(GOOD * 10_000 + bad * 10_000)


def test_lost_bits_have_no_limit() -> None:
    table = parse_points(b"1\x002 3 4 5 6\n" * 300)
    assert len(table.xyz) == len(table.defects) == 300


def test_long_rows_are_quoted_short() -> None:
    (defect,) = parse(b"9 " * 1000).defects
    assert len(defect.found) <= 70
    assert defect.found.endswith("…'")
