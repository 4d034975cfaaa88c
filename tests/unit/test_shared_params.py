from __future__ import annotations

import math

import pytest

from shared.errors import OutOfRange, UsageError
from shared.params import CONTROLS, MAX_FIELDS, PARAMS, SYMBOL_FIELDS, Param, defaults, index_of, parameter_table

ALL_FIELDS = [*SYMBOL_FIELDS, *CONTROLS]
EACH = pytest.mark.parametrize("field", ALL_FIELDS, ids=lambda field: field.name)

DESIGNED = {  # the ranges and defaults of the design, section 6
    "ema_dev_trending_pct": (0.1, 2.0, 1.0),
    "ema_dev_ranging_pct": (0.1, 1.0, 0.5),
    "ema_dev_highvol_pct": (0.05, 0.5, 0.2),
    "base_position_pct": (1.0, 5.0, 2.0),
    "max_position_pct": (1.0, 10.0, 5.0),
    "cooldown_ms": (1000.0, 10000.0, 2000.0),
    "signal_strength": (1.0, 3.0, 2.0),
    "target_pct": (1.0, 10.0, 1.5),
    "stop_pct": (0.5, 5.0, 1.0),
    "pullback_pct": (0.2, 2.0, 0.5),
}


def test_the_ten_parameters_are_those_of_the_design() -> None:
    assert {p.name: (p.minimum, p.maximum, p.default) for p in PARAMS} == DESIGNED


@EACH
def test_bounds_and_default_are_accepted(field: Param) -> None:
    for value in (field.minimum, field.default, field.maximum):
        assert field.check(value) == value


@EACH
@pytest.mark.parametrize("wrong", ["below", "above", "nan", "inf", "-inf"])
def test_a_value_outside_is_refused_and_the_error_names_it(field: Param, wrong: str) -> None:
    value = {
        "below": field.minimum - 0.01,
        "above": math.nextafter(field.maximum, math.inf),
        "nan": math.nan,
        "inf": math.inf,
        "-inf": -math.inf,
    }[wrong]
    with pytest.raises(OutOfRange) as refused:
        field.check(value)
    assert refused.value.field == field.name
    assert str(refused.value).startswith(f"{field.name}: was {value}, expected ")
    assert f"{field.minimum:g} to {field.maximum:g}" in str(refused.value)


@pytest.mark.parametrize("field", [f for f in ALL_FIELDS if f.integer and f.maximum > f.minimum], ids=lambda field: field.name)
def test_a_whole_number_takes_no_fraction(field: Param) -> None:
    with pytest.raises(OutOfRange, match="a whole number from"):
        field.check(field.minimum + 0.5)


UNITS: dict[str, str | tuple[str, ...]] = {"%": "_pct", "ms": "_ms", "bps": "_bps", "s": "_s", "x": ("leverage", "_factor")}


@EACH
def test_the_registry_is_sound(field: Param) -> None:
    assert field.minimum <= field.default <= field.maximum
    assert 0.0 < field.max_step <= max(field.maximum - field.minimum, field.maximum)
    assert field.risk in {-1, 0, 1}
    assert field.description
    if field.unit:
        assert field.name.endswith(UNITS[field.unit])


def test_names_are_unique_and_rows_fit() -> None:
    assert len({field.name for field in ALL_FIELDS}) == len(ALL_FIELDS)
    assert max(len(SYMBOL_FIELDS), len(CONTROLS)) <= MAX_FIELDS


@pytest.mark.parametrize("fields", [SYMBOL_FIELDS, CONTROLS], ids=["symbol", "controls"])
def test_defaults_are_in_order_and_padded(fields: tuple[Param, ...]) -> None:
    values = defaults(fields)
    assert values == [f.default for f in fields] + [0.0] * (MAX_FIELDS - len(fields))


def test_a_field_is_found_by_name_and_an_unknown_one_lists_them() -> None:
    for i, field in enumerate(CONTROLS):
        assert index_of(CONTROLS, field.name) == i
    with pytest.raises(UsageError, match=r"'stop_percent'.*stop_pct"):
        index_of(PARAMS, "stop_percent")


def test_values_are_shown_with_the_digits_that_matter() -> None:
    shown = {p.name: p.shown(p.default) for p in PARAMS}
    assert (shown["stop_pct"], shown["cooldown_ms"], shown["signal_strength"]) == ("1.00", "2000", "2")


def test_the_table_has_one_row_a_parameter() -> None:
    table = parameter_table()
    rows = table.splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == [p.name for p in PARAMS]
    assert all(len(row.split("|")) == len(table.splitlines()[0].split("|")) for row in rows)
