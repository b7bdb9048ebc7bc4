"""Write the golden files that do not exist yet; those that do stay as they are."""

from ledger.strict_json import encode
from tests.golden import files
from tests.golden.outcome import outcome_of
from tests.golden.recordings import STORIES, record


def main() -> None:
    """Tell every story, and keep of it what no golden file has."""
    for name, tell in STORIES.items():
        events = record(tell)
        golden = {files.first_event_file(event.topic): event for event in reversed(events)}
        texts = {file: files.event_text(event) for file, event in golden.items()}
        if not files.history_file(name).exists():
            texts[files.history_file(name)] = files.history_text(events)
            texts[files.outcome_file(name)] = encode(outcome_of(events)) + b"\n"
        for file in sorted(texts):
            if files.write_if_missing(file, texts[file]):
                print(f"wrote {file.relative_to(files.HERE)}")


if __name__ == "__main__":
    main()
