"""Every projection there is."""

from collections.abc import Sequence
from typing import Final

from projections.agents import Agents
from projections.approval_rows import Approvals
from projections.budgets import Budgets
from projections.costs import Costs
from projections.executions import Executions
from projections.keys import Keys
from projections.prices import Prices
from projections.projection import Projection
from projections.score_configs import ScoreConfigs
from projections.scores import Scores
from projections.sessions import Sessions
from projections.span_rows import Spans

ALL: Final[Sequence[Projection]] = (
    Executions(),
    Approvals(),
    Agents(),
    Costs(),
    Sessions(),
    Spans(),
    Scores(),
    ScoreConfigs(),
    Keys(),
    Prices(),
    Budgets(),
)
