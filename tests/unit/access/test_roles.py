"""Roles: an order, and names."""

import pytest

from protocol.access.roles import Role


def test_each_role_includes_the_ones_before() -> None:
    assert Role.METRICS < Role.VIEW < Role.OPERATE < Role.ADMIN


def test_a_role_is_read_by_its_name() -> None:
    assert [Role.parse(str(role)) for role in Role] == list(Role)
    with pytest.raises(ValueError, match="must be one of metrics, view, operate, admin"):
        Role.parse("Admin")
