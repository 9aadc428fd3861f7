"""What the database refuses becomes one sentence, or stays what it is."""

import pytest
from fiftyone_coreset import CoresetError
from fiftyone_coreset.plugin.dataset.lock import database_faults
from pymongo.errors import AutoReconnect, CursorNotFound, OperationFailure

#: As mongod says it on a file system that is full.
FULL = OperationFailure("28: No space left on device, full error: {'ok': 0.0, 'code': 14031}")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (AutoReconnect("connection closed"), r"the database does not answer \(AutoReconnect\); call again"),
        (CursorNotFound("cursor id 1 not found"), r"the database does not answer \(CursorNotFound\); call again"),
        (FULL, "the database cannot write, because its disk is full; call again"),
    ],
)
def test_faults_of_the_database_are_one_sentence(error, message):
    with pytest.raises(CoresetError, match=f"^{message}$"), database_faults("call again"):
        raise error


def test_other_errors_of_the_database_are_not_hidden():
    with pytest.raises(OperationFailure, match="unknown operator"), database_faults("call again"):
        raise OperationFailure("unknown operator: $frobnicate")
