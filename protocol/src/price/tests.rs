//! The price list: what is in it, and what is charged by it.

use super::*;

fn table() -> PriceTable {
    PriceTable::parse(BUILTIN).unwrap()
}

fn cost(provider: &str, model: &str, usage: Usage) -> u64 {
    let table = table();
    table
        .find(&Catalogue::builtin(), provider, model)
        .unwrap()
        .cost(&usage)
        .0
}

#[test]
fn the_builtin_table_names_its_source_and_covers_the_providers() {
    assert!(BUILTIN.contains("LiteLLM") && BUILTIN.contains("MIT") && BUILTIN.contains("2026-11"));
    let table = table();
    // Meta publishes none: its models are unpriced.
    for provider in [
        "openai",
        "anthropic",
        "google",
        "groq",
        "xai",
        "deepseek",
        "mistral",
    ] {
        assert!(table.models(provider).next().is_some(), "{provider}");
    }
    for provider in Catalogue::builtin().iter() {
        if let Some(model) = &provider.deep_model
            && *provider.id != *"meta"
        {
            assert!(
                table
                    .find(&Catalogue::builtin(), &provider.id, model)
                    .is_some(),
                "{model}: the deep test's cost must be known"
            );
        }
    }
}

#[test]
fn each_kind_of_token_has_its_price() {
    // gpt-4o: 2.50, 1.25 cached, 10.00 USD per million.
    let usage = Usage {
        input: 1000,
        cached: 400,
        output: 100,
        ..Usage::default()
    };
    assert_eq!(
        cost("openai", "gpt-4o", usage),
        600 * 2_500_000 + 400 * 1_250_000 + 100 * 10_000_000
    );
    // claude-sonnet-4-5: 3.00, 0.30 cached, 3.75 written, 15.00.
    let usage = Usage {
        input: 3595,
        cached: 500,
        cache_write: 1000,
        output: 503,
        ..Usage::default()
    };
    assert_eq!(
        cost("anthropic", "claude-sonnet-4-5-20250929", usage),
        2095 * 3_000_000 + 500 * 300_000 + 1000 * 3_750_000 + 503 * 15_000_000
    );
    // whisper-1: 0.006 USD per minute.
    let usage = Usage {
        milliseconds: 60_000,
        ..Usage::default()
    };
    assert_eq!(
        cost("openai", "whisper-1", usage),
        PicoUsd::parse_usd("0.006").unwrap().0
    );
}

#[test]
fn reports_that_contradict_themselves_never_cost_less_than_nothing() {
    let price = Price {
        input: Some(PicoUsd(10)),
        output: Some(PicoUsd(20)),
        cached: Some(PicoUsd(1)),
        ..Price::default()
    };
    let usage = Usage {
        input: 5,
        cached: 50,
        reasoning: 9,
        output: 3,
        ..Usage::default()
    };
    assert_eq!(price.cost(&usage).0, 5 + 3 * 20);
    let huge = Usage {
        input: u64::MAX,
        output: u64::MAX,
        ..Usage::default()
    };
    assert_eq!(price.cost(&huge).0, u64::MAX);
    let only_input = Price {
        input: Some(PicoUsd(10)),
        ..Price::default()
    };
    assert_eq!(
        only_input
            .cost(&Usage {
                output: 2,
                ..Usage::default()
            })
            .0,
        20
    );
}

#[test]
fn a_reported_cost_counts() {
    let usage = Usage {
        input: 1000,
        cost: Some(PicoUsd(7)),
        ..Usage::default()
    };
    assert_eq!(cost("openai", "gpt-4o", usage), 7);
}

#[test]
fn reservations_cover_the_cost() {
    let table = table();
    for provider in Catalogue::builtin().iter() {
        for (model, price) in table.models(&provider.id) {
            for usage in [
                Usage {
                    input: 100,
                    output: 10,
                    ..Usage::default()
                },
                Usage {
                    input: 100,
                    cached: 30,
                    audio_input: 20,
                    output: 9,
                    ..Usage::default()
                },
                Usage {
                    input: 100,
                    cache_write: 60,
                    output: 9,
                    reasoning: 9,
                    ..Usage::default()
                },
                Usage {
                    milliseconds: 4321,
                    ..Usage::default()
                },
            ] {
                let most = price.at_most(usage.input, usage.output, usage.milliseconds);
                assert!(most >= price.cost(&usage), "{model}");
            }
        }
    }
}

#[test]
fn models_are_found_by_the_names_clients_write() {
    let (table, catalogue) = (table(), Catalogue::builtin());
    let find = |provider, model| table.find(&catalogue, provider, model);
    let sonnet = find("anthropic", "claude-sonnet-4-5");
    assert!(sonnet.is_some());
    for model in [
        "claude-sonnet-4-5-20990101",
        "Claude-Sonnet-4-5",
        "claude-sonnet-4-5-latest",
    ] {
        assert_eq!(find("anthropic", model), sonnet, "{model}");
    }
    assert_eq!(find("openrouter", "anthropic/claude-sonnet-4.5"), sonnet);
    assert_eq!(
        find("openai", "gpt-4o-2099-01-01"),
        find("openai", "gpt-4o")
    );
    assert_eq!(
        find("google", "models/gemini-2.5-pro"),
        find("google", "gemini-2.5-pro")
    );
    assert!(find("groq", "openai/gpt-oss-120b").is_some());
    for (provider, model) in [
        ("openai", "no-such-model"),
        ("openai", "claude-sonnet-4-5"),
        ("nowhere", "gpt-4o"),
        ("openrouter", "openrouter/auto"),
        ("openrouter", "qwen/qwen3"),
        ("openrouter", "openai/gpt-4o:free"),
        ("openrouter", "gpt-4o"),
    ] {
        assert_eq!(find(provider, model), None, "{provider} {model}");
    }
}

#[test]
fn an_operators_price_comes_first() {
    let (mut table, catalogue) = (table(), Catalogue::builtin());
    let dime = Price {
        request: PicoUsd::parse_usd("0.10"),
        ..Price::default()
    };
    table.set("my-model", dime);
    table.set("openai/gpt-4o", dime);
    assert_eq!(table.find(&catalogue, "anything", "My-Model"), Some(&dime));
    assert_eq!(table.find(&catalogue, "openai", "gpt-4o"), Some(&dime));
    assert_eq!(dime.cost(&Usage::default()).to_micros(), 100_000);
    assert_eq!(dime.at_most(5, 5, 5).to_micros(), 100_000);
}

#[test]
fn malformed_tables_name_their_line() {
    for (text, line) in [
        ("openai", 1),
        ("# x\nopenai\tm\tx", 2),
        ("openai\tm\t-1", 1),
        ("openai\tm", 1),
        ("\tm\t1", 1),
        ("openai\tm\t1\nopenai\tM\t2", 2),
        ("openai\tm\t1\t1\t1\t1\t1\t1\t1\t1\t1\t1\t1", 1),
    ] {
        assert_eq!(
            PriceTable::parse(text),
            Err(TableError { line }),
            "{text:?}"
        );
    }
}
