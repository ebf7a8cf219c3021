//! One caller's limits, money and use, and the rules that change them. The same rules as the Lua
//! scripts of the Redis store.

use std::collections::{BTreeMap, HashMap};

use keyferry_protocol::Payer;

use super::super::clock::{DAY, Micros, day_of, micros, until_midnight};
use super::super::usage::{MAX_ROWS, OTHER, RETENTION_DAYS, Row, Use, model_key};
use super::super::{
    Account, Admission, Admitted, CallerState, IdHash, LeaseBudget, LeaseId, MAX_LEASE_TTL,
    PROVISIONAL_TTL, RESERVATION_TTL, RateKind, RateState, Refusal, ReservationId, Reserve,
    STATE_TTL, Settled, Settlement, SpendState, Standing,
};

/// Everything kept of one caller.
#[derive(Default)]
pub(super) struct CallerEntry {
    /// Had a success before.
    pub(super) known: bool,
    rates: Vec<(RateKind, Payer, Box<str>, Micros)>,
    spends: Vec<Spend>,
    /// What the caller's leases have spent, and until when that is kept.
    leases: HashMap<LeaseId, (u64, Micros), IdHash>,
    reservations: HashMap<ReservationId, Reservation, IdHash>,
    /// Nothing above has expired before this.
    first_expiry: Micros,
    /// A day has few models, 256 at most: found faster by looking at each than by a hash.
    days: BTreeMap<u32, Vec<(RowKey, Row)>>,
}

/// Provider, payer, model.
type RowKey = (Box<str>, Payer, Box<str>);

struct Spend {
    payer: Payer,
    provider: Box<str>,
    day: u32,
    /// Spent and set aside on `day`, micro-dollars.
    micros: u64,
}

struct Reservation {
    expires: Micros,
    /// `None`: given back before it was made.
    made: Option<Made>,
}

#[derive(Clone, Copy)]
struct Made {
    day: u32,
    estimate: u64,
}

/// What [`CallerEntry::check`] found.
pub(super) enum Checked {
    Fits,
    /// This very reservation has been made already.
    Repeated(Admitted),
    Refused(Refusal),
}

impl CallerEntry {
    /// Whether the call fits. Changes nothing that counts.
    pub(super) fn check(&mut self, admission: &Admission, now: Micros) -> Checked {
        self.known |= !admission.provisional;
        self.drop_expired(now);
        if let Some(reserve) = &admission.reserve
            && let Some(reservation) = self.reservations.get(&reserve.id)
        {
            return match reservation.made {
                None => Checked::Refused(Refusal::Withdrawn),
                Some(_) => Checked::Repeated(Admitted {
                    known: self.known,
                    day: day_of(now),
                    requests: self.standing(admission, RateKind::Requests, now),
                    tokens: self.standing(admission, RateKind::Tokens, now),
                }),
            };
        }
        for kind in [RateKind::Requests, RateKind::Tokens] {
            let Some(rate) = rate_of(admission, kind) else {
                continue;
            };
            let tat = self.tat(kind, &admission.account);
            if let Err(retry_after) = rate.take(now, tat, rate.cost(1)) {
                let standing = rate.standing(now, tat);
                return Checked::Refused(match kind {
                    RateKind::Requests => Refusal::Requests {
                        retry_after,
                        standing,
                    },
                    RateKind::Tokens => Refusal::Tokens {
                        retry_after,
                        standing,
                    },
                });
            }
        }
        match admission
            .reserve
            .as_ref()
            .and_then(|reserve| self.over(reserve, admission, now))
        {
            Some(refusal) => Checked::Refused(refusal),
            None => Checked::Fits,
        }
    }

    /// Walks reservations and leases only once one of them may have expired: a caller may have
    /// thousands of calls running.
    fn drop_expired(&mut self, now: Micros) {
        if self.first_expiry > now {
            return;
        }
        self.reservations
            .retain(|_, reservation| reservation.expires > now);
        self.leases.retain(|_, (_, expires)| *expires > now);
        let reservations = self.reservations.values().map(|made| made.expires);
        let leases = self.leases.values().map(|(_, expires)| *expires);
        self.first_expiry = reservations.chain(leases).min().unwrap_or(Micros::MAX);
    }

    fn over(&self, reserve: &Reserve, admission: &Admission, now: Micros) -> Option<Refusal> {
        if let Some(cap) = reserve.daily_cap {
            let spent = self.spent(&admission.account, now);
            if !fits(spent, reserve.estimate, cap) {
                return Some(Refusal::DailyCap {
                    spent,
                    resets_in: until_midnight(now),
                });
            }
        }
        if let Some(LeaseBudget { id, cap }) = reserve.lease {
            let spent = self.leases.get(&id).map_or(0, |(spent, _)| *spent);
            if !fits(spent, reserve.estimate, cap) {
                return Some(Refusal::Lease { spent });
            }
        }
        None
    }

