//! What every ledger of jobs must do. `ledger_conformance!` makes one test per rule from a function
//! that opens a fresh ledger.

use std::sync::Arc;
use std::time::Duration;

use keyferry_relay::jobs::{
    Added, Attempt, Begun, Cancelled, Ending, GRACE, Kind, Ledger, NewJob, Note, Phase, Snapshot,
    State,
};
use keyferry_relay::store::{CallerId, Clock as _, JobId, ManualClock};

pub(crate) const NOON: u64 = (20_454 * 86_400 + 43_200) * 1_000_000;
pub(crate) const HOLD: Duration = Duration::from_secs(20);
const KEEP: Duration = Duration::from_secs(600);
const LEASE: u64 = 300_000;
const PROOF: [u8; 32] = [9; 32];

pub(crate) struct Fixture<L> {
    pub(crate) ledger: L,
    pub(crate) clock: Arc<ManualClock>,
}

fn fresh() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

impl<L: Ledger> Fixture<L> {
    fn now(&self) -> u64 {
        self.clock.now() / 1_000
    }

    async fn try_add(&self, id: JobId, caller: CallerId, max_queued: u32) -> Added {
        let job = NewJob {
            id,
            proof: &PROOF,
            kind: Kind::Transcription,
            caller,
            max_queued,
            expires_at: self.now() + LEASE,
            audio: true,
            terms: b"terms\0\xff",
            payload: b"payload\0\xff",
            ticket: b"ticket\0\xff",
        };
        self.ledger.add(&job).await.unwrap()
    }

    async fn add(&self) -> JobId {
        let id = JobId::new(fresh());
        assert_eq!(
            self.try_add(id, CallerId::new(fresh()), 1).await,
            Added::Yes
        );
        id
    }

    async fn read(&self, id: JobId) -> Option<Snapshot> {
        self.ledger.read(id, &PROOF).await.unwrap()
    }

    async fn run(&self, id: JobId) -> Attempt {
        match self.ledger.begin(id, HOLD).await.unwrap() {
            Begun::Run(attempt) => *attempt,
            other => panic!("{other:?}"),
        }
    }

    async fn begin(&self, id: JobId) -> Begun {
        self.ledger.begin(id, HOLD).await.unwrap()
    }

    async fn finish(&self, id: JobId, run: u64, outcome: &[u8]) -> bool {
        let ending = Ending {
            state: State::Completed,
            code: None,
            outcome,
            keep: KEEP,
        };
        self.ledger.finish(id, run, &ending).await.unwrap()
    }

    async fn version(&self, id: JobId) -> u64 {
        self.ledger.versions(&[id]).await.unwrap()[0]
    }

    /// The version, which is higher than before.
    async fn grown(&self, id: JobId, last: u64) -> u64 {
        let now = self.version(id).await;
        assert!(now > last, "{now}");
        now
    }

    fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }
}

pub(crate) async fn a_job_goes_from_queue_to_result<L: Ledger>(f: Fixture<L>) {
    let id = f.add().await;
    let queued = f.read(id).await.unwrap();
    assert_eq!((queued.state, queued.phase), (State::Queued, Phase::Queued));
    assert_eq!((queued.attempts, queued.kind), (0, Kind::Transcription));
    assert_eq!(queued.terms, b"terms\0\xff");
    assert_eq!(queued.expires_at, f.now() + LEASE);
    assert_eq!((queued.created_at, queued.updated_at), (f.now(), f.now()));
    assert_eq!((queued.code, queued.outcome), (None, None));

    f.pass(Duration::from_secs(1));
    let attempt = f.run(id).await;
    assert_eq!((attempt.run, attempt.number), (1, 1));
    assert_eq!(attempt.payload, b"payload\0\xff");
    assert_eq!(attempt.ticket, b"ticket\0\xff");
    assert_eq!(attempt.checkpoint, None);
    assert_eq!(attempt.expires_at, queued.expires_at);
    let note = Note {
        phase: Some(Phase::Transcribing),
        checkpoint: None,
    };
    assert!(f.ledger.note(id, attempt.run, HOLD, &note).await.unwrap());
    let active = f.read(id).await.unwrap();
    assert_eq!(
        (active.state, active.phase),
        (State::Active, Phase::Transcribing)
    );
    assert_eq!(active.updated_at, f.now());

    assert!(f.finish(id, attempt.run, b"outcome\0\xff").await);
    let done = f.read(id).await.unwrap();
    assert_eq!((done.state, done.phase), (State::Completed, Phase::Done));
    assert_eq!(done.outcome.unwrap(), b"outcome\0\xff");
    assert_eq!(done.expires_at, f.now() + 600_000);
    assert_eq!((done.ended_now, done.audio), (false, true));
    assert_eq!(f.begin(id).await, Begun::Gone);
}

