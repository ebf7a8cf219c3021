//! What every store must do. Each implementation runs all of it: `store_conformance!` makes one
//! test per behaviour from a function that opens a fresh store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use keyferry_protocol::Payer;
use keyferry_relay::store::{
    Account, Admission, Admitted, CallerId, Decision, Held, LeaseAction, LeaseBudget, LeaseId,
    ManualClock, Nonce, OTHER, Rate, RateKind, Refusal, ReservationId, Reserve, Row, Settled,
    Settlement, Store,
};

/// Noon of some day: a test may move half a day without changing it.
pub(crate) const NOON: u64 = (20_454 * 86_400 + 43_200) * 1_000_000;

/// Lifetime of a reservation in these tests.
pub(crate) const RESERVATION_TTL: Duration = Duration::from_millis(600);

pub(crate) struct Fixture<S> {
    pub(crate) store: S,
    pub(crate) clock: Arc<ManualClock>,
    /// Some lifetimes are kept by the server itself and pass in real time.
    pub(crate) real_expiry: bool,
}

impl<S: Store> Fixture<S> {
    /// Lets `time` pass, for the clock and for the server.
    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        if self.real_expiry && time < Duration::from_secs(3) {
            tokio::time::sleep(time).await;
        }
    }

    async fn admit(&self, admission: &Admission) -> Decision {
        self.store.admit(admission).await.unwrap()
    }

    async fn admitted(&self, admission: &Admission) -> Admitted {
        match self.admit(admission).await {
            Decision::Admitted(admitted) => admitted,
            Decision::Refused(refusal) => panic!("refused: {refusal:?}"),
        }
    }

    async fn refused(&self, admission: &Admission) -> Refusal {
        match self.admit(admission).await {
            Decision::Refused(refusal) => refusal,
            Decision::Admitted(admitted) => panic!("admitted: {admitted:?}"),
        }
    }

    async fn spent(&self, caller: CallerId) -> u64 {
        self.store
            .state(caller)
            .await
            .unwrap()
            .spent
            .iter()
            .map(|spend| spend.spent)
            .sum()
    }

    async fn rows(&self, caller: CallerId) -> BTreeMap<String, Row> {
        let day = u32::try_from(self.store.now() / 86_400_000_000).unwrap();
        let uses = self.store.usage(caller, day, 2).await.unwrap();
        uses.into_iter()
            .map(|line| (format!("{}/{}", line.provider, line.model), line.row))
            .collect()
    }
}

pub(crate) fn random<T>(make: impl FnOnce([u8; 16]) -> T) -> T {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).unwrap();
    make(bytes)
}

pub(crate) fn account() -> Account {
    Account {
        caller: random(CallerId::new),
        provider: "openai".into(),
        payer: Payer::Server,
    }
}

pub(crate) fn request(account: &Account) -> Admission {
    Admission {
        account: account.clone(),
        provisional: false,
        requests: None,
        tokens: None,
        reserve: None,
        nonce: None,
    }
}

pub(crate) fn reserving(account: &Account, estimate: u64, cap: Option<u64>) -> (Admission, Held) {
    let id = random(ReservationId::new);
    let reserve = Reserve {
        id,
        estimate,
        daily_cap: cap,
        lease: None,
        model: "gpt-4o".into(),
    };
    let admission = Admission {
        reserve: Some(reserve),
        ..request(account)
    };
    (
        admission,
        Held {
            id,
            estimate,
            lease: None,
        },
    )
}

pub(crate) fn ended(account: &Account, day: u32, held: Option<Held>, row: Row) -> Settlement {
    Settlement {
        account: account.clone(),
        day,
        proven: true,
        forget: false,
        tokens: None,
        held,
        model: "gpt-4o".into(),
        row,
    }
}

fn used(cost: i64) -> Row {
    Row {
        requests: 1,
        input_tokens: 10,
        output_tokens: 5,
        cost,
        ..Row::default()
    }
}

