"""What all our operators have in common."""

from __future__ import annotations

import fiftyone.operators as foo
import fiftyone.operators.types as types


def operator_config(
    name: str, label: str, description: str, risk_level: types.RiskLevel, long_running: bool = False
) -> foo.OperatorConfig:
    """The configuration of an operator.

    Args:
        name: the operator's name
        label: what users see
        description: one sentence
        risk_level: what it can do to a dataset
        long_running (False): whether it shows progress and can be delegated

    Returns:
        an operator configuration with our icons, whose form is checked while the user types
    """
    return foo.OperatorConfig(
        name=name,
        label=label,
        description=description,
        icon="/assets/icon.svg",
        dynamic=True,
        execute_as_generator=long_running,
        allow_immediate_execution=True,
        allow_delegated_execution=long_running,
        risk_level=risk_level,
    )
