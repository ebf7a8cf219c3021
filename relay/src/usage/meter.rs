//! One call's use, read from its answer as it passes, and the settlement at its end.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Bytes;
use keyferry_protocol::usage::{Framing, text_tokens};
use keyferry_protocol::{Usage, UsageReader};

use super::quote::Quote;
use crate::edge::Ending;
use crate::limits::{Conclusion, Slot, Ticket};
use crate::metrics::Metrics;
use crate::store::Row;

/// Accompanies an admitted call. Whatever becomes of the call, dropping the meter settles it: as
/// whole when [`Meter::finish`] was reached, else as interrupted, at an estimate.
pub struct Meter {
    ticket: Option<Ticket>,
    /// Given back with the meter, when the answer has ended.
    _slot: Slot,
    metrics: Arc<Metrics>,
    quote: Quote,
    /// A success proves the key. Lists that a provider shows to anyone do not.
    proves: bool,
    status: Option<u16>,
    reader: Option<UsageReader>,
    alters: bool,
    streams: bool,
    complete: bool,
    told: Option<Arc<Ending>>,
}

impl Meter {
    /// For the call that `ticket` admits.
    #[must_use]
    pub fn new(
        ticket: Ticket,
        slot: Slot,
        quote: Quote,
        proves: bool,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            ticket: Some(ticket),
            _slot: slot,
            metrics,
            quote,
            proves,
            status: None,
            reader: None,
            alters: false,
            streams: false,
            complete: false,
            told: None,
        }
    }

    /// Puts the use into `ending` once the call has ended, for its log line.
    pub fn tell(&mut self, ending: Arc<Ending>) {
        self.told = Some(ending);
    }

    /// The provider did nothing that costs: it was not reached, or its answer is none.
    pub fn failed(mut self) {
        self.settle(Conclusion {
            row: Row {
                requests: 1,
                errors: 1,
                ..Row::default()
            },
            ..Conclusion::default()
        });
    }

    /// The answer's head is there. `added` says that the request was changed to report its usage,
    /// so that the chunk with it has to be taken out again.
    pub fn answered(&mut self, status: u16, content_type: Option<&str>, added: bool) {
        self.status = Some(status);
        let framing = content_type.and_then(Framing::of).filter(|_| status < 400);
        self.alters = added && framing == Some(Framing::Sse);
        self.streams = framing == Some(Framing::Sse);
        self.reader = framing.map(|framing| UsageReader::new(framing, added));
    }

    /// True when what is passed on may differ from what arrives.
    #[must_use]
    pub fn alters(&self) -> bool {
        self.alters
    }

    /// What the model costs, as [`keyferry_protocol::header::PRICE`] says it. The vault counts what
    /// its keys cost by it.
    #[must_use]
    pub fn price(&self) -> Option<String> {
        let price = self.quote.price?;
        let (input, output) = (price.input?, price.output?);
        let mut text = String::with_capacity(48);
        text.push_str("input=");
        text.push_str(itoa::Buffer::new().format(input.0));
        text.push_str(";output=");
        text.push_str(itoa::Buffer::new().format(output.0));
        Some(text)
    }

    /// Reads a chunk of the answer; what comes back is to be passed on at once.
    pub fn feed(&mut self, chunk: Bytes) -> Bytes {
        let Some(reader) = &mut self.reader else {
            return chunk;
        };
        match reader.feed(&chunk) {
            Cow::Borrowed(part) if part.len() == chunk.len() => chunk,
            Cow::Borrowed(part) => chunk.slice_ref(part),
            Cow::Owned(part) => part.into(),
        }
    }

    /// The answer is whole. What comes back is still to be passed on.
    pub fn finish(&mut self) -> Bytes {
        self.complete = true;
        self.interrupt()
    }

    /// The answer has broken off. What comes back was held and is still to be passed on.
    pub fn interrupt(&mut self) -> Bytes {
        let rest = self
            .reader
            .as_mut()
            .map(UsageReader::finish)
            .unwrap_or_default();
        self.conclude();
        rest.into()
    }

    fn used(&self) -> Usage {
        let size = self.quote.bounded();
        let estimate = |output| Usage {
            milliseconds: size.audio_ms,
            ..Usage::estimate(size.input, output)
        };
        let Some(status) = self.status else {
            // Cancelled while the provider worked. A stream had not begun; anything else may have
            // been made in full.
            return estimate(if size.stream { 0 } else { size.output });
        };
        if status >= 400 || self.quote.free {
            return Usage::default();
        }
        let reported = self.reader.as_ref().and_then(UsageReader::usage);
        let seen = text_tokens(self.reader.as_ref().map_or(0, UsageReader::output_bytes));
        match (reported, self.complete) {
            (Some(usage), true) => usage,
            // Anthropic tells the input first; the output then is at least what was seen.
            (Some(usage), false) => Usage {
                output: usage.output.max(seen),
                estimated: true,
                ..usage
            },
            (None, true) => estimate(seen),
            (None, false) => estimate(if self.streams { seen } else { size.output }),
        }
    }

    fn conclude(&mut self) {
        let usage = self.used();
        if let Some(ending) = &self.told {
            let _ = ending.used.set(usage);
        }
        let failed = self.status.is_some_and(|status| status >= 400);
        let priced = usage
            .cost
            .or_else(|| self.quote.price.map(|price| price.cost(&usage)));
        let listed = self.quote.price.map(|price| {
            price.cost(&Usage {
                cost: None,
                ..usage
            })
        });
        // A price per request alone is exact, however little is known of the tokens.
        let by_request = self.quote.price.is_some_and(|price| {
            price.input.is_none() && price.output.is_none() && price.second.is_none()
        });
        let estimated = usage.estimated && !by_request;
        let charged = !failed && !self.quote.free;
        let cost = if charged {
            priced.map_or(0, |cost| signed(cost.to_micros()))
        } else {
            0
        };
        let row = Row {
            requests: 1,
            errors: failed.into(),
            estimated: (charged && estimated).into(),
            unpriced: (charged && priced.is_none()).into(),
            input_tokens: signed(usage.input),
            cached_tokens: signed(usage.cached),
            output_tokens: signed(usage.output),
            audio_ms: signed(usage.milliseconds),
            cost,
            estimated_cost: if estimated { cost } else { 0 },
            other_cost: if charged {
                listed.map_or(0, |cost| signed(cost.to_micros()))
            } else {
                0
            },
            other_unpriced: (charged && listed.is_none()).into(),
        };
        let succeeded = self.status.is_some_and(|status| status < 300);
        self.settle(Conclusion {
            proven: succeeded && self.proves,
            suspicious: matches!(self.status, Some(400 | 401 | 403)),
            tokens: usage.input.saturating_add(usage.output),
            row,
        });
    }

    fn settle(&mut self, conclusion: Conclusion) {
        let Some(ticket) = self.ticket.take() else {
            return;
        };
        let (provider, payer) = (ticket.provider(), ticket.payer());
        let count = |sum: i64| u64::try_from(sum).unwrap_or(0);
        let Row {
            input_tokens,
            output_tokens,
            cost,
            ..
        } = conclusion.row;
        self.metrics.settled(
            provider,
            payer,
            count(input_tokens),
            count(output_tokens),
            count(cost),
        );
        ticket.settle(conclusion);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if self.ticket.is_some() {
            self.conclude();
        }
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