pub(crate) async fn every_change_has_a_version_of_its_own<L: Ledger>(f: Fixture<L>) {
    let (id, none) = (f.add().await, JobId::new(fresh()));
    let mut last = f.version(id).await;
    assert_eq!(f.ledger.versions(&[none, id]).await.unwrap(), [0, last]);
    let attempt = f.run(id).await;
    last = f.grown(id, last).await;
    let phase = Note {
        phase: Some(Phase::Analysing),
        checkpoint: None,
    };
    let note = async |note: &Note<'_>| {
        let noted = f.ledger.note(id, attempt.run, HOLD, note).await;
        assert!(noted.unwrap());
    };
    note(&phase).await;
    last = f.grown(id, last).await;
    // A sign of life is no change, nor is the same phase again.
    note(&phase).await;
    note(&Note::default()).await;
    assert_eq!(f.version(id).await, last);
    let waits = f.ledger.wait(id, attempt.run, Duration::ZERO).await;
    assert!(waits.unwrap());
    last = f.grown(id, last).await;
    let again = f.run(id).await;
    last = f.grown(id, last).await;
    f.finish(id, again.run, b"x").await;
    f.grown(id, last).await;
    assert_eq!(f.ledger.versions(&[]).await.unwrap(), [0_u64; 0]);
}

pub(crate) async fn only_the_proof_reads_and_cancels<L: Ledger>(f: Fixture<L>) {
    let id = f.add().await;
    let guess = [8; 32];
    assert_eq!(f.ledger.read(id, &guess).await.unwrap(), None);
    let tried = f.ledger.cancel(id, &guess, KEEP).await.unwrap();
    assert_eq!(tried, Cancelled::NotFound);
    let nobody = JobId::new(fresh());
    assert_eq!(f.read(nobody).await, None);
    assert_eq!(f.begin(nobody).await, Begun::Gone);
    assert_eq!(
        f.ledger.cancel(nobody, &PROOF, KEEP).await.unwrap(),
        Cancelled::NotFound
    );
    assert!(f.read(id).await.is_some());
}

pub(crate) async fn two_that_race_do_not_both_run<L: Ledger>(f: Fixture<L>) {
    let id = f.add().await;
    let (one, two) = futures_util::future::join(f.begin(id), f.begin(id)).await;
    let runs = |begun: &Begun| matches!(begun, Begun::Run(_));
    assert_eq!(u8::from(runs(&one)) + u8::from(runs(&two)), 1);
    let waits = |begun: &Begun| matches!(begun, Begun::Later(wait) if *wait <= HOLD);
    assert!(waits(&one) || waits(&two));
}

pub(crate) async fn who_lost_a_job_has_no_say<L: Ledger>(f: Fixture<L>) {
    let id = f.add().await;
    let first = f.run(id).await;
    f.pass(HOLD);
    let second = f.run(id).await;
    assert_eq!((second.run, second.number), (2, 2));
    assert!(!f.finish(id, first.run, b"first").await);
    assert!(!f.ledger.wait(id, first.run, Duration::ZERO).await.unwrap());
    assert!(
        !f.ledger
            .note(id, first.run, HOLD, &Note::default())
            .await
            .unwrap()
    );
    assert!(f.finish(id, second.run, b"second").await);
    assert!(!f.finish(id, second.run, b"again").await);
    assert_eq!(f.read(id).await.unwrap().outcome.unwrap(), b"second");
}