pub(crate) async fn requests_are_limited_exactly<S: Store>(f: Fixture<S>) {
    let account = account();
    let admission = Admission {
        requests: Some(Rate::per_hour(7)),
        ..request(&account)
    };
    for left in (0..7).rev() {
        assert_eq!(
            f.admitted(&admission).await.requests.unwrap().remaining,
            left
        );
    }
    let Refusal::Requests {
        retry_after,
        standing,
    } = f.refused(&admission).await
    else {
        panic!("another limit")
    };
    assert_eq!(standing.remaining, 0);
    assert_eq!(retry_after.as_secs(), 514); // a seventh of an hour
    f.pass(retry_after).await;
    f.admitted(&admission).await;
    f.refused(&admission).await;
}

pub(crate) async fn accounts_do_not_share_limits<S: Store>(f: Fixture<S>) {
    let first = account();
    let limited = |account: Account| Admission {
        requests: Some(Rate::per_hour(1)),
        ..request(&account)
    };
    f.admitted(&limited(first.clone())).await;
    f.refused(&limited(first.clone())).await;
    f.admitted(&limited(Account {
        provider: "anthropic".into(),
        ..first.clone()
    }))
    .await;
    f.admitted(&limited(Account {
        payer: Payer::User,
        ..first.clone()
    }))
    .await;
    f.admitted(&limited(Account {
        caller: random(CallerId::new),
        ..first
    }))
    .await;
}

pub(crate) async fn a_limit_of_zero_allows_nothing<S: Store>(f: Fixture<S>) {
    let admission = Admission {
        requests: Some(Rate::per_hour(0)),
        ..request(&account())
    };
    let Refusal::Requests { retry_after, .. } = f.refused(&admission).await else {
        panic!("another limit")
    };
    assert_eq!(retry_after, Duration::from_secs(3_600));
}

pub(crate) async fn tokens_are_paid_after_the_call<S: Store>(f: Fixture<S>) {
    let account = account();
    let rate = Rate::per_hour(1_000);
    let admission = Admission {
        tokens: Some(rate),
        ..request(&account)
    };
    let admitted = f.admitted(&admission).await;
    assert_eq!(admitted.tokens.unwrap().remaining, 1_000);
    let settle = |tokens| Settlement {
        tokens: Some((rate, tokens)),
        ..ended(&account, admitted.day, None, used(0))
    };
    f.store.settle(&settle(400)).await.unwrap();
    assert_eq!(f.admitted(&admission).await.tokens.unwrap().remaining, 600);
    // More than is left may be used by a call that was let in; the rest is a debt.
    f.store.settle(&settle(1_600)).await.unwrap();
    let Refusal::Tokens { retry_after, .. } = f.refused(&admission).await else {
        panic!("another limit")
    };
    assert_eq!(retry_after.as_secs(), 3_603);
    f.pass(retry_after).await;
    f.admitted(&admission).await;
}

pub(crate) async fn a_refused_call_takes_nothing<S: Store>(f: Fixture<S>) {
    let account = account();
    let (mut admission, _) = reserving(&account, 100, Some(50));
    admission.requests = Some(Rate::per_hour(3));
    for _ in 0..5 {
        assert!(matches!(
            f.refused(&admission).await,
            Refusal::DailyCap { spent: 0, .. }
        ));
    }
    let state = f.store.state(account.caller).await.unwrap();
    assert_eq!((state.rates, state.spent), (vec![], vec![]));
    assert!(f.rows(account.caller).await.is_empty());
}

pub(crate) async fn the_cap_holds_exactly<S: Store>(f: Fixture<S>) {
    let account = account();
    let mut passed = 0;
    for _ in 0..100 {
        let (admission, _) = reserving(&account, 100_000, Some(5_000_000));
        match f.admit(&admission).await {
            Decision::Admitted(_) => passed += 1,
            Decision::Refused(refusal) => {
                let Refusal::DailyCap { spent, resets_in } = refusal else {
                    panic!("{refusal:?}")
                };
                assert_eq!((spent, resets_in), (5_000_000, Duration::from_secs(43_200)));
            }
        }
    }
    assert_eq!(passed, 50);
    assert_eq!(f.spent(account.caller).await, 5_000_000);
}

