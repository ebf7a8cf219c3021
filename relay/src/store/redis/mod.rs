//! Shared state of many instances, in Redis.

mod jobs;
mod keys;
mod link;
mod script;
mod target;
mod text;

use std::time::Duration;

use self::link::{Fault, Link, cmd, pipe};
use self::script::Scripts;
pub use self::target::RedisSettings;
use self::target::Target;
use self::text::{pack, parse_row, parse_state};
use super::clock::{Clock, SystemClock, day_of, micros, until_midnight};
use super::usage::{MAX_ROWS, RETENTION_DAYS, Row};
use super::{
    Admission, Admitted, CallerId, CallerState, Decision, Health, LeaseAction, LeaseFound, LeaseId,
    MAX_LEASE_TTL, Micros, Nonce, PROVISIONAL_TTL, Proof, RESERVATION_TTL, Rate, RateKind, Refusal,
    ReservationId, STATE_TTL, Settled, Settlement, Standing, Store, StoreError, Use,
};

/// Whose time limits are counted in.
pub enum Time {
    /// The server's: the one all instances share.
    Server,
    /// Given from outside, for tests that move it.
    Given(Box<dyn Clock>),
}

/// Shared state in Redis.
pub struct RedisStore {
    link: Link,
    scripts: Scripts,
    time: Time,
    reservation_ttl: Duration,
}