pub(crate) async fn signs_of_life_keep_a_job<L: Ledger>(f: Fixture<L>) {
    let id = f.add().await;
    let attempt = f.run(id).await;
    for _ in 0..3 {
        f.pass(HOLD - Duration::from_secs(1));
        let kept = f.ledger.note(id, attempt.run, HOLD, &Note::default()).await;
        assert!(kept.unwrap());
        assert!(matches!(f.begin(id).await, Begun::Later(_)));
    }
}

pub(crate) async fn a_job_is_picked_up_once_and_then_given_up<L: Ledger>(f: Fixture<L>) {
    let id = f.add().await;
    let first = f.run(id).await;
    let note = Note {
        phase: None,
        checkpoint: Some(b"half\0done"),
    };
    f.ledger.note(id, first.run, HOLD, &note).await.unwrap();
    f.pass(HOLD);
    let second = f.run(id).await;
    assert_eq!(second.checkpoint.unwrap(), b"half\0done");
    f.pass(HOLD);
    let ended = Begun::Ended {
        code: "job_interrupted",
        kind: Kind::Transcription,
        audio: true,
    };
    assert_eq!(f.begin(id).await, ended);
    let failed = f.read(id).await.unwrap();
    assert_eq!((failed.state, failed.attempts), (State::Failed, 2));
    assert_eq!(failed.code.as_deref(), Some("job_interrupted"));
    assert_eq!(f.begin(id).await, Begun::Gone);
}

pub(crate) async fn a_job_waits_for_its_next_attempt<L: Ledger>(f: Fixture<L>) {
    let id = f.add().await;
    let attempt = f.run(id).await;
    let pause = Duration::from_secs(5);
    assert!(f.ledger.wait(id, attempt.run, pause).await.unwrap());
    let waiting = f.read(id).await.unwrap();
    assert_eq!(
        (waiting.state, waiting.phase),
        (State::Queued, Phase::Waiting)
    );
    assert_eq!(f.begin(id).await, Begun::Later(pause));
    f.pass(pause);
    assert_eq!(f.run(id).await.number, 2);
}

pub(crate) async fn a_job_whose_lease_ends_in_the_queue_fails<L: Ledger>(f: Fixture<L>) {
    // Found by a worker, or by its maker when there is none.
    let (worked, read) = (f.add().await, f.add().await);
    f.pass(Duration::from_millis(LEASE));
    let ended = Begun::Ended {
        code: "lease_expired",
        kind: Kind::Transcription,
        audio: true,
    };
    assert_eq!(f.begin(worked).await, ended);
    let first = f.read(read).await.unwrap();
    assert_eq!((first.state, first.ended_now), (State::Failed, true));
    assert_eq!(first.code.as_deref(), Some("lease_expired"));
    let again = f.read(read).await.unwrap();
    assert!(!again.ended_now);
    assert_eq!(f.begin(read).await, Begun::Gone);
}

pub(crate) async fn a_call_that_began_in_time_may_end_late<L: Ledger>(f: Fixture<L>) {
    let id = f.add().await;
    let attempt = f.run(id).await;
    let long = Duration::from_millis(LEASE) + Duration::from_secs(60);
    f.ledger
        .note(id, attempt.run, long + HOLD, &Note::default())
        .await
        .unwrap();
    f.pass(long);
    assert_eq!(f.read(id).await.unwrap().state, State::Active);
    assert!(f.finish(id, attempt.run, b"late").await);
    // But nothing begins late.
    let other = f.add().await;
    let left = f.run(other).await;
    f.ledger
        .note(other, left.run, long, &Note::default())
        .await
        .unwrap();
    f.pass(long);
    assert!(matches!(
        f.begin(other).await,
        Begun::Ended {
            code: "lease_expired",
            ..
        }
    ));
}

