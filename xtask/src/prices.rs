//! `cargo xtask prices <file>`: makes the pinned price table from LiteLLM's published one.
//!
//! Reads the table as it is published (`model_prices_and_context_window.json`, an object of models)
//! or as a list of records with fields named `…_usd_per_token`. Amounts are taken digit by digit,
//! never through a float.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use keyferry_protocol::PicoUsd;
use keyferry_protocol::price::PriceTable;
use serde_json::value::RawValue;

use crate::workspace::root;

/// What the command line chose.
pub(crate) struct Options {
    file: PathBuf,
    as_of: Option<String>,
}

impl Options {
    pub(crate) fn parse(mut args: lexopt::Parser) -> Result<Self> {
        use lexopt::prelude::*;

        let (mut file, mut as_of) = (None, None);
        while let Some(arg) = args.next()? {
            match arg {
                Long("as-of") => as_of = Some(args.value()?.string()?),
                Value(value) if file.is_none() => file = Some(PathBuf::from(value)),
                other => return Err(other.unexpected().into()),
            }
        }
        let file =
            file.context("which file? usage: cargo xtask prices <file> [--as-of YYYY-MM]")?;
        Ok(Self { file, as_of })
    }
}

/// Rewrites `protocol/data/model_prices.tsv`.
pub(crate) fn run(options: Options) -> Result<()> {
    let text = std::fs::read_to_string(&options.file)
        .with_context(|| format!("cannot read {}", options.file.display()))?;
    let as_of = match options.as_of {
        Some(month) => month,
        None => this_month(),
    };
    let table = convert(&text, &as_of)?;
    let rows = table.lines().filter(|line| !line.starts_with('#')).count();
    let target = root().join("protocol/data/model_prices.tsv");
    std::fs::write(&target, table)?;
    println!(
        "{rows} models in {}; look at the difference before committing it",
        target.display()
    );
    Ok(())
}

/// Our providers by the names the published table has for them.
const PROVIDERS: [(&str, &str); 9] = [
    ("anthropic", "anthropic"),
    ("deepseek", "deepseek"),
    ("gemini", "google"),
    ("groq", "groq"),
    ("mistral", "mistral"),
    ("openai", "openai"),
    ("text-completion-openai", "openai"),
    ("meta_llama", "meta"),
    ("xai", "xai"),
];

/// What is not relayed, or not sold by what a request and its answer tell.
const LEFT_OUT: [&str; 2] = ["realtime", "audio_speech"];

/// Free for everyone, and meant to be.
const FREE: [&str; 1] = ["omni-moderation"];

/// Columns of the table, each with its names in the sources.
const PRICES: [[&str; 2]; 8] = [
    ["input_usd_per_token", "input_cost_per_token"],
    ["output_usd_per_token", "output_cost_per_token"],
    ["cached_input_usd_per_token", "cache_read_input_token_cost"],
    [
        "cache_write_usd_per_token",
        "cache_creation_input_token_cost",
    ],
    ["audio_input_usd_per_token", "input_cost_per_audio_token"],
    ["audio_output_usd_per_token", "output_cost_per_audio_token"],
    ["reasoning_usd_per_token", "output_cost_per_reasoning_token"],
    ["input_usd_per_second", "input_cost_per_second"],
];

const SIZES: [&str; 2] = ["max_input_tokens", "max_output_tokens"];

type Record = BTreeMap<String, Box<RawValue>>;

/// The figures of one row, in the order of the columns.
type Figures = [Option<u64>; PRICES.len() + SIZES.len()];

fn convert(text: &str, as_of: &str) -> Result<String> {
    let mut rows: BTreeMap<(String, String), Figures> = BTreeMap::new();
    for record in read(text)? {
        let Some((name, figures)) = convert_one(&record)? else {
            continue;
        };
        // Of a model that is listed twice the dearer figures count.
        let row = rows.entry(name).or_default();
        for (figure, another) in row.iter_mut().zip(figures) {
            *figure = (*figure).max(another);
        }
    }
    if rows.is_empty() {
        bail!("the file names no model of the built-in providers");
    }
    let mut table = header(as_of);
    for ((provider, model), figures) in &rows {
        let cells = figures.map(|figure| figure.map_or_else(String::new, |n| n.to_string()));
        let row = format!("{provider}\t{model}\t{}", cells.join("\t"));
        table.push_str(row.trim_end_matches('\t'));
        table.push('\n');
    }
    // What the relay cannot read must not be pinned.
    PriceTable::parse(&table).map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(table)
}

/// Records of either form, with `model` and `provider` in each.
fn read(text: &str) -> Result<Vec<Record>> {
    if let Ok(list) = serde_json::from_str::<Vec<Record>>(text) {
        return Ok(list);
    }
    let models: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(text).context("neither an object of models nor a list of records")?;
    let mut records = Vec::new();
    for (model, entry) in models {
        let Ok(mut record) = serde_json::from_str::<Record>(entry.get()) else {
            continue;
        };
        let Some(provider) = record.get("litellm_provider").cloned() else {
            continue;
        };
        record.insert(
            "model".to_owned(),
            RawValue::from_string(serde_json::to_string(&model)?)?,
        );
        record.insert("provider".to_owned(), provider);
        records.push(record);
    }
    Ok(records)
}

