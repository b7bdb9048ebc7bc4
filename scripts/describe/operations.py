"""Settings and roles, made of the code that reads and applies them."""

from pydantic.fields import FieldInfo

from scripts.describe.api import operations
from scripts.describe.markdown import code, table
from server.auth import PERMITTED, Permission
from server.settings import Settings


def settings() -> str:
    """Every setting with its default and its description."""
    fields = Settings.model_fields.items()
    rows = [
        (code(f"LEDGER_{name.upper()}"), _default(field), field.description or "")
        for name, field in fields
    ]
    return table(("variable", "default", "meaning"), rows)


def roles() -> str:
    """Every role and the permissions it has: those up to its own."""
    head = ("role", *(each.name.lower() for each in Permission))
    rows = [
        (code(role), *("yes" if each <= most else "" for each in Permission))
        for role, most in PERMITTED.items()
    ]
    return table(head, rows)


def permissions() -> str:
    """What each permission opens that the one below does not."""
    rows = []
    for permission in Permission:
        needing = [each for each in operations() if each.permission == permission.name.lower()]
        if permission is Permission.READ:
            rest = [code(each.name) for each in needing if each.method != "GET"]
            rows.append(
                (permission.name.lower(), "; ".join(["every `GET` that is not below", *rest]))
            )
        else:
            rows.append((permission.name.lower(), "; ".join(code(each.name) for each in needing)))
    return table(("permission", "opens"), rows)


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    return "empty" if value in (None, {}) else code(str(value))
