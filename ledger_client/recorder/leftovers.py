"""What processes that are gone have left to be delivered."""

from pathlib import Path

from ledger_client.options import Options
from ledger_client.recorder.journal import Journal
from ledger_client.recorder.spill_file import SpillFile, target_of
from ledger_client.recorder.track import Track


def adopted(path: Path, options: Options | None) -> Track | None:
    """A recording whose process is gone.

    Args:
        path: of its file.
        options: whose server it must be meant for; None for any.

    Returns:
        None when a living process works on it, or it is for another server.
    """
    file = SpillFile.adopt(path)
    if file is None:
        return None
    if options is not None and file.target != target_of(options):
        file.close()
        return None
    return Track(path.stem, Journal(file), is_orphan=True)
