"""`text-statistics`: counts the words of a text and picks its most telling sentences.

It records usage under the model name `local-rules-1`, which is this module: a word read is a prompt
token, a word of the summary a completion token. No language model is involved.
"""

import re
from collections import Counter
from time import perf_counter
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from ledger_client.work import Run
from server.demo.registry import agents

Json = dict[str, Any]

MODEL: Final = "local-rules-1"

_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_WORD = re.compile(r"[A-Za-z][A-Za-z'-]*")
_COMMON: Final = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by for from has have in is it its of on or that the this to was were"
        " which with not but they their than then there what when who will would one two no",
    )
)


class Text(BaseModel):
    """What is to be summarised."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=200_000)
    sentences: int = Field(2, ge=1, le=20, description="How many sentences to pick.")


@agents.agent(
    name="text-statistics",
    version="1",
    description="Counts words and picks the most telling sentences; its model is a word counter.",
    labels=["demo"],
)
async def text_statistics(run: Run, text: Text) -> Json:
    """Count, pick, stream what was picked."""
    began = perf_counter()
    sentences = [each for each in _SENTENCE.split(text.text.strip()) if each]
    async with run.tool("count_words", {"characters": len(text.text)}) as tool:
        counts = count_words(text.text)
        frequent = dict(counts.most_common(10))
        tool.result(frequent, summary=f"{counts.total()} telling words")
    await run.thinking(f"{len(sentences)} sentences, of which {text.sentences} are wanted.")
    picked = pick(sentences, counts, text.sentences)
    for sentence in picked:
        await run.content(f"{sentence} ")
    summary = " ".join(picked)
    words = len(text.text.split())
    await run.usage(
        model=MODEL,
        provider="demo",
        prompt_tokens=words,
        completion_tokens=len(summary.split()),
        duration_ms=round((perf_counter() - began) * 1000),
        raw={"words_read": words, "sentences_read": len(sentences)},
    )
    return {"summary": summary, "words": words, "frequent": frequent}


def count_words(text: str) -> Counter[str]:
    """The words that tell something, each with its number."""
    words = (word.lower() for word in _WORD.findall(text))
    return Counter(word for word in words if word not in _COMMON)


def pick(sentences: list[str], counts: Counter[str], number: int) -> list[str]:
    """The sentences whose words are the most frequent on average, in the order of the text."""

    def weight(at: int) -> tuple[float, int]:
        words = [word.lower() for word in _WORD.findall(sentences[at])]
        return sum(counts[word] for word in words) / max(1, len(words)), -at

    best = sorted(range(len(sentences)), key=weight, reverse=True)[:number]
    return [sentences[at] for at in sorted(best)]
