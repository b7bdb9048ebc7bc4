"""What a caller may ask for: the table of contents of the write side."""

from ledger.commands.agents import (
    AddGuardrail,
    AddVersion,
    ArchiveAgent,
    ChangeAgent,
    PromoteVersion,
    RegisterAgent,
)
from ledger.commands.approvals import (
    Decide,
    ExpireApproval,
    RequestApproval,
    SupersedeApproval,
)
from ledger.commands.command import Command, Decision
from ledger.commands.creation import CreateExecution
from ledger.commands.execution import (
    Annotate,
    Append,
    Cancel,
    Claim,
    Complete,
    Fail,
    LoseWorker,
    Start,
)
from ledger.commands.keys import CreateKey, RevokeKey
from ledger.commands.prices import EndPrice, RepriceUsage, SetPrice
from ledger.commands.runs import RecordRun
from ledger.commands.scores import (
    ChangeScoreConfig,
    CreateScoreConfig,
    RemoveScore,
    RemoveScoreConfig,
    Score,
)
from ledger.commands.standing_budgets import EndBudget, LookAtBudgets, SetBudget

__all__ = [
    "AddGuardrail",
    "AddVersion",
    "Annotate",
    "Append",
    "ArchiveAgent",
    "Cancel",
    "ChangeAgent",
    "ChangeScoreConfig",
    "Claim",
    "Command",
    "Complete",
    "CreateExecution",
    "CreateKey",
    "CreateScoreConfig",
    "Decide",
    "Decision",
    "EndBudget",
    "EndPrice",
    "ExpireApproval",
    "Fail",
    "LookAtBudgets",
    "LoseWorker",
    "PromoteVersion",
    "RecordRun",
    "RegisterAgent",
    "RemoveScore",
    "RemoveScoreConfig",
    "RepriceUsage",
    "RequestApproval",
    "RevokeKey",
    "Score",
    "SetBudget",
    "SetPrice",
    "Start",
    "SupersedeApproval",
]