pub(crate) async fn cancelling_stops_and_then_forgets<L: Ledger>(f: Fixture<L>) {
    let (queued, active) = (f.add().await, f.add().await);
    let attempt = f.run(active).await;
    for id in [queued, active] {
        let stopped = f.ledger.cancel(id, &PROOF, KEEP).await.unwrap();
        let expected = Cancelled::Stopped {
            ticket: Some(b"ticket\0\xff".to_vec()),
            audio: true,
        };
        assert_eq!(stopped, expected);
        let now = f.read(id).await.unwrap();
        assert_eq!(now.state, State::Cancelled);
        assert_eq!(now.code.as_deref(), Some("job_cancelled"));
        assert_eq!(f.begin(id).await, Begun::Gone);
    }
    assert!(!f.finish(active, attempt.run, b"late").await);
    for id in [queued, active] {
        let forgotten = f.ledger.cancel(id, &PROOF, KEEP).await.unwrap();
        assert_eq!(forgotten, Cancelled::Forgotten);
        assert_eq!(f.read(id).await, None);
        assert_eq!(f.version(id).await, 0);
    }
}

pub(crate) async fn a_caller_has_so_many_open_jobs<L: Ledger>(f: Fixture<L>) {
    let (caller, other) = (CallerId::new(fresh()), CallerId::new(fresh()));
    let ids: Vec<JobId> = (0..4).map(|_| JobId::new(fresh())).collect();
    assert_eq!(f.try_add(ids[0], caller, 2).await, Added::Yes);
    assert_eq!(f.try_add(ids[0], caller, 2).await, Added::Taken);
    assert_eq!(f.try_add(ids[1], caller, 2).await, Added::Yes);
    assert_eq!(f.try_add(ids[2], caller, 2).await, Added::TooMany);
    assert_eq!(f.read(ids[2]).await, None);
    assert_eq!(f.try_add(ids[3], other, 2).await, Added::Yes);
    // An ended job makes room, as does one that was taken back.
    let attempt = f.run(ids[0]).await;
    f.finish(ids[0], attempt.run, b"").await;
    assert_eq!(f.try_add(ids[2], caller, 2).await, Added::Yes);
    f.ledger.withdraw(ids[1]).await.unwrap();
    assert_eq!(f.read(ids[1]).await, None);
    assert_eq!(f.try_add(ids[1], caller, 2).await, Added::Yes);
    assert_eq!(
        f.try_add(JobId::new(fresh()), caller, 2).await,
        Added::TooMany
    );
    // So does one that nobody ever ended.
    f.pass(Duration::from_millis(LEASE) + GRACE);
    assert_eq!(f.try_add(JobId::new(fresh()), caller, 2).await, Added::Yes);
}

/// One test per rule, each on a fresh ledger from `$open`.
macro_rules! ledger_conformance {
    ($open:path) => {
        $crate::conformance::ledger::ledger_conformance!($open:
            a_job_goes_from_queue_to_result,
            every_change_has_a_version_of_its_own,
            only_the_proof_reads_and_cancels,
            two_that_race_do_not_both_run,
            who_lost_a_job_has_no_say,
            signs_of_life_keep_a_job,
            a_job_is_picked_up_once_and_then_given_up,
            a_job_waits_for_its_next_attempt,
            a_job_whose_lease_ends_in_the_queue_fails,
            a_call_that_began_in_time_may_end_late,
            cancelling_stops_and_then_forgets,
            a_caller_has_so_many_open_jobs
        );
    };
    ($open:path: $($rule:ident),*) => {$(
        #[tokio::test]
        async fn $rule() {
            $crate::conformance::ledger::$rule($open().await).await;
        }
    )*};
}

pub(crate) use ledger_conformance;
