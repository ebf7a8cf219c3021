//! Rows and limits in the form Redis keeps them in.

use keyferry_protocol::Payer;

use super::super::clock::day_of;
use super::super::usage::{COLUMNS, Row, Use};
use super::super::{CallerState, Micros, RateKind, RateState, SpendState};
use super::keys;

/// A row as text: its sums, separated by blanks.
pub(super) fn pack(row: Row) -> String {
    let mut text = String::with_capacity(4 * COLUMNS);
    for (at, sum) in row.to_array().into_iter().enumerate() {
        if at > 0 {
            text.push(' ');
        }
        text.push_str(&sum.to_string());
    }
    text
}

fn unpack(text: &str) -> Option<Row> {
    let mut sums = [0; COLUMNS];
    let mut parts = text.split(' ');
    for sum in &mut sums {
        // A row written before a column was added is shorter.
        *sum = parts.next().map_or(Some(0), |part| part.parse().ok())?;
    }
    Some(Row::from_array(sums))
}

pub(super) fn parse_row(day: u32, field: &str, sums: &str) -> Option<Use> {
    let (payer, provider, model) = keys::parse_field(field)?;
    Some(Use {
        day,
        provider: provider.into(),
        payer,
        model: model.into(),
        row: unpack(sums)?,
    })
}

pub(super) fn parse_state(now: Micros, fields: &[(String, String)]) -> CallerState {
    let mut state = CallerState {
        now,
        ..CallerState::default()
    };
    for (field, value) in fields {
        let Some((kind, rest)) = field.split_once(':') else {
            continue;
        };
        let Some((payer, provider, _)) = keys::parse_field(rest) else {
            continue;
        };
        match kind {
            "q" => push_rate(&mut state, RateKind::Requests, payer, provider, value),
            "t" => push_rate(&mut state, RateKind::Tokens, payer, provider, value),
            "c" => push_spend(&mut state, payer, provider, value),
            _ => {}
        }
    }
    state
}

fn push_rate(state: &mut CallerState, kind: RateKind, payer: Payer, provider: &str, value: &str) {
    if let Ok(tat) = value.parse::<Micros>()
        && tat > state.now
    {
        state.rates.push(RateState {
            kind,
            provider: provider.into(),
            payer,
            tat,
        });
    }
}

fn push_spend(state: &mut CallerState, payer: Payer, provider: &str, value: &str) {
    let Some((day, spent)) = value.split_once(' ') else {
        return;
    };
    if day.parse() == Ok(day_of(state.now))
        && let Ok(spent) = spent.parse()
        && spent > 0
    {
        state.spent.push(SpendState {
            provider: provider.into(),
            payer,
            spent,
        });
    }
}
