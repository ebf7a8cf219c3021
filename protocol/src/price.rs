//! What usage costs.
//!
//! The table is data ([`BUILTIN`]), read once by the relay; the vault never names it, so its WASM
//! does not carry it. All arithmetic is in whole pico-dollars (see [`crate::money`]).

use crate::catalogue::Catalogue;
use crate::money::PicoUsd;
use crate::routing::OPENROUTER;
use crate::usage::Usage;
use std::collections::BTreeMap;

/// The pinned price table. Its first lines name its source, licence and date.
pub const BUILTIN: &str = include_str!("../data/model_prices.tsv");

/// Prices of one model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// Per input token.
    pub input: Option<PicoUsd>,
    /// Per output token.
    pub output: Option<PicoUsd>,
    /// Per input token read from the cache; else `input`.
    pub cached: Option<PicoUsd>,
    /// Per input token written to the cache; else `input`.
    pub cache_write: Option<PicoUsd>,
    /// Per input token of audio; else `input`.
    pub audio_input: Option<PicoUsd>,
    /// Per output token of audio; else `output`.
    pub audio_output: Option<PicoUsd>,
    /// Per output token of reasoning; else `output`.
    pub reasoning: Option<PicoUsd>,
    /// Per second of audio, where no tokens are reported.
    pub second: Option<PicoUsd>,
    /// Per request, on top.
    pub request: Option<PicoUsd>,
    /// Longest input in tokens.
    pub max_input_tokens: Option<u64>,
    /// Longest output in tokens.
    pub max_output_tokens: Option<u64>,
}

impl Price {
    /// What usage costs. A cost the provider itself reports counts instead.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> PicoUsd {
        if let Some(cost) = usage.cost {
            return cost;
        }
        let input = self.input.unwrap_or_default();
        // A model sold by input only must not put out for nothing.
        let output = self.output.unwrap_or(input);

        // The parts never exceed the whole, whatever the provider reports.
        let mut plain_input = usage.input;
        let mut take_input = |count: u64| {
            let count = count.min(plain_input);
            plain_input -= count;
            count
        };
        let cached = take_input(usage.cached);
        let cache_write = take_input(usage.cache_write);
        let audio_input = take_input(usage.audio_input);
        let mut plain_output = usage.output;
        let mut take_output = |count: u64| {
            let count = count.min(plain_output);
            plain_output -= count;
            count
        };
        let audio_output = take_output(usage.audio_output);
        let reasoning = take_output(usage.reasoning);

        let by_tokens: PicoUsd = [
            input.times(plain_input),
            self.cached.unwrap_or(input).times(cached),
            self.cache_write.unwrap_or(input).times(cache_write),
            self.audio_input.unwrap_or(input).times(audio_input),
            output.times(plain_output),
            self.audio_output.unwrap_or(output).times(audio_output),
            self.reasoning.unwrap_or(output).times(reasoning),
        ]
        .into_iter()
        .sum();
        let by_time = self.second.map_or(PicoUsd::ZERO, |second| {
            PicoUsd(second.times(usage.milliseconds).0.div_ceil(1000))
        });
        // A provider bills a transcription by tokens or by time, not both.
        by_tokens
            .max(by_time)
            .plus(self.request.unwrap_or_default())
    }

    /// The most that so many tokens and so much audio may cost: what is reserved before a call.
    #[must_use]
    pub fn at_most(&self, input_tokens: u64, output_tokens: u64, milliseconds: u64) -> PicoUsd {
        let dearest =
            |prices: [Option<PicoUsd>; 3]| prices.into_iter().flatten().max().unwrap_or_default();
        let input = dearest([self.input, self.cache_write, self.audio_input]);
        let output = dearest([
            self.output.or(self.input),
            self.audio_output,
            self.reasoning,
        ]);
        let by_tokens = input.times(input_tokens).plus(output.times(output_tokens));
        let by_time = self.second.map_or(PicoUsd::ZERO, |second| {
            PicoUsd(second.times(milliseconds).0.div_ceil(1000))
        });
        by_tokens
            .max(by_time)
            .plus(self.request.unwrap_or_default())
    }
}

/// A price table cannot be read: the first bad line, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableError {
    /// The line.
    pub line: usize,
}