fn convert_one(record: &Record) -> Result<Option<((String, String), Figures)>> {
    let text =
        |name: &str| -> Option<String> { serde_json::from_str(record.get(name)?.get()).ok() };
    let (Some(theirs), Some(model)) = (text("provider"), text("model")) else {
        return Ok(None);
    };
    let Some((_, provider)) = PROVIDERS.iter().find(|(name, _)| *name == theirs) else {
        return Ok(None);
    };
    if text("mode").is_some_and(|mode| LEFT_OUT.contains(&mode.as_str())) {
        return Ok(None);
    }
    let model = model
        .strip_prefix(&format!("{theirs}/"))
        .unwrap_or(&model)
        .to_owned();
    if model.contains(['\t', '\n']) {
        bail!("the name of a model holds a tab or a line break");
    }
    let mut figures: Figures = Default::default();
    for (figure, names) in figures.iter_mut().zip(PRICES) {
        let Some(value) = names.iter().find_map(|name| record.get(*name)) else {
            continue;
        };
        if value.get() == "null" {
            continue;
        }
        let read = PicoUsd::parse_usd(value.get().trim_matches('"'));
        *figure = Some(
            read.with_context(|| format!("{model}: {} is no price", value.get()))?
                .0,
        );
    }
    let priced = figures.iter().flatten().any(|amount| *amount > 0);
    for (figure, name) in figures.iter_mut().skip(PRICES.len()).zip(SIZES) {
        let size = record
            .get(name)
            .map(|value| value.get().trim_end_matches(".0"));
        *figure = size.and_then(|size| size.parse().ok());
    }
    let [input, _, finer @ .., _, _] = &mut figures;
    // Of the finer prices and the sizes a zero means that there is none.
    for figure in finer.iter_mut() {
        *figure = figure.filter(|amount| *amount > 0);
    }
    let free = FREE.iter().any(|name| model.starts_with(name));
    if (input.is_none() && finer.last().is_none_or(Option::is_none)) || !(priced || free) {
        return Ok(None);
    }
    let [.., longest_input, longest_output] = &mut figures;
    for size in [longest_input, longest_output] {
        *size = size.filter(|size| *size > 0);
    }
    Ok(Some((((*provider).to_owned(), model), figures)))
}

fn header(as_of: &str) -> String {
    format!(
        "# Prices of the built-in providers' models.
# Source: LiteLLM's published price table (model_prices_and_context_window.json), MIT licence,
# figures of {as_of}. Refresh with `cargo xtask prices <file>`.
# Prices are pico-dollars (1e-12 USD) per token, `second` per second of audio; empty: not given.
# Models whose whole price is given as zero are left out unless they are free for everyone: an
# unknown price is reported as unpriced, never as nothing.
#provider\tmodel\tinput\toutput\tcached\tcache_write\taudio_input\taudio_output\treasoning\tsecond\tmax_input_tokens\tmax_output_tokens
"
    )
}

/// `YYYY-MM`, in UTC.
fn this_month() -> String {
    let days = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
        / 86_400;
    let (mut year, mut left) = (1970, days);
    loop {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = if leap { 366 } else { 365 };
        if left < length {
            let february = if leap { 29 } else { 28 };
            let mut month = 1;
            for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
                if left < days {
                    break;
                }
                left -= days;
                month += 1;
            }
            return format!("{year:04}-{month:02}");
        }
        left -= length;
        year += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<String> {
        let table = convert(text, "2030-01").unwrap();
        assert!(table.contains("figures of 2030-01"));
        table
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect()
    }

    #[test]
    fn both_forms_give_the_same_table() {
        let list = r#"[{"provider":"gemini","model":"g","mode":"chat","input_usd_per_token":2.5e-06,
            "output_usd_per_token":0.00001,"max_input_tokens":1000,"cache_write_usd_per_token":0.0}]"#;
        let published = r#"{"sample_spec":{"mode":"x"},"gemini/g":{"litellm_provider":"gemini","mode":"chat",
            "input_cost_per_token":2.5e-06,"output_cost_per_token":1e-05,"max_input_tokens":1000}}"#;
        let expected = ["google\tg\t2500000\t10000000\t\t\t\t\t\t\t1000"];
        assert_eq!(rows(list), expected);
        assert_eq!(rows(published), expected);
    }

    #[test]
    fn nothing_is_free_by_accident() {
        let text = r#"[
            {"provider":"openai","model":"omni-moderation-latest","mode":"moderation","input_usd_per_token":0.0,"output_usd_per_token":0.0},
            {"provider":"openai","model":"preview","mode":"chat","input_usd_per_token":0.0,"output_usd_per_token":0.0},
            {"provider":"openai","model":"unpriced","mode":"chat"},
            {"provider":"openai","model":"voice","mode":"realtime","input_usd_per_token":1e-06},
            {"provider":"fireworks","model":"other","mode":"chat","input_usd_per_token":1e-06}]"#;
        assert_eq!(rows(text), ["openai\tomni-moderation-latest\t0\t0"]);
    }

    #[test]
    fn what_is_no_price_is_an_error() {
        let text = r#"[{"provider":"openai","model":"m","mode":"chat","input_usd_per_token":-1}]"#;
        assert!(convert(text, "2030-01").is_err());
        assert!(convert("[]", "2030-01").is_err());
        assert!(convert("nonsense", "2030-01").is_err());
    }

    #[test]
    fn the_pinned_table_is_of_this_form() {
        let pinned = include_str!("../../protocol/data/model_prices.tsv");
        let as_of = pinned
            .split("figures of ")
            .nth(1)
            .unwrap()
            .split('.')
            .next()
            .unwrap();
        assert!(pinned.starts_with(&header(as_of)), "{as_of}");
    }
}