pub(crate) async fn what_is_left_of_the_cap_takes_what_fits<S: Store>(f: Fixture<S>) {
    let account = account();
    f.admitted(&reserving(&account, 600, Some(1_000)).0).await;
    f.refused(&reserving(&account, 401, Some(1_000)).0).await;
    f.admitted(&reserving(&account, 400, Some(1_000)).0).await;
    // A used-up cap refuses what is free, too.
    f.refused(&reserving(&account, 0, Some(1_000)).0).await;
}

pub(crate) async fn settling_gives_back_the_difference<S: Store>(f: Fixture<S>) {
    let account = account();
    let (admission, held) = reserving(&account, 900, Some(1_000));
    let day = f.admitted(&admission).await.day;
    assert_eq!(f.spent(account.caller).await, 900);
    f.refused(&reserving(&account, 200, Some(1_000)).0).await;
    let settled = f
        .store
        .settle(&ended(&account, day, Some(held), used(300)))
        .await
        .unwrap();
    assert_eq!(settled, Settled::Done);
    assert_eq!(f.spent(account.caller).await, 300);
    f.admitted(&reserving(&account, 700, Some(1_000)).0).await;
}

pub(crate) async fn a_call_that_cost_more_counts_in_full<S: Store>(f: Fixture<S>) {
    let account = account();
    let (admission, held) = reserving(&account, 100, Some(1_000));
    let day = f.admitted(&admission).await.day;
    f.store
        .settle(&ended(&account, day, Some(held), used(1_500)))
        .await
        .unwrap();
    assert_eq!(f.spent(account.caller).await, 1_500);
    f.refused(&reserving(&account, 1, Some(1_000)).0).await;
}

pub(crate) async fn a_reservation_settles_once<S: Store>(f: Fixture<S>) {
    let account = account();
    let (admission, held) = reserving(&account, 900, None);
    let day = f.admitted(&admission).await.day;
    let settlement = ended(&account, day, Some(held), used(300));
    assert_eq!(f.store.settle(&settlement).await.unwrap(), Settled::Done);
    assert_eq!(f.store.settle(&settlement).await.unwrap(), Settled::Late);
    assert_eq!(f.spent(account.caller).await, 300);
    assert_eq!(f.rows(account.caller).await["openai/gpt-4o"], used(300));
}

pub(crate) async fn repeating_an_admission_takes_once<S: Store>(f: Fixture<S>) {
    let account = account();
    let (mut admission, _) = reserving(&account, 400, Some(1_000));
    admission.requests = Some(Rate::per_hour(10));
    f.admitted(&admission).await;
    assert_eq!(f.admitted(&admission).await.requests.unwrap().remaining, 9);
    assert_eq!(f.spent(account.caller).await, 400);
    assert_eq!(f.rows(account.caller).await["openai/gpt-4o"].requests, 1);
}

pub(crate) async fn an_abandoned_reservation_stands_at_its_estimate<S: Store>(f: Fixture<S>) {
    let account = account();
    let (admission, held) = reserving(&account, 900, Some(1_000));
    let day = f.admitted(&admission).await.day;
    f.pass(RESERVATION_TTL + Duration::from_millis(50)).await;
    let settlement = ended(&account, day, Some(held), used(0));
    assert_eq!(f.store.settle(&settlement).await.unwrap(), Settled::Late);
    assert_eq!(f.spent(account.caller).await, 900);
    assert_eq!(
        f.rows(account.caller).await["openai/gpt-4o"],
        Row::reserved(900)
    );
}

pub(crate) async fn a_heartbeat_keeps_a_reservation<S: Store>(f: Fixture<S>) {
    let account = account();
    let (admission, held) = reserving(&account, 900, Some(1_000));
    let day = f.admitted(&admission).await.day;
    for _ in 0..3 {
        f.pass(RESERVATION_TTL / 2).await;
        f.store.extend(&[(account.caller, held.id)]).await.unwrap();
    }
    let settlement = ended(&account, day, Some(held), used(1));
    assert_eq!(f.store.settle(&settlement).await.unwrap(), Settled::Done);
    assert_eq!(f.spent(account.caller).await, 1);
}

