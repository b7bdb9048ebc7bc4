from itertools import product

import pytest

from ledger.role import Role


@pytest.mark.parametrize(("role", "other"), list(product(Role, Role)))
def test_a_role_includes_those_that_may_do_less_and_itself(role: Role, other: Role) -> None:
    ranks = [Role.READER, Role.WORKER, Role.OPERATOR, Role.ADMIN]

    assert role.includes(other) == (ranks.index(role) >= ranks.index(other))