impl core::fmt::Display for TableError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "price table: line {} is malformed", self.line)
    }
}

impl core::error::Error for TableError {}

/// Prices by provider and model, with an operator's own in front.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceTable {
    models: BTreeMap<String, BTreeMap<String, Price>>,
    overrides: BTreeMap<String, Price>,
}

impl PriceTable {
    /// Reads a table in the form of [`BUILTIN`]: tab-separated provider, model and figures, `#`
    /// for comments, trailing empty columns left out.
    ///
    /// # Errors
    /// [`TableError`] naming the line.
    pub fn parse(text: &str) -> Result<Self, TableError> {
        let mut table = Self::default();
        for (index, line) in text.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (provider, model, price) = parse_row(line).ok_or(TableError { line: index + 1 })?;
            let models = table.models.entry(provider.into()).or_default();
            if models.insert(model.to_ascii_lowercase(), price).is_some() {
                return Err(TableError { line: index + 1 });
            }
        }
        Ok(table)
    }

    /// Sets an operator's price for a model, `name` as clients write it, with or without prefix.
    /// It replaces the table's whole row.
    pub fn set(&mut self, name: &str, price: Price) {
        self.overrides.insert(name.to_ascii_lowercase(), price);
    }

    /// The price of a model at a provider; `None` when it is unknown, which is not the same as
    /// free. A dated name falls back on the undated one; OpenRouter's models cost what their
    /// vendors ask.
    #[must_use]
    pub fn find(&self, catalogue: &Catalogue, provider: &str, model: &str) -> Option<&Price> {
        let model = model.to_ascii_lowercase();
        if let Some(price) = self
            .overrides
            .get(&[provider, "/", &model].concat())
            .or_else(|| self.overrides.get(&model))
        {
            return Some(price);
        }
        if provider == OPENROUTER {
            let (vendor, _) = model.split_once('/')?;
            let vendor = catalogue.by_vendor(vendor)?;
            if *vendor.id == *OPENROUTER || model.contains(':') {
                return None;
            }
            let target = catalogue.route_to(vendor, &model).ok()?;
            return self.find(catalogue, &vendor.id, &target.model);
        }
        let models = self.models.get(provider)?;
        let name = model.strip_prefix("models/").unwrap_or(&model);
        models.get(name).or_else(|| models.get(undated(name)?))
    }

    /// The models of one provider, by name.
    pub fn models(&self, provider: &str) -> impl Iterator<Item = (&str, &Price)> {
        self.models
            .get(provider)
            .into_iter()
            .flatten()
            .map(|(name, price)| (name.as_str(), price))
    }
}

fn parse_row(line: &str) -> Option<(&str, &str, Price)> {
    let mut columns = line.split('\t');
    let provider = columns.next().filter(|text| !text.is_empty())?;
    let model = columns.next().filter(|text| !text.is_empty())?;
    let mut figure = || match columns.next() {
        None | Some("") => Some(None),
        Some(text) => text.parse::<u64>().ok().map(Some),
    };
    let mut price = Price::default();
    for slot in [
        &mut price.input,
        &mut price.output,
        &mut price.cached,
        &mut price.cache_write,
        &mut price.audio_input,
        &mut price.audio_output,
        &mut price.reasoning,
        &mut price.second,
    ] {
        *slot = figure()?.map(PicoUsd);
    }
    price.max_input_tokens = figure()?;
    price.max_output_tokens = figure()?;
    let priced = price.input.is_some() || price.second.is_some();
    (columns.next().is_none() && priced).then_some((provider, model, price))
}

/// Without `-20250929`, `-2024-08-06` or `-latest`.
fn undated(name: &str) -> Option<&str> {
    if let Some(name) = name.strip_suffix("-latest") {
        return Some(name);
    }
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let (head, last) = name.rsplit_once('-')?;
    if digits(last, 8) {
        return Some(head);
    }
    let (head, month) = head.rsplit_once('-')?;
    let (head, year) = head.rsplit_once('-')?;
    (digits(last, 2) && digits(month, 2) && digits(year, 4)).then_some(head)
}

#[cfg(test)]
mod tests {
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
        assert!(
            BUILTIN.contains("LiteLLM") && BUILTIN.contains("MIT") && BUILTIN.contains("2026-11")
        );
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
}