pub(crate) async fn a_withdrawn_reservation_is_never_made<S: Store>(f: Fixture<S>) {
    let account = account();
    let (admission, held) = reserving(&account, 900, Some(1_000));
    let withdrawal = Settlement {
        proven: false,
        ..ended(&account, 20_454, Some(held), Row::default())
    };
    assert_eq!(f.store.settle(&withdrawal).await.unwrap(), Settled::Late);
    assert_eq!(f.refused(&admission).await, Refusal::Withdrawn);
    assert_eq!(f.spent(account.caller).await, 0);
}

pub(crate) async fn a_released_reservation_leaves_nothing<S: Store>(f: Fixture<S>) {
    let account = account();
    let (admission, held) = reserving(&account, 900, Some(1_000));
    let day = f.admitted(&admission).await.day;
    let release = ended(&account, day, Some(held), Row::default());
    assert_eq!(f.store.settle(&release).await.unwrap(), Settled::Done);
    assert_eq!(f.spent(account.caller).await, 0);
    assert!(f.rows(account.caller).await.is_empty());
}

pub(crate) async fn a_new_day_starts_at_zero<S: Store>(f: Fixture<S>) {
    let account = account();
    // A call that runs over midnight.
    f.clock
        .advance(Duration::from_secs(43_200) - RESERVATION_TTL / 4);
    let (admission, held) = reserving(&account, 1_000, Some(1_000));
    let day = f.admitted(&admission).await.day;
    f.refused(&reserving(&account, 1, Some(1_000)).0).await;
    f.clock.advance(RESERVATION_TTL / 2);
    f.admitted(&reserving(&account, 400, Some(1_000)).0).await;
    // Yesterday's call ends today: today's money is not touched, yesterday's use is corrected.
    f.store
        .settle(&ended(&account, day, Some(held), used(100)))
        .await
        .unwrap();
    assert_eq!(f.spent(account.caller).await, 400);
    let uses = f.store.usage(account.caller, day + 1, 2).await.unwrap();
    let costs: Vec<_> = uses.iter().map(|line| (line.day, line.row.cost)).collect();
    assert_eq!(costs, [(day, 100), (day + 1, 400)]);
}

pub(crate) async fn a_lease_has_a_budget_of_its_own<S: Store>(f: Fixture<S>) {
    let account = account();
    let lease = LeaseBudget {
        id: random(LeaseId::new),
        cap: 1_000,
    };
    let leased = |estimate| {
        let (mut admission, mut held) = reserving(&account, estimate, Some(1_000_000));
        if let Some(reserve) = &mut admission.reserve {
            reserve.lease = Some(lease);
        }
        held.lease = Some(lease);
        (admission, held)
    };
    let (admission, held) = leased(900);
    let day = f.admitted(&admission).await.day;
    assert_eq!(
        f.refused(&leased(200).0).await,
        Refusal::Lease { spent: 900 }
    );
    f.store
        .settle(&ended(&account, day, Some(held), used(100)))
        .await
        .unwrap();
    f.admitted(&leased(900).0).await;
    assert_eq!(
        f.refused(&leased(1).0).await,
        Refusal::Lease { spent: 1_000 }
    );
    f.admitted(&reserving(&account, 5_000, Some(1_000_000)).0)
        .await;
}

pub(crate) async fn an_unproven_caller_is_forgotten_after_a_failure<S: Store>(f: Fixture<S>) {
    let account = account();
    let (admission, held) = reserving(&account, 900, Some(1_000));
    let provisional = Admission {
        provisional: true,
        requests: Some(Rate::per_hour(10)),
        ..admission
    };
    let admitted = f.admitted(&provisional).await;
    assert!(!admitted.known);
    let forgotten = Settlement {
        proven: false,
        forget: true,
        ..ended(&account, admitted.day, Some(held), Row::default())
    };
    f.store.settle(&forgotten).await.unwrap();
    let state = f.store.state(account.caller).await.unwrap();
    assert_eq!((state.rates, state.spent), (vec![], vec![]));
    assert!(f.rows(account.caller).await.is_empty());
}

