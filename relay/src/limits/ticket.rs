//! An admitted call, from its admission to its settlement.

use std::net::IpAddr;
use std::sync::Arc;

use keyferry_protocol::Payer;

use super::service::Limits;
use crate::store::{Account, Held, Rate, Row, Settlement};

/// Permission to make one call. It is settled once; dropped unsettled, its reservation stands at
/// the estimate.
pub struct Ticket {
    open: Option<Open>,
}

pub(super) struct Open {
    pub(super) limits: Arc<Limits>,
    pub(super) account: Account,
    pub(super) provisional: bool,
    /// The caller has had a success before.
    pub(super) known: bool,
    pub(super) day: u32,
    pub(super) tokens: Option<Rate>,
    pub(super) held: Option<Held>,
    pub(super) model: Box<str>,
    /// Where it came from.
    pub(super) address: IpAddr,
    pub(super) failure_rate: Rate,
    /// Admitted by this instance alone, because shared state was away.
    pub(super) alone: bool,
}

/// How a call ended, as far as limits care.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conclusion {
    /// It proved that the key is good.
    pub proven: bool,
    /// It is what a made-up key gets: counts against the address while the key never worked.
    pub suspicious: bool,
    /// Tokens used, in and out.
    pub tokens: u64,
    /// The usage row of the call.
    pub row: Row,
}

impl Ticket {
    pub(super) fn new(open: Open) -> Self {
        Self { open: Some(open) }
    }

    /// Who pays.
    #[must_use]
    pub fn payer(&self) -> Payer {
        self.open
            .as_ref()
            .map_or(Payer::User, |open| open.account.payer)
    }

    /// The provider the call goes to.
    #[must_use]
    pub fn provider(&self) -> &str {
        self.open.as_ref().map_or("", |open| &open.account.provider)
    }

    /// Micro-dollars set aside.
    #[must_use]
    pub fn estimate(&self) -> Option<u64> {
        self.open.as_ref()?.held.map(|held| held.estimate)
    }

    /// Names the model, when it became known only after the admission. A reservation keeps the one
    /// it was made for.
    pub fn set_model(&mut self, model: &str) {
        if let Some(open) = &mut self.open
            && open.held.is_none()
        {
            open.model = model.into();
        }
    }

    /// Ends the call.
    pub fn settle(mut self, conclusion: Conclusion) {
        if let Some(open) = self.open.take() {
            open.settle(conclusion);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            let estimate = open.held.map_or(0, |held| held.estimate);
            let row = Row {
                estimated: 1,
                ..Row::reserved(estimate)
            };
            open.settle(Conclusion {
                row,
                ..Conclusion::default()
            });
        }
    }
}

impl Open {
    fn settle(self, conclusion: Conclusion) {
        let Self {
            limits,
            account,
            provisional,
            known,
            day,
            tokens,
            held,
            model,
            ..
        } = self;
        let stranger = provisional && !known;
        if stranger && conclusion.suspicious {
            limits.count_failure(self.address, self.failure_rate);
        }
        // Nothing is kept of a key that has not worked, except money it may have spent.
        let forget = stranger && !conclusion.proven && conclusion.row.cost == 0;
        if conclusion.proven && provisional {
            limits.remember(account.caller);
        }
        let settlement = Settlement {
            account,
            day,
            proven: conclusion.proven,
            forget,
            tokens: tokens
                .filter(|_| !forget)
                .map(|rate| (rate, conclusion.tokens)),
            held,
            model,
            row: if forget {
                Row::default()
            } else {
                conclusion.row
            },
        };
        limits.conclude(settlement, self.alone);
    }
}
