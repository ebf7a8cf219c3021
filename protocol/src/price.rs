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
mod tests;