pub(crate) async fn a_success_makes_a_caller_known<S: Store>(f: Fixture<S>) {
    let account = account();
    let rate = Some(Rate::per_hour(10));
    let admission = Admission {
        provisional: true,
        requests: rate,
        ..request(&account)
    };
    let first = f.admitted(&admission).await;
    assert!(!first.known);
    f.store
        .settle(&ended(&account, first.day, None, used(3)))
        .await
        .unwrap();
    assert!(f.admitted(&admission).await.known);
    // A failure of another call does not take that back.
    let forget = Settlement {
        proven: false,
        forget: true,
        ..ended(&account, first.day, None, Row::default())
    };
    f.store.settle(&forget).await.unwrap();
    let again = f.admitted(&admission).await;
    assert!(again.known);
    assert_eq!(again.requests.unwrap().remaining, 7);
    assert_eq!(f.rows(account.caller).await["openai/gpt-4o"], used(3));
}

pub(crate) async fn money_in_flight_keeps_an_unproven_caller<S: Store>(f: Fixture<S>) {
    let account = account();
    let provisional = |(admission, held): (Admission, Held)| {
        (
            Admission {
                provisional: true,
                ..admission
            },
            held,
        )
    };
    let (running, _) = provisional(reserving(&account, 600, Some(1_000)));
    f.admitted(&running).await;
    let (failed, held) = provisional(reserving(&account, 400, Some(1_000)));
    let day = f.admitted(&failed).await.day;
    let forget = Settlement {
        proven: false,
        forget: true,
        ..ended(&account, day, Some(held), Row::default())
    };
    f.store.settle(&forget).await.unwrap();
    assert_eq!(f.spent(account.caller).await, 600);
}

pub(crate) async fn state_lists_what_was_taken<S: Store>(f: Fixture<S>) {
    let account = account();
    let (mut admission, _) = reserving(&account, 42, Some(1_000));
    admission.requests = Some(Rate::per_hour(100));
    f.admitted(&admission).await;
    let state = f.store.state(account.caller).await.unwrap();
    assert_eq!(state.now, NOON);
    let [rate] = state.rates.as_slice() else {
        panic!("{:?}", state.rates)
    };
    assert_eq!(
        (rate.kind, &*rate.provider, rate.payer),
        (RateKind::Requests, "openai", Payer::Server)
    );
    assert_eq!(
        Rate::per_hour(100).standing(state.now, rate.tat).remaining,
        99
    );
    let [spend] = state.spent.as_slice() else {
        panic!("{:?}", state.spent)
    };
    assert_eq!(
        (&*spend.provider, spend.payer, spend.spent),
        ("openai", Payer::Server, 42)
    );
}

pub(crate) async fn use_adds_up_by_row<S: Store>(f: Fixture<S>) {
    let account = account();
    let full = Row {
        requests: 1,
        errors: 1,
        estimated: 1,
        unpriced: 1,
        input_tokens: 2_000_000_000,
        cached_tokens: 5,
        output_tokens: 6,
        audio_ms: 7,
        cost: 8,
        estimated_cost: 9,
        other_cost: 10,
        other_unpriced: 11,
    };
    for model in ["gpt-4o", "gpt-4o", "ft:gpt-4o:acme::id with blanks"] {
        let settlement = Settlement {
            model: model.into(),
            ..ended(&account, 20_454, None, full)
        };
        f.store.settle(&settlement).await.unwrap();
    }
    let rows = f.rows(account.caller).await;
    assert_eq!(rows["openai/ft:gpt-4o:acme::id with blanks"], full);
    let mut twice = full;
    twice += full;
    assert_eq!(rows["openai/gpt-4o"], twice);
}

pub(crate) async fn invented_models_share_one_row<S: Store>(f: Fixture<S>) {
    let account = account();
    for n in 0..300 {
        let model = format!("invented-{n}").into();
        let settlement = Settlement {
            model,
            ..ended(&account, 20_454, None, used(1))
        };
        f.store.settle(&settlement).await.unwrap();
    }
    let rows = f.rows(account.caller).await;
    assert_eq!(rows.len(), 257);
    assert_eq!(rows[&format!("openai/{OTHER}")].requests, 44);
}

