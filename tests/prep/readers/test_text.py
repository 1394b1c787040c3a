from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prep.readers.repair import Repairer
from prep.readers.text import parse_points
from tests.reference_text import read_strictly

ROWS = b"-15.332 -47.958 4.344 0 140 114\n1 2. .5 255 0 3\n"
XYZ = [[-15.332, -47.958, 4.344], [1.0, 2.0, 0.5]]
COLOR = [[0, 140, 114], [255, 0, 3]]


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    """Compile before any deadline of hypothesis runs."""
    parse_points(b"1 2 3 4 5 6\n")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(ROWS, id="plain"),
        pytest.param(ROWS.rstrip(b"\n"), id="no-last-newline"),
        pytest.param(ROWS.replace(b"\n", b"\r\n"), id="crlf"),
        pytest.param(ROWS.replace(b"\n", b"\r\r\n"), id="crlf-converted-twice"),
        pytest.param(ROWS.replace(b"\n", b"\r"), id="classic-mac"),
        pytest.param(ROWS.replace(b"\n", b"  \t\n"), id="trailing-blanks"),
        pytest.param(ROWS.replace(b" ", b"\t"), id="tabs"),
        pytest.param(ROWS.replace(b" ", b", "), id="commas"),
        pytest.param(b"\n  \n" + ROWS.replace(b"\n", b"\n\n") + b"\n\n", id="blank-rows"),
        pytest.param(b"\xef\xbb\xbf" + ROWS, id="byte-order-mark"),
        pytest.param(ROWS.replace(b"-15.332", b"-1.5332e+01"), id="exponent"),
        pytest.param(ROWS.replace(b" 140 114", b" 140.000000 +114"), id="decimal-color"),
    ],
)
def test_ways_of_writing_change_nothing(data: bytes) -> None:
    table = parse_points(data, on_defect="fail")
    np.testing.assert_array_equal(table.xyz, XYZ)
    np.testing.assert_array_equal(table.color, COLOR)
    np.testing.assert_array_equal(table.row, [0, 1])
    assert (table.n_read, table.defects) == (2, ())
    assert (table.xyz.dtype, table.color.dtype, table.row.dtype) == ("f8", "u1", "i8")


@pytest.mark.parametrize("data", [b"", b"\n", b" \r\n\t\n", b"\xef\xbb\xbf"])
def test_no_rows(data: bytes) -> None:
    table = parse_points(data)
    assert table.xyz.shape == (0, 3)
    assert table.color.shape == (0, 3)
    assert (table.n_read, table.defects) == (0, ())


def test_takes_an_array_of_bytes() -> None:
    data = np.frombuffer(ROWS, dtype=np.uint8)
    np.testing.assert_array_equal(parse_points(data).xyz, XYZ)


def test_other_numbers_of_columns() -> None:
    table = parse_points(b"1 2 3 4.5 5.5 6.5 7\n", numbers=7, colors=0)
    np.testing.assert_array_equal(table.xyz, [[1, 2, 3, 4.5, 5.5, 6.5, 7]])
    assert table.color.shape == (1, 0)


@pytest.mark.parametrize(
    "number",
    [
        "0.1",
        "-0.0",
        "9007199254740992",
        "9007199254740993",
        "9007199254740994",
        "0.30000000000000004",
        "123456789012345678",
        "1234567890123456789012",
        "1.000000000000000000e+00",
        "2.500000000000000000e-01",
        "5.000000000000000277e-02",
        "0.000000000000000000000000000001",
        "1e22",
        "1e23",
        "8.41e21",
        "1e-22",
        "1e-23",
        "4.9e-324",
        "1e-400",
        "2.2250738585072011e-308",
        "1.7976931348623157e308",
        "17976931348623157e292",
        "100000000000000000000000000000000",
        "00000000000000000000000000000000012.5",
        "3." + "0" * 40 + "1",
        "0e999999999",
    ],
)
def test_numbers_are_the_nearest_float64(number: str) -> None:
    table = parse_points(f"{number} 0 -{number.lstrip('-')} 1 2 3\n".encode(), on_defect="fail")
    np.testing.assert_array_equal(table.xyz[0, 0], float(number))
    assert np.signbit(table.xyz[0, 0]) == number.startswith("-")
    np.testing.assert_array_equal(table.xyz[0, 2], -float(number.lstrip("-")))


