"""What is typed after --where."""

import pytest

from sigsearch.cli.where import parse_where
from sigsearch.errors import InputError

PICTURE = {
    "museum": {"name": "Louvre", "floor": 1},
    "year": 1503,
    "number": "779",
    "shown": True,
    "note": "a=b",
}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("museum.name=Louvre", True),
        ("museum.name=Prado", False),
        ("museum.name!=Prado", True),
        ("museum.name!=Louvre", False),
        ("nothing!=Louvre", True),
        ("year=1503", True),
        ("year=1503.0", True),
        ("year=1504", False),
        ("year!=1503", False),
        ("number=779", True),
        ("number!=779", False),
        ("shown=true", True),
        ("shown=false", False),
        ("shown=True", False),
        ("year<1504", True),
        ("year<1503", False),
        ("year<=1503", True),
        ("year>1503", False),
        ("year>=1503", True),
        ("museum.name>Kunsthalle", True),
        ("museum.name<Kunsthalle", False),
        ("year>Louvre", False),
        ("museum", True),
        ("museum.floor", True),
        ("museum.roof", False),
        ("note=a=b", True),
        ("year=NaN", False),
        ("year<Infinity", False),
        ("year<1e999", False),
        ("year!=null", True),
        ("museum.name=", False),
    ],
)
def test_a_condition_holds_of_the_metadata_it_describes(condition, holds):
    assert parse_where([condition]).matches(PICTURE) is holds


def test_several_conditions_must_all_hold():
    assert parse_where(["museum.name=Louvre", "year<1600"]).matches(PICTURE)
    assert not parse_where(["museum.name=Louvre", "year<1500"]).matches(PICTURE)


def test_no_condition_is_no_filter():
    assert parse_where([]) is None


@pytest.mark.parametrize("condition", ["", "=Louvre", "<3", "!=x", "museum!Louvre"])
def test_what_is_no_condition_is_refused(condition):
    with pytest.raises(InputError, match="wanted a condition such as"):
        parse_where([condition])