pub(crate) async fn buckets_count_by_themselves<S: Store>(f: Fixture<S>) {
    let (bucket, rate) = (random(CallerId::new), Rate::per_minute(2));
    assert_eq!(
        f.store.peek(bucket, rate).await.unwrap().unwrap().remaining,
        2
    );
    assert_eq!(
        f.store.take(bucket, rate).await.unwrap().unwrap().remaining,
        1
    );
    assert_eq!(
        f.store.take(bucket, rate).await.unwrap().unwrap().remaining,
        0
    );
    let wait = f.store.take(bucket, rate).await.unwrap().unwrap_err();
    assert_eq!(wait, Duration::from_secs(30));
    assert_eq!(f.store.peek(bucket, rate).await.unwrap().unwrap_err(), wait);
    f.pass(wait).await;
    assert!(f.store.take(bucket, rate).await.unwrap().is_ok());
    assert!(
        f.store
            .take(random(CallerId::new), rate)
            .await
            .unwrap()
            .is_ok()
    );
}

pub(crate) async fn a_nonce_is_fresh_once<S: Store>(f: Fixture<S>) {
    let nonce = random(|bytes| bytes);
    let ttl = Duration::from_millis(300);
    assert!(f.store.remember(&nonce, ttl).await.unwrap());
    assert!(!f.store.remember(&nonce, ttl).await.unwrap());
    assert!(f.store.remember(&random(|bytes| bytes), ttl).await.unwrap());
    f.pass(ttl + Duration::from_millis(20)).await;
    assert!(f.store.remember(&nonce, ttl).await.unwrap());
}

pub(crate) async fn a_nonce_admits_once_and_a_replay_takes_nothing<S: Store>(f: Fixture<S>) {
    let nonce = Nonce {
        name: Box::new(random(|bytes| bytes)),
        ttl: Duration::from_millis(300),
    };
    let with_nonce = |admission: Admission| Admission {
        requests: Some(Rate::per_hour(10)),
        nonce: Some(nonce.clone()),
        ..admission
    };
    let account = account();
    let (first, _) = reserving(&account, 400, Some(1_000));
    let admitted = f.admitted(&with_nonce(first)).await;
    assert_eq!(admitted.requests.unwrap().remaining, 9);
    let before = f.store.state(account.caller).await.unwrap();
    let lease = LeaseBudget {
        id: random(LeaseId::new),
        cap: 1_000,
    };
    let (mut leased, _) = reserving(&account, 400, Some(1_000));
    leased.reserve.as_mut().unwrap().lease = Some(lease);
    for admission in [
        request(&account),
        reserving(&account, 400, None).0,
        leased.clone(),
    ] {
        assert_eq!(f.refused(&with_nonce(admission)).await, Refusal::Replayed);
    }
    // Nor does another caller get anything for it.
    let other = self::account();
    assert_eq!(
        f.refused(&with_nonce(request(&other))).await,
        Refusal::Replayed
    );
    let after = f.store.state(account.caller).await.unwrap();
    assert_eq!((after.rates, after.spent), (before.rates, before.spent));
    let state = f.store.state(other.caller).await.unwrap();
    assert_eq!((state.rates, state.spent), (vec![], vec![]));
    // Once it is out of its window the seal's own time refuses it.
    f.pass(nonce.ttl + Duration::from_millis(20)).await;
    f.admitted(&with_nonce(leased)).await;
    assert_eq!(f.spent(account.caller).await, 800);
}

pub(crate) async fn a_refused_call_uses_up_its_nonce<S: Store>(f: Fixture<S>) {
    let (account, name) = (account(), random(|bytes| bytes));
    let admission = |limit| Admission {
        requests: Some(Rate::per_hour(limit)),
        nonce: Some(Nonce {
            name: Box::new(name),
            ttl: Duration::from_secs(60),
        }),
        ..request(&account)
    };
    assert!(matches!(
        f.refused(&admission(0)).await,
        Refusal::Requests { .. }
    ));
    assert_eq!(f.refused(&admission(10)).await, Refusal::Replayed);
}