def test_more_exceptions_than_the_kernel_first_has_room_for() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(500, 3)) * 1e3
    lines = [" ".join(map(repr, row)) + " 1 2 3" for row in values.tolist()]
    lines[1::3] = [line.replace(" 1 2 3", "\x001 2 3") for line in lines[1::3]]
    table = parse_points("\n".join(lines).encode())
    np.testing.assert_array_equal(table.xyz, values)
    np.testing.assert_array_equal(table.row, np.arange(500))
    assert len(table.defects) == 167


@st.composite
def decimals(draw: st.DrawFn) -> str:
    sign = draw(st.sampled_from(["", "-", "+"]))
    if draw(st.booleans()):
        value = draw(st.integers(0, 10**9)) / 10 ** draw(st.integers(0, 6))
        return f"{sign}{value:.{draw(st.integers(0, 12))}f}"
    value = draw(st.floats(0, 1e12, allow_subnormal=False))
    return sign + draw(st.sampled_from(["{!r}", "{:.18e}", "{:g}", "{:.25f}"])).format(value)


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    separators = st.sampled_from([" ", "  ", "\t", ", ", ","])
    rows = []
    for _ in range(draw(st.integers(0, 3))):
        cells = [draw(decimals()) for _ in range(3)]
        cells += [str(draw(st.integers(0, 255))) for _ in range(3)]
        line = "".join(cell + draw(separators) for cell in cells)
        rows.append(line + draw(st.sampled_from(["\n", "\r\n", "\n\n", " \n"])))
    text = "".join(rows)
    return (text.rstrip() if draw(st.booleans()) else text).encode()


@settings(max_examples=100, deadline=None)  # the interpreter runs these without the JIT too
@given(tables())
def test_equals_the_slow_twin_on_clean_tables(data: bytes) -> None:
    rows, bad = read_strictly(data)
    table = parse_points(data, on_defect="fail")
    assert bad == []
    expected = np.array(rows).reshape(-1, 6)
    np.testing.assert_array_equal(table.xyz, expected[:, :3])
    np.testing.assert_array_equal(table.color, expected[:, 3:])


NOISE = st.binary(min_size=1, max_size=3) | st.sampled_from(
    [b"nan", b"inf", b"1e400", b"-", b".", b"e5", b"+-1", b"\x00", b"\x11", b"\r", b" ", b"\n"]
)


@settings(max_examples=100, deadline=None)  # the interpreter runs these without the JIT too
@given(tables(), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3), NOISE), max_size=3))
def test_finds_the_bad_lines_that_the_slow_twin_finds(
    data: bytes, edits: list[tuple[float, int, bytes]]
) -> None:
    for place, cut, noise in edits:
        at = int(place * len(data))
        data = data[:at] + noise + data[at + cut :]
    rows, bad = read_strictly(data)
    seen = []

    class Recorder(Repairer):
        def repair(self, line: bytes, number: int) -> list[None]:
            seen.append(number)
            return [None]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prep.readers.text.Repairer", Recorder)
        table = parse_points(data)
    assert seen == bad
    expected = np.array(rows).reshape(-1, 6)
    np.testing.assert_array_equal(table.xyz, expected[:, :3])
    np.testing.assert_array_equal(table.color, expected[:, 3:])
    assert table.n_read == len(rows) + len(bad)


@settings(max_examples=100, deadline=None)  # the interpreter runs these without the JIT too
@given(tables(), st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3), NOISE), max_size=3))
def test_points_balance_after_repairs(data: bytes, edits: list[tuple[float, int, bytes]]) -> None:
    for place, cut, noise in edits:
        at = int(place * len(data))
        data = data[:at] + noise + data[at + cut :]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prep.readers.repair.doubtful_limit", lambda n_rows: n_rows)
        table = parse_points(data)
    assert len(table.xyz) == len(table.color) == len(table.row)
    assert table.n_read == len(table.xyz) + sum(d.dropped for d in table.defects)
    assert (np.diff(table.row) > 0).all()
    assert np.isfinite(table.xyz).all()
    assert [d.line for d in table.defects] == sorted(d.line for d in table.defects)
