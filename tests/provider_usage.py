"""Usage objects as providers send them, with what they come to, worked out by hand.

The sums stand beside each case: tokens times dollars per million of them.
"""

from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

Json = dict[str, Any]

NOVEMBER: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Case(NamedTuple):
    """One usage object.

    Attributes:
        name: what is particular about it.
        report: what is said beside it: model, provider.
        raw: the object, as the provider gave it.
        counts: prompt, completion, cached, cache creation, reasoning.
        cost: dollars by the packaged prices.
        reported: dollars by the provider's own word.
        at: when it was spent.
        units: what is counted beside them.
    """

    name: str
    report: Json
    raw: Json
    counts: tuple[int, int, int | None, int | None, int | None]
    cost: str
    reported: str | None = None
    at: datetime = NOVEMBER
    units: dict[str, int] | None = None


CASES: Final = (
    Case(
        "openai-chat-cached-and-reasoning",
        {"provider": "openai", "model": "gpt-5-mini-2025-08-07"},
        {
            "prompt_tokens": 2006,
            "completion_tokens": 300,
            "total_tokens": 2306,
            "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 192,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        (2006, 300, 1920, None, 192),
        "0.0006695",  # 86 x 0.25 + 1920 x 0.025 + 300 x 2 = 669.5
    ),
    Case(
        "openai-responses",
        {"provider": "openai", "model": "o3"},
        {
            "input_tokens": 328,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 1264,
            "output_tokens_details": {"reasoning_tokens": 1024},
            "total_tokens": 1592,
        },
        (328, 1264, 0, None, 1024),
        "0.010768",  # 328 x 2 + 1264 x 8 = 10768
    ),
    Case(
        "openai-batch-in-a-whole-response",
        {"provider": "openai", "model": "gpt-5-mini", "service_tier": "batch"},
        {
            "id": "chatcmpl-1",
            "model": "gpt-5-mini-2025-08-07",
            "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
        },
        (1000, 100, None, None, None),
        "0.000225",  # 1000 x 0.125 + 100 x 1 = 225
    ),
    Case(
        "anthropic-both-caches-and-searches",
        {"provider": "anthropic", "model": "claude-sonnet-4-5-20250929"},
        {
            "input_tokens": 2095,
            "cache_creation_input_tokens": 5000,
            "cache_read_input_tokens": 180_000,
            "cache_creation": {
                "ephemeral_5m_input_tokens": 3000,
                "ephemeral_1h_input_tokens": 2000,
            },
            "output_tokens": 503,
            "server_tool_use": {"web_search_requests": 2},
            "service_tier": "standard",
        },
        (187_095, 503, 180_000, 5000, None),
        # 2095 x 3 + 3000 x 3.75 + 2000 x 6 + 180000 x 0.3 + 503 x 15 = 91080; 2 x 10 per thousand
        "0.11108",
        units={
            "cache_write_5m_tokens": 3000,
            "cache_write_1h_tokens": 2000,
            "web_searches": 2,
        },
    ),
    Case(
        "anthropic-long-context",
        {"provider": "anthropic", "model": "claude-sonnet-4-5"},
        {
            "input_tokens": 12_000,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 210_000,
            "output_tokens": 1000,
        },
        (222_000, 1000, 210_000, 0, None),
        "0.2205",  # above 200000: 12000 x 6 + 210000 x 0.6 + 1000 x 22.5 = 220500
    ),
    Case(
        "google-long-context-with-thoughts",
        {"provider": "google", "model": "gemini-2.5-pro"},
        {
            "promptTokenCount": 250_000,
            "cachedContentTokenCount": 100_000,
            "candidatesTokenCount": 800,
            "thoughtsTokenCount": 1200,
            "totalTokenCount": 252_000,
        },
        (250_000, 2000, 100_000, None, 1200),
        "0.43",  # above 200000: 150000 x 2.5 + 100000 x 0.25 + 2000 x 15 = 430000
    ),
    Case(
        "google-audio",
        {"provider": "google", "model": "gemini-2.5-flash"},
        {
            "promptTokenCount": 1290,
            "candidatesTokenCount": 40,
            "totalTokenCount": 1330,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 10},
                {"modality": "AUDIO", "tokenCount": 1280},
            ],
        },
        (1290, 40, None, None, None),
        "0.001383",  # 10 x 0.3 + 1280 x 1 + 40 x 2.5 = 1383
        units={"input_text_tokens": 10, "input_audio_tokens": 1280},
    ),
    Case(
        "mistral",
        {"provider": "mistral", "model": "mistral-large-latest"},
        {"prompt_tokens": 100, "completion_tokens": 65, "total_tokens": 165},
        (100, 65, None, None, None),
        "0.00059",  # 100 x 2 + 65 x 6 = 590
    ),
    Case(
        "deepseek-by-day",
        {"provider": "deepseek", "model": "deepseek-chat"},
        {
            "prompt_tokens": 1036,
            "completion_tokens": 228,
            "total_tokens": 1264,
            "prompt_cache_hit_tokens": 1024,
            "prompt_cache_miss_tokens": 12,
        },
        (1036, 228, 1024, None, None),
        "0.00032572",  # 12 x 0.27 + 1024 x 0.07 + 228 x 1.1 = 325.72
    ),
    Case(
        "deepseek-by-night",
        {"provider": "deepseek", "model": "deepseek-chat"},
        {
            "prompt_tokens": 1036,
            "completion_tokens": 228,
            "total_tokens": 1264,
            "prompt_tokens_details": {"cached_tokens": 1024},
        },
        (1036, 228, 1024, None, None),
        "0.00016286",  # 12 x 0.135 + 1024 x 0.035 + 228 x 0.55 = 162.86
        at=datetime(2026, 11, 20, 18, tzinfo=UTC),
    ),
    Case(
        "xai-reasoning-beside-the-completion",
        {"provider": "x-ai", "model": "grok-4"},
        {
            "prompt_tokens": 41,
            "completion_tokens": 9,
            "total_tokens": 150,
            "prompt_tokens_details": {"text_tokens": 41, "cached_tokens": 8},
            "completion_tokens_details": {"reasoning_tokens": 100},
        },
        (41, 109, 8, None, 100),
        "0.00174",  # 33 x 3 + 8 x 0.75 + 109 x 15 = 1740
    ),
    Case(
        "xai-reasoning-in-the-completion-and-its-own-cost",
        {"provider": "xai", "model": "grok-4"},
        {
            "prompt_tokens": 41,
            "completion_tokens": 109,
            "total_tokens": 150,
            "completion_tokens_details": {"reasoning_tokens": 100},
            "cost_in_usd_ticks": 17_400_000,
        },
        (41, 109, None, None, 100),
        "0.001758",  # 41 x 3 + 109 x 15 = 1758
        reported="0.00174",
    ),
    Case(
        "bedrock-converse",
        {"provider": "bedrock", "model": "amazon.nova-pro-v1:0"},
        {
            "inputTokens": 500,
            "outputTokens": 120,
            "totalTokens": 1620,
            "cacheReadInputTokens": 1000,
            "cacheWriteInputTokens": 0,
        },
        (1500, 120, 1000, 0, None),
        "0.000984",  # 500 x 0.8 + 1000 x 0.2 + 120 x 3.2 = 984
    ),
    Case(
        "openrouter-with-its-own-cost",
        {"provider": "openrouter", "model": "anthropic/claude-sonnet-4.5"},
        {
            "prompt_tokens": 194,
            "completion_tokens": 2,
            "total_tokens": 196,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
            "cost": 0.000612,
            "cost_details": {"upstream_inference_cost": None},
        },
        (194, 2, 0, None, 0),
        "0.000612",  # 194 x 3 + 2 x 15 = 612
        reported="0.000612",
    ),
    Case(
        "perplexity-citations-and-searches",
        {"provider": "perplexity", "model": "sonar-deep-research"},
        {
            "prompt_tokens": 33,
            "completion_tokens": 7163,
            "total_tokens": 7196,
            "citation_tokens": 20_016,
            "num_search_queries": 18,
            "reasoning_tokens": 73_994,
        },
        (33, 101_173, None, None, 73_994),
        # 33 x 2 + 7163 x 8 + 20016 x 2 + 73994 x 3 = 319384; 18 x 5 per thousand
        "0.409384",
        units={"output_citation_tokens": 20_016, "web_searches": 18},
    ),
    Case(
        "groq-with-times-beside-the-counts",
        {"provider": "groq", "model": "llama-3.3-70b-versatile"},
        {
            "queue_time": 0.037,
            "prompt_tokens": 18,
            "completion_tokens": 556,
            "total_tokens": 574,
            "total_time": 0.464,
        },
        (18, 556, None, None, None),
        "0.00044986",  # 18 x 0.59 + 556 x 0.79 = 449.86
    ),
    Case(
        "azure",
        {"provider": "azure", "model": "gpt-4o"},
        {
            "prompt_tokens": 1000,
            "completion_tokens": 10,
            "total_tokens": 1010,
            "prompt_tokens_details": {"cached_tokens": 900},
        },
        (1000, 10, 900, None, None),
        "0.001475",  # 100 x 2.5 + 900 x 1.25 + 10 x 10 = 1475
    ),
    Case(
        "no-provider-is-named",
        {"model": "claude-sonnet-4-5"},
        {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 5},
        (100, 5, 90, None, None),
        "0.000132",  # 10 x 3 + 90 x 0.3 + 5 x 15 = 132
    ),
)