pub(crate) async fn a_lease_is_given_to_its_proof_only<S: Store>(f: Fixture<S>) {
    let id = random(LeaseId::new);
    let (proof, wrong) = ([7; 32], [8; 32]);
    let value = [0, 1, 2, 255, 13, 10];
    let put = f
        .store
        .put_lease(id, &proof, &value, Duration::from_secs(60))
        .await
        .unwrap();
    assert!(put);
    let again = f
        .store
        .put_lease(id, &wrong, b"other", Duration::from_secs(60))
        .await
        .unwrap();
    assert!(!again, "an id is used once");
    for action in [
        LeaseAction::Get,
        LeaseAction::Take,
        LeaseAction::Peek,
        LeaseAction::Clear,
    ] {
        assert_eq!(f.store.lease(id, &wrong, action).await.unwrap(), None);
    }
    let peeked = f
        .store
        .lease(id, &proof, LeaseAction::Peek)
        .await
        .unwrap()
        .unwrap();
    assert!(peeked.value.is_empty());
    assert!(peeked.expires_in > Duration::from_secs(55));
    assert!(peeked.expires_in <= Duration::from_secs(60));
    let got = f
        .store
        .lease(id, &proof, LeaseAction::Get)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(got.value, value);
    let taken = f
        .store
        .lease(id, &proof, LeaseAction::Take)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(taken.value, value);
    assert_eq!(
        f.store.lease(id, &proof, LeaseAction::Get).await.unwrap(),
        None
    );
}

pub(crate) async fn a_cleared_lease_is_gone<S: Store>(f: Fixture<S>) {
    let (id, proof) = (random(LeaseId::new), [9; 32]);
    f.store
        .put_lease(id, &proof, b"value", Duration::from_secs(60))
        .await
        .unwrap();
    let cleared = f
        .store
        .lease(id, &proof, LeaseAction::Clear)
        .await
        .unwrap()
        .unwrap();
    assert!(cleared.value.is_empty());
    assert_eq!(
        f.store.lease(id, &proof, LeaseAction::Get).await.unwrap(),
        None
    );
}

pub(crate) async fn no_lease_outlives_five_minutes<S: Store>(f: Fixture<S>) {
    let (id, proof) = (random(LeaseId::new), [1; 32]);
    f.store
        .put_lease(id, &proof, b"value", Duration::from_secs(86_400))
        .await
        .unwrap();
    let left = f
        .store
        .lease(id, &proof, LeaseAction::Peek)
        .await
        .unwrap()
        .unwrap()
        .expires_in;
    assert!(left <= Duration::from_secs(300), "{left:?}");
    let (id, ttl) = (random(LeaseId::new), Duration::from_millis(200));
    f.store.put_lease(id, &proof, b"value", ttl).await.unwrap();
    f.pass(ttl + Duration::from_millis(20)).await;
    assert_eq!(
        f.store.lease(id, &proof, LeaseAction::Get).await.unwrap(),
        None
    );
}

/// One test per behaviour; `$open` is an async function returning a [`Fixture`].
macro_rules! store_conformance {
    ($open:path) => {
        $crate::conformance::store::store_conformance! { $open:
            requests_are_limited_exactly, accounts_do_not_share_limits,
            a_limit_of_zero_allows_nothing, tokens_are_paid_after_the_call,
            a_refused_call_takes_nothing, the_cap_holds_exactly,
            what_is_left_of_the_cap_takes_what_fits, settling_gives_back_the_difference,
            a_call_that_cost_more_counts_in_full, a_reservation_settles_once,
            repeating_an_admission_takes_once, an_abandoned_reservation_stands_at_its_estimate,
            a_heartbeat_keeps_a_reservation, a_withdrawn_reservation_is_never_made,
            a_released_reservation_leaves_nothing, a_new_day_starts_at_zero,
            a_lease_has_a_budget_of_its_own, an_unproven_caller_is_forgotten_after_a_failure,
            a_success_makes_a_caller_known, money_in_flight_keeps_an_unproven_caller,
            state_lists_what_was_taken, use_adds_up_by_row, invented_models_share_one_row,
            buckets_count_by_themselves, a_nonce_is_fresh_once,
            a_nonce_admits_once_and_a_replay_takes_nothing, a_refused_call_uses_up_its_nonce,
            a_lease_is_given_to_its_proof_only, a_cleared_lease_is_gone,
            no_lease_outlives_five_minutes,
        }
    };
    ($open:path: $($behaviour:ident,)*) => {$(
        #[tokio::test]
        async fn $behaviour() {
            $crate::conformance::store::$behaviour($open().await).await;
        }
    )*};
}

pub(crate) use store_conformance;