impl RedisStore {
    /// Connects in the background, for as long as it takes. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// A URL that cannot be read; the text says what is expected and repeats nothing.
    pub fn open(settings: RedisSettings<'_>, time: Time) -> Result<Self, &'static str> {
        let target = Target::new(settings.urls, settings.cluster)?;
        let link = Link::start(target).ok_or("can only be used inside a runtime")?;
        Ok(Self {
            link,
            scripts: Scripts::new(),
            time,
            reservation_ttl: RESERVATION_TTL,
        })
    }

    /// Waits for the first attempt to connect to end, well or not: about a second at most.
    pub async fn first_attempt(&self) {
        self.link.first_attempt().await;
    }

    /// Reservations live for `ttl` without a heartbeat instead of [`RESERVATION_TTL`].
    #[must_use]
    pub fn with_reservation_ttl(mut self, ttl: Duration) -> Self {
        self.reservation_ttl = ttl;
        self
    }

    pub(super) fn reservation_ttl(&self) -> Duration {
        self.reservation_ttl
    }

    /// What scripts get as time: nothing, so that they ask the server, or the given one.
    fn time(&self) -> Option<Micros> {
        match &self.time {
            Time::Server => None,
            Time::Given(clock) => Some(clock.now()),
        }
    }

    async fn bucket(
        &self,
        bucket: CallerId,
        rate: Rate,
        take: bool,
    ) -> Result<Result<Standing, Duration>, StoreError> {
        let key = keys::bucket(bucket);
        let mut call = self.scripts.bucket.call(&key);
        call.optional(self.time())
            .number(rate.cost(1))
            .number(micros(rate.period))
            .flag(take);
        let (fits, now, tat): (u8, u64, u64) = call.run(&self.link).await?;
        Ok(if fits == 1 {
            Ok(rate.standing(now, tat))
        } else {
            Err(rate.retry_after(now, tat, rate.cost(1)))
        })
    }
}

impl Store for RedisStore {
    async fn admit(&self, admission: &Admission) -> Result<Decision, StoreError> {
        let account = &admission.account;
        let mut nonce = admission.nonce.as_ref();
        if self.link.is_cluster()
            && let Some(Nonce { name, ttl }) = nonce.take()
            // A nonce belongs to no caller, so its slot is another one than the script's.
            && !self.remember(name, *ttl).await?
        {
            return Ok(Decision::Refused(Refusal::Replayed));
        }
        let nonce = nonce.map(|nonce| (keys::nonce(&nonce.name), millis(nonce.ttl).max(1)));
        let day = day_of(self.now());
        let state = keys::state(account.caller);
        let requests = keys::rate_field(RateKind::Requests, account);
        let tokens = keys::rate_field(RateKind::Tokens, account);
        // Named before the call, because the call borrows them.
        let reserved = admission.reserve.as_ref().map(|reserve| Reserved {
            usage: keys::usage(account.caller, day),
            reservation: keys::reservation(account.caller, reserve.id),
            lease: reserve
                .lease
                .map(|lease| keys::lease_spend(account.caller, lease.id)),
            spend: keys::spend_field(account),
            row: keys::row_field(account, &reserve.model),
            other: keys::other_row_field(account),
            sums: pack(Row::reserved(reserve.estimate)),
        });

        let mut call = self.scripts.admit.call(&state);
        if let Some(reserved) = &reserved {
            call.key(&reserved.usage).key(&reserved.reservation);
            if let Some(lease) = &reserved.lease {
                call.key(lease);
            }
        }
        if let Some((key, _)) = &nonce {
            call.key(key);
        }
        call.optional(self.time()).flag(admission.provisional);
        call.number(millis(STATE_TTL))
            .number(millis(PROVISIONAL_TTL));
        for (field, rate) in [(&requests, admission.requests), (&tokens, admission.tokens)] {
            call.text(field)
                .optional(rate.map(|rate| rate.cost(1)))
                .number(rate.map_or(0, |rate| micros(rate.period)));
        }
        call.optional(nonce.as_ref().map(|(_, ttl)| *ttl));
        if let (Some(reserve), Some(reserved)) = (&admission.reserve, &reserved) {
            call.number(reserve.estimate)
                .optional(reserve.daily_cap)
                .text(&reserved.spend)
                .number(millis(self.reservation_ttl))
                .text(&reserved.row)
                .text(&reserved.sums)
                .number(millis(usage_ttl()))
                .number(count(MAX_ROWS))
                .text(&reserved.other)
                .optional(reserve.lease.map(|lease| lease.cap))
                .number(millis(MAX_LEASE_TTL + RESERVATION_TTL));
        }
        type Reply = (u8, u8, u64, u64, u64, u64);
        let (verdict, known, now, taken, tokens, spent): Reply = call.run(&self.link).await?;
        let standing = |rate: Option<Rate>, tat| rate.map(|rate: Rate| rate.standing(now, tat));
        let refusal = match verdict {
            0 => {
                return Ok(Decision::Admitted(Admitted {
                    known: known == 1,
                    day,
                    requests: standing(admission.requests, taken),
                    tokens: standing(admission.tokens, tokens),
                }));
            }
            1 => limited(admission.requests, now, taken).map(|(retry_after, standing)| {
                Refusal::Requests {
                    retry_after,
                    standing,
                }
            }),
            2 => limited(admission.tokens, now, tokens).map(|(retry_after, standing)| {
                Refusal::Tokens {
                    retry_after,
                    standing,
                }
            }),
            3 => Some(Refusal::DailyCap {
                spent,
                resets_in: until_midnight(now),
            }),
            4 => Some(Refusal::Lease { spent }),
            5 => Some(Refusal::Withdrawn),
            6 => Some(Refusal::Replayed),
            _ => None,
        };
        refusal
            .map(Decision::Refused)
            .ok_or(StoreError::unknown("reply"))
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settled, StoreError> {
        let account = &settlement.account;
        let state = keys::state(account.caller);
        let usage = keys::usage(account.caller, settlement.day);
        let tokens = keys::rate_field(RateKind::Tokens, account);
        let row = keys::row_field(account, &settlement.model);
        let other = keys::other_row_field(account);
        let mut sums = settlement.row;
        let held = settlement.held.map(|held| {
            sums += -Row::reserved(held.estimate);
            let lease = held
                .lease
                .map(|lease| keys::lease_spend(account.caller, lease.id));
            (
                keys::reservation(account.caller, held.id),
                lease,
                keys::spend_field(account),
            )
        });
        let sums = pack(sums);

        let mut call = self.scripts.settle.call(&state);
        call.key(&usage);
        if let Some((reservation, lease, _)) = &held {
            call.key(reservation);
            if let Some(lease) = lease {
                call.key(lease);
            }
        }
        call.optional(self.time())
            .flag(settlement.proven)
            .flag(settlement.forget)
            .number(millis(STATE_TTL))
            .text(&tokens)
            .optional(settlement.tokens.map(|(rate, tokens)| rate.cost(tokens)))
            .text(&row)
            .text(&sums)
            .number(millis(usage_ttl()))
            .number(count(MAX_ROWS))
            .text(&other);
        if let Some((_, _, spend)) = &held {
            call.text(spend)
                .number(u64::try_from(settlement.row.cost).unwrap_or(0))
                .number(millis(self.reservation_ttl));
        }
        let done: u8 = call.run(&self.link).await?;
        Ok(if done == 1 {
            Settled::Done
        } else {
            Settled::Late
        })
    }

    async fn extend(&self, held: &[(CallerId, ReservationId)]) -> Result<(), StoreError> {
        // Any number of callers: in a cluster each is in a slot of its own, so one by one there
        // would be no pipeline. All at once over one connection they cost one flush.
        let mut failed = None;
        for chunk in held.chunks(256) {
            let extensions = chunk.iter().map(|(caller, id)| async move {
                let key = keys::reservation(*caller, *id);
                let mut command = cmd("PEXPIRE");
                command.arg(&key).arg(millis(self.reservation_ttl));
                self.link.run::<i64>(&key, &command).await
            });
            for result in futures_util::future::join_all(extensions).await {
                failed = failed.or(result.err());
            }
        }
        failed.map_or(Ok(()), |fault| Err(plain(fault)))
    }

    async fn take(
        &self,
        bucket: CallerId,
        rate: Rate,
    ) -> Result<Result<Standing, Duration>, StoreError> {
        self.bucket(bucket, rate, true).await
    }

    async fn peek(
        &self,
        bucket: CallerId,
        rate: Rate,
    ) -> Result<Result<Standing, Duration>, StoreError> {
        self.bucket(bucket, rate, false).await
    }

    async fn state(&self, caller: CallerId) -> Result<CallerState, StoreError> {
        let key = keys::state(caller);
        let mut command = cmd("HGETALL");
        command.arg(&key);
        let fields: Vec<(String, String)> = self.link.run(&key, &command).await.map_err(plain)?;
        Ok(parse_state(self.now(), &fields))
    }

    async fn usage(&self, caller: CallerId, until: u32, days: u32) -> Result<Vec<Use>, StoreError> {
        let from = until.saturating_sub(days.saturating_sub(1));
        let mut commands = pipe();
        for day in from..=until {
            commands.cmd("HGETALL").arg(keys::usage(caller, day));
        }
        let rows: Vec<Vec<(String, String)>> = self
            .link
            .run_all(&keys::state(caller), &commands)
            .await
            .map_err(plain)?;
        Ok((from..=until)
            .zip(rows)
            .flat_map(|(day, rows)| {
                rows.into_iter()
                    .filter_map(move |(field, sums)| parse_row(day, &field, &sums))
            })
            .collect())
    }

    async fn remember(&self, nonce: &[u8], ttl: Duration) -> Result<bool, StoreError> {
        let key = keys::nonce(nonce);
        let mut command = cmd("SET");
        command
            .arg(&key)
            .arg(1)
            .arg("NX")
            .arg("PX")
            .arg(millis(ttl).max(1));
        let set: Option<String> = self.link.run(&key, &command).await.map_err(plain)?;
        Ok(set.is_some())
    }

    async fn put_lease(
        &self,
        id: LeaseId,
        proof: &Proof,
        value: &[u8],
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        let key = keys::lease(id);
        let stored = [proof.as_slice(), value].concat();
        let ttl = millis(ttl.min(MAX_LEASE_TTL)).max(1);
        let mut command = cmd("SET");
        command.arg(&key).arg(stored).arg("NX").arg("PX").arg(ttl);
        let set: Option<String> = self.link.run(&key, &command).await.map_err(plain)?;
        Ok(set.is_some())
    }

    async fn lease(
        &self,
        id: LeaseId,
        proof: &Proof,
        action: LeaseAction,
    ) -> Result<Option<LeaseFound>, StoreError> {
        let key = keys::lease(id);
        let mut call = self.scripts.lease.call(&key);
        call.bytes(proof).text(match action {
            LeaseAction::Get => "get",
            LeaseAction::Take => "take",
            LeaseAction::Peek => "peek",
            LeaseAction::Clear => "clear",
        });
        let found: Option<(Vec<u8>, i64)> = call.run(&self.link).await?;
        Ok(found.map(|(value, left)| LeaseFound {
            value,
            expires_in: Duration::from_millis(u64::try_from(left).unwrap_or(0)),
        }))
    }

    fn health(&self) -> Health {
        self.link.health()
    }

    fn now(&self) -> Micros {
        self.time().unwrap_or_else(|| SystemClock.now())
    }
}

/// Names that an admission with a reservation needs.
struct Reserved {
    usage: String,
    reservation: String,
    lease: Option<String>,
    spend: String,
    row: String,
    other: String,
    sums: String,
}

fn limited(rate: Option<Rate>, now: Micros, tat: Micros) -> Option<(Duration, Standing)> {
    rate.map(|rate| {
        (
            rate.retry_after(now, tat, rate.cost(1)),
            rate.standing(now, tat),
        )
    })
}

fn plain(fault: Fault) -> StoreError {
    match fault {
        Fault::NoScript => StoreError::not_done("refused"),
        Fault::Store(error) => error,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn usage_ttl() -> Duration {
    super::clock::DAY * RETENTION_DAYS
}