    /// Takes one request.
    pub(super) fn take_request(&mut self, admission: &Admission, now: Micros) -> Option<Standing> {
        let rate = admission.requests?;
        let tat = self.tat_mut(RateKind::Requests, &admission.account);
        *tat = (*tat).max(now).saturating_add(rate.cost(1));
        Some(rate.standing(now, *tat))
    }

    pub(super) fn tokens_left(&self, admission: &Admission, now: Micros) -> Option<Standing> {
        self.standing(admission, RateKind::Tokens, now)
    }

    /// Sets the money aside and counts the call in advance.
    pub(super) fn reserve(&mut self, admission: &Admission, now: Micros, deadline: Micros) {
        let Some(reserve) = &admission.reserve else {
            return;
        };
        let (account, estimate) = (&admission.account, reserve.estimate);
        if self.reservations.contains_key(&reserve.id) {
            return;
        }
        let day = day_of(now);
        let spend = self.spend_mut(account);
        if spend.day != day {
            (spend.day, spend.micros) = (day, 0);
        }
        spend.micros = spend.micros.saturating_add(estimate);
        if let Some(lease) = reserve.lease {
            let (spent, expires) = self.leases.entry(lease.id).or_default();
            *spent = spent.saturating_add(estimate);
            *expires = now.saturating_add(micros(lease_state_ttl()));
            self.first_expiry = self.first_expiry.min(*expires);
        }
        let made = Some(Made { day, estimate });
        self.first_expiry = self.first_expiry.min(deadline);
        self.reservations.insert(
            reserve.id,
            Reservation {
                expires: deadline,
                made,
            },
        );
        self.add_row(day, account, &reserve.model, Row::reserved(estimate));
    }

    /// Heartbeat.
    pub(super) fn extend(&mut self, id: ReservationId, now: Micros, deadline: Micros) {
        if let Some(reservation) = self.reservations.get_mut(&id)
            && reservation.expires > now
        {
            reservation.expires = deadline;
        }
    }

    pub(super) fn settle(
        &mut self,
        settlement: &Settlement,
        now: Micros,
        deadline: Micros,
    ) -> Settled {
        let account = &settlement.account;
        let mut row = settlement.row;
        if let Some(held) = settlement.held {
            let found = self
                .reservations
                .remove(&held.id)
                .filter(|found| found.expires > now);
            let Some(made) = found.and_then(|found| found.made) else {
                let withdrawn = Reservation {
                    expires: deadline,
                    made: None,
                };
                self.first_expiry = self.first_expiry.min(deadline);
                self.reservations.insert(held.id, withdrawn);
                return Settled::Late;
            };
            let actual = u64::try_from(row.cost).unwrap_or(0);
            let spend = self.spend_mut(account);
            if spend.day == made.day {
                spend.micros = spend
                    .micros
                    .saturating_sub(made.estimate)
                    .saturating_add(actual);
            }
            if let Some((spent, _)) = held.lease.and_then(|lease| self.leases.get_mut(&lease.id)) {
                *spent = spent.saturating_sub(made.estimate).saturating_add(actual);
            }
            row += -Row::reserved(made.estimate);
        }
        if let Some((rate, tokens)) = settlement.tokens {
            let tat = self.tat_mut(RateKind::Tokens, account);
            *tat = (*tat).max(now).saturating_add(rate.cost(tokens));
        }
        self.known |= settlement.proven;
        self.add_row(settlement.day, account, &settlement.model, row);
        Settled::Done
    }

    /// Nothing of it is worth keeping: never a success, nothing spent or set aside.
    pub(super) fn is_forgettable(&self) -> bool {
        !self.known
            && self.spends.iter().all(|spend| spend.micros == 0)
            && self
                .reservations
                .values()
                .all(|reservation| reservation.made.is_none())
    }

    /// When the entry stops counting if nothing more happens.
    pub(super) fn lives_until(&self, now: Micros) -> Micros {
        let ttl = if !self.days.is_empty() {
            micros(DAY) * u64::from(RETENTION_DAYS)
        } else if self.known || !self.spends.is_empty() {
            micros(STATE_TTL)
        } else {
            micros(PROVISIONAL_TTL)
        };
        now.saturating_add(ttl)
    }

