//! Counting what a request used, from its answer as it passes.

use std::borrow::Cow;

use keyferry_protocol::{
    header,
    money::PicoUsd,
    usage::{Framing, Usage, UsageReader, ask_for_usage},
};

use super::{Answer, Transport};
use crate::{
    format::{id::Id, usage::Day},
    platform::Platform,
    vault::{Ticket, Vault},
};

/// Longest body that is searched for what it asks of its stream.
const MAX_SEARCHED: usize = 1024 * 1024;

/// Accompanies the body of one answer.
#[derive(Debug)]
pub struct Meter {
    reader: UsageReader,
    price: Option<(u64, u64)>,
    ticket: Ticket,
    key: Id,
}

impl Meter {
    /// For an answer whose body may tell its usage. `asked`: its stream was made to tell, and the
    /// chunk that does has to be taken out again.
    pub(super) fn new(
        answer: &impl Answer,
        asked: bool,
        ticket: Ticket,
        key: Id,
    ) -> Option<Box<Self>> {
        if answer.status() >= 400 {
            return None;
        }
        let framing = Framing::of(&answer.header("content-type")?)?;
        let price = answer
            .header(header::PRICE)
            .and_then(|price| parse_price(&price));
        Some(Box::new(Self {
            reader: UsageReader::new(framing, asked),
            price,
            ticket,
            key,
        }))
    }

    /// Reads a chunk; what comes back is to be passed on.
    pub fn feed<'a>(&mut self, chunk: &'a [u8]) -> Cow<'a, [u8]> {
        self.reader.feed(chunk)
    }

    /// Ends the body: what was still held back.
    pub fn finish(&mut self) -> Vec<u8> {
        self.reader.finish()
    }

    fn counts(&self, interrupted: bool) -> Option<Day> {
        let usage = match self.reader.usage() {
            None if self.reader.output_bytes() == 0 => return None,
            _ => self.reader.settle(interrupted, 0),
        };
        Some(Day {
            input_tokens: usage.input,
            output_tokens: usage.output,
            cost_micros: self.cost(&usage).to_micros(),
            estimated: u32::from(usage.estimated),
            ..Day::default()
        })
    }

    fn cost(&self, usage: &Usage) -> PicoUsd {
        match (usage.cost, self.price) {
            (Some(cost), _) => cost,
            (None, Some((input, output))) => PicoUsd(input)
                .times(usage.input)
                .plus(PicoUsd(output).times(usage.output)),
            (None, None) => PicoUsd::ZERO,
        }
    }
}

fn parse_price(text: &str) -> Option<(u64, u64)> {
    let (input, output) = text.split_once(';')?;
    let figure = |part: &str, name: &str| part.trim().strip_prefix(name)?.parse().ok();
    Some((figure(input, "input=")?, figure(output, "output=")?))
}

impl<P: Platform> Vault<P> {
    /// Counts what an answer used, when its body has ended or was given up.
    pub fn settle(&self, meter: &Meter, interrupted: bool) {
        self.end_use(meter.ticket, meter.key);
        if let Some(counts) = meter.counts(interrupted) {
            // After a lock there is nowhere to count.
            drop(self.count_use(meter.ticket, meter.key, counts));
        }
    }

    /// Whether a request's stream tells its usage only when asked to.
    pub(super) async fn must_ask(
        &self,
        path: &str,
        body: Option<&<P::Transport as Transport>::Body>,
    ) -> bool {
        let transport = self.platform().transport();
        let Some(body) = body.filter(|body| transport.len(body) <= MAX_SEARCHED) else {
            return false;
        };
        if !path
            .split('?')
            .next()
            .unwrap_or_default()
            .ends_with("/completions")
        {
            return false;
        }
        match transport.read(body, 0, transport.len(body)).await {
            Ok(bytes) => matches!(ask_for_usage(&bytes), Ok(Some(_))),
            Err(_) => false,
        }
    }
}

/// The header that asks.
pub(super) const ASK: (&str, &str) = (header::USAGE, "1");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_whole_or_not_at_all() {
        assert_eq!(
            parse_price("input=2500000; output=10000000"),
            Some((2_500_000, 10_000_000))
        );
        for bad in [
            "",
            "input=1",
            "output=1;input=2",
            "input=-1;output=2",
            "input=1.5;output=2",
        ] {
            assert_eq!(parse_price(bad), None, "{bad}");
        }
    }
}
