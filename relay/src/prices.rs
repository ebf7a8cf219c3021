//! What models cost: the pinned table with the operator's own prices in front.

use std::collections::BTreeMap;

use keyferry_protocol::price::BUILTIN;
use keyferry_protocol::{Catalogue, Price, PriceTable};
use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::limits::Usd;

/// `[prices."<model>"]`: replaces the table's whole row. The name is as clients write it, with or
/// without a provider's prefix.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PriceSettings {
    /// Dollars per input token.
    pub input_usd_per_token: Option<Usd>,
    /// Dollars per output token.
    pub output_usd_per_token: Option<Usd>,
    /// Dollars per input token read from the provider's cache; absent: as any input token.
    pub cached_input_usd_per_token: Option<Usd>,
    /// Dollars per input token written to the provider's cache; absent: as any input token.
    pub cache_write_usd_per_token: Option<Usd>,
    /// Dollars per second of audio.
    pub input_usd_per_second: Option<Usd>,
    /// Dollars per request, on top.
    pub request_usd: Option<Usd>,
}

/// The price list of the relay.
#[derive(Debug, Default)]
pub struct Prices {
    table: PriceTable,
}

impl Prices {
    /// The pinned table with the operator's prices.
    ///
    /// # Errors
    /// A price that sets nothing; a pinned table that cannot be read.
    pub fn new(settings: &BTreeMap<String, PriceSettings>) -> Result<Self, ConfigError> {
        let mut table = PriceTable::parse(BUILTIN)
            .map_err(|error| ConfigError::field("prices", error.to_string()))?;
        for (model, price) in settings {
            let amount = |usd: Option<Usd>| usd.map(|usd| usd.0);
            let price = Price {
                input: amount(price.input_usd_per_token),
                output: amount(price.output_usd_per_token),
                cached: amount(price.cached_input_usd_per_token),
                cache_write: amount(price.cache_write_usd_per_token),
                second: amount(price.input_usd_per_second),
                request: amount(price.request_usd),
                ..Price::default()
            };
            if price == Price::default() {
                return Err(ConfigError::field(
                    format!("prices.{model}"),
                    "sets no price; a free model has `request_usd = 0.0`",
                ));
            }
            table.set(model, price);
        }
        Ok(Self { table })
    }

    /// The models of a provider that have a price.
    pub fn models(&self, provider: &str) -> impl Iterator<Item = &str> {
        self.table.models(provider).map(|(model, _)| model)
    }

    /// The price of a model at a provider; `None` when it is unknown, which is not free.
    #[must_use]
    pub fn find(&self, catalogue: &Catalogue, provider: &str, model: &str) -> Option<Price> {
        self.table.find(catalogue, provider, model).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices(text: &str) -> Result<Prices, ConfigError> {
        Prices::new(&toml::from_str(text).unwrap())
    }

    #[test]
    fn the_operators_price_comes_first_and_nothing_is_free_by_accident() {
        let list = prices("[\"my-model\"]\nrequest_usd = 0.10").unwrap();
        let catalogue = Catalogue::builtin();
        let own = list.find(&catalogue, "openai", "my-model").unwrap();
        assert_eq!(own.at_most(1_000, 1_000, 0).to_micros(), 100_000);
        assert!(list.find(&catalogue, "openai", "gpt-4o").is_some());
        assert!(list.find(&catalogue, "openai", "no-such-model").is_none());
        assert!(prices("[\"my-model\"]").is_err());
        assert!(prices("[free]\nrequest_usd = 0.0").is_ok());
    }

    #[test]
    fn prices_per_token_are_exact() {
        let list =
            prices("[m]\ninput_usd_per_token = 2.5e-06\noutput_usd_per_token = 1e-5").unwrap();
        let price = list.find(&Catalogue::builtin(), "openai", "m").unwrap();
        assert_eq!(price.at_most(1_000_000, 0, 0).to_micros(), 2_500_000);
        assert_eq!(price.at_most(0, 1, 0).to_micros(), 10);
    }
}