    pub(super) fn state(&self, now: Micros) -> CallerState {
        let rates = self
            .rates
            .iter()
            .filter(|(.., tat)| *tat > now)
            .map(|(kind, payer, provider, tat)| RateState {
                kind: *kind,
                provider: provider.clone(),
                payer: *payer,
                tat: *tat,
            })
            .collect();
        let today = day_of(now);
        let spent = self
            .spends
            .iter()
            .filter(|spend| spend.day == today && spend.micros > 0)
            .map(|spend| SpendState {
                provider: spend.provider.clone(),
                payer: spend.payer,
                spent: spend.micros,
            })
            .collect();
        CallerState { now, rates, spent }
    }

    pub(super) fn usage(&self, until: u32, days: u32) -> Vec<Use> {
        let from = until.saturating_sub(days.saturating_sub(1));
        self.days
            .range(from..=until)
            .flat_map(|(day, rows)| {
                rows.iter().map(|((provider, payer, model), row)| Use {
                    day: *day,
                    provider: provider.clone(),
                    payer: *payer,
                    model: model.clone(),
                    row: *row,
                })
            })
            .collect()
    }

    fn add_row(&mut self, day: u32, account: &Account, model: &str, row: Row) {
        if row.is_zero() {
            return;
        }
        self.days
            .retain(|kept, _| *kept > day.saturating_sub(RETENTION_DAYS));
        let rows = self.days.entry(day).or_default();
        let find = |rows: &[(RowKey, Row)], wanted: &str| {
            rows.iter().position(|((provider, payer, model), _)| {
                **model == *wanted && *payer == account.payer && *provider == account.provider
            })
        };
        let mut name = model_key(model);
        let mut found = find(rows, name);
        if found.is_none() && rows.len() >= MAX_ROWS {
            name = OTHER;
            found = find(rows, name);
        }
        match found.and_then(|at| Some((at, rows.get_mut(at)?))) {
            Some((at, (_, sums))) => {
                *sums += row;
                if sums.is_zero() {
                    rows.swap_remove(at);
                }
            }
            None => rows.push(((account.provider.clone(), account.payer, name.into()), row)),
        }
        if rows.is_empty() {
            self.days.remove(&day);
        }
    }

    fn standing(&self, admission: &Admission, kind: RateKind, now: Micros) -> Option<Standing> {
        let rate = rate_of(admission, kind)?;
        Some(rate.standing(now, self.tat(kind, &admission.account)))
    }

    fn tat(&self, kind: RateKind, account: &Account) -> Micros {
        self.rates
            .iter()
            .find(|(k, payer, provider, _)| {
                *k == kind && *payer == account.payer && *provider == account.provider
            })
            .map_or(0, |(.., tat)| *tat)
    }

    fn tat_mut(&mut self, kind: RateKind, account: &Account) -> &mut Micros {
        let at = self.rates.iter().position(|(k, payer, provider, _)| {
            *k == kind && *payer == account.payer && *provider == account.provider
        });
        let at = at.unwrap_or_else(|| {
            self.rates
                .push((kind, account.payer, account.provider.clone(), 0));
            self.rates.len() - 1
        });
        #[allow(clippy::indexing_slicing)] // found or pushed just above
        &mut self.rates[at].3
    }

    fn spent(&self, account: &Account, now: Micros) -> u64 {
        let today = day_of(now);
        self.spends
            .iter()
            .find(|spend| spend.payer == account.payer && spend.provider == account.provider)
            .filter(|spend| spend.day == today)
            .map_or(0, |spend| spend.micros)
    }

    fn spend_mut(&mut self, account: &Account) -> &mut Spend {
        let at = self
            .spends
            .iter()
            .position(|spend| spend.payer == account.payer && spend.provider == account.provider);
        let at = at.unwrap_or_else(|| {
            self.spends.push(Spend {
                payer: account.payer,
                provider: account.provider.clone(),
                day: 0,
                micros: 0,
            });
            self.spends.len() - 1
        });
        #[allow(clippy::indexing_slicing)] // found or pushed just above
        &mut self.spends[at]
    }
}

fn rate_of(admission: &Admission, kind: RateKind) -> Option<super::super::Rate> {
    match kind {
        RateKind::Requests => admission.requests,
        RateKind::Tokens => admission.tokens,
    }
}

/// A used-up cap refuses free calls too: it is used up until the day ends.
fn fits(spent: u64, estimate: u64, cap: u64) -> bool {
    spent < cap && spent.saturating_add(estimate) <= cap
}

/// A lease's spend outlives the lease by a reservation, so that settling finds it.
fn lease_state_ttl() -> std::time::Duration {
    MAX_LEASE_TTL + RESERVATION_TTL
}
