use proptest::prelude::*;

use super::*;

const MINUTE: u64 = 60_000;
const START: u64 = 1_800_000_000_000;

fn open(minutes: u16) -> Machine {
    let mut machine = Machine::new(Policy::new(minutes, false));
    assert_eq!(machine.handle(Input::Unlocked, START), Action::None);
    machine
}

#[test]
fn locks_after_the_idle_time_and_not_before() {
    let mut machine = open(30);
    assert!(matches!(
        machine.handle(Input::Woken, START + 30 * MINUTE - 1),
        Action::Warn(_)
    ));
    assert_eq!(
        machine.handle(Input::Woken, START + 30 * MINUTE),
        Action::Lock(Reason::Idle)
    );
    assert!(!machine.is_open());
}

#[test]
fn use_puts_the_deadline_off_but_never_past_the_maximum_age() {
    let mut machine = open(30);
    let mut now = START;
    while now + 20 * MINUTE < START + MAX_AGE_MS {
        now += 20 * MINUTE;
        assert!(!matches!(machine.handle(Input::Used, now), Action::Lock(_)));
    }
    assert_eq!(
        machine.handle(Input::Used, START + MAX_AGE_MS),
        Action::Lock(Reason::MaxAge)
    );
}

#[test]
fn a_use_after_the_deadline_does_not_revive() {
    let mut machine = open(1);
    assert_eq!(
        machine.handle(Input::Used, START + MINUTE),
        Action::Lock(Reason::Idle)
    );
    assert_eq!(
        machine.handle(Input::Used, START + MINUTE + 1),
        Action::None
    );
    assert!(!machine.is_open());
}

#[test]
fn a_clock_set_backwards_locks_beyond_small_corrections() {
    let mut machine = open(30);
    assert_eq!(machine.handle(Input::Used, START - 4_000), Action::None);
    assert_eq!(
        machine.handle(Input::Used, START - 6_000),
        Action::Lock(Reason::Clock)
    );
}

#[test]
fn small_steps_back_do_not_add_up() {
    let mut machine = open(30);
    machine.handle(Input::Used, START - 4_000);
    assert_eq!(
        machine.handle(Input::Used, START - 8_000),
        Action::Lock(Reason::Clock)
    );
}

#[test]
fn hiding_locks_only_when_wanted() {
    let mut machine = open(30);
    assert_eq!(machine.handle(Input::Hidden(true), START), Action::None);
    machine.handle(Input::Configured(Policy::new(30, true)), START);
    assert_eq!(machine.handle(Input::Hidden(false), START), Action::None);
    assert_eq!(
        machine.handle(Input::Hidden(true), START),
        Action::Lock(Reason::Hidden)
    );
}

#[test]
fn a_shorter_idle_time_holds_at_once() {
    let mut machine = open(30);
    let action = machine.handle(Input::Configured(Policy::new(5, false)), START + 6 * MINUTE);
    assert_eq!(action, Action::Lock(Reason::Idle));
}

#[test]
fn a_longer_idle_time_revives_nothing() {
    let mut machine = open(1);
    let longer = Input::Configured(Policy::new(60, false));
    assert_eq!(
        machine.handle(longer, START + MINUTE),
        Action::Lock(Reason::Idle)
    );
    assert!(!machine.is_open());
}

#[test]
fn warns_once_and_again_after_use() {
    let mut machine = open(30);
    let late = START + 29 * MINUTE;
    assert_eq!(
        machine.handle(Input::Woken, late),
        Action::Warn(START + 30 * MINUTE)
    );
    assert_eq!(machine.handle(Input::Woken, late + 1), Action::None);
    assert_eq!(machine.handle(Input::Used, late + 2), Action::None);
    assert!(matches!(
        machine.handle(Input::Woken, late + 2 + 29 * MINUTE),
        Action::Warn(_)
    ));
}

#[test]
fn minutes_are_brought_within_bounds() {
    assert_eq!(Policy::new(0, false).idle_ms, MINUTE);
    assert_eq!(Policy::new(u16::MAX, false).idle_ms, 1440 * MINUTE);
}

fn any_input() -> impl Strategy<Value = Input> {
    prop_oneof![
        1 => Just(Input::Unlocked),
        6 => Just(Input::Used),
        6 => Just(Input::Woken),
        1 => any::<bool>().prop_map(Input::Hidden),
        1 => (any::<u16>(), any::<bool>())
            .prop_map(|(minutes, hide)| Input::Configured(Policy::new(minutes, hide))),
        1 => Just(Input::Lock(Reason::Requested)),
    ]
}

fn any_step() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => 0..120_000_i64,
        2 => 0..200_000_000_i64,
        2 => -200_000_000..0_i64,
        1 => -5_000..5_000_i64,
    ]
}

proptest! {
    /// An independent account of the promises, checked after every event of any sequence.
    #[test]
    fn promises_hold_for_any_sequence(steps in prop::collection::vec((any_input(), any_step()), 1..200)) {
        let mut machine = Machine::new(Policy::new(30, false));
        let mut idle = 30 * MINUTE;
        let mut hide = false;
        let mut now = START;
        // (opened, last use, latest time seen), while the model says it may be open.
        let mut model: Option<(u64, u64, u64)> = None;

        for (input, step) in steps {
            now = now.saturating_add_signed(step);
            let was_open = machine.is_open();
            let action = machine.handle(input, now);

            // The time that held until now, and the one that holds from now on.
            let before = idle;
            if let Input::Configured(policy) = input {
                idle = policy.idle_ms;
                hide = policy.lock_on_hide;
            }
            if let Some((opened, used, seen)) = model {
                let must_lock = now >= used + before
                    || now >= used + idle
                    || now >= opened + MAX_AGE_MS
                    || now + 5_000 < seen
                    || matches!(input, Input::Lock(_))
                    || (hide && input == Input::Hidden(true));
                model = if must_lock {
                    prop_assert!(matches!(action, Action::Lock(_)));
                    None
                } else if input == Input::Unlocked {
                    Some((now, now, now))
                } else if input == Input::Used {
                    Some((opened, used.max(now), seen.max(now)))
                } else {
                    Some((opened, used, seen.max(now)))
                };
            } else if input == Input::Unlocked {
                model = Some((now, now, now));
            }
            prop_assert_eq!(machine.is_open(), model.is_some());
            if let Action::Lock(_) = action {
                prop_assert!(was_open, "a locked vault does not lock again");
            }
            if let Some((at, _)) = machine.deadline() {
                prop_assert!(at <= now + 5_000 + MAX_AGE_MS);
            }
        }
    }

    /// Whatever happened before, nothing but unlocking opens.
    #[test]
    fn only_unlocking_opens(steps in prop::collection::vec((any_input(), any_step()), 1..100)) {
        let mut machine = Machine::new(Policy::new(30, false));
        let mut now = START;
        for (input, step) in steps {
            now = now.saturating_add_signed(step);
            let was_open = machine.is_open();
            machine.handle(input, now);
            if !was_open && machine.is_open() {
                prop_assert_eq!(input, Input::Unlocked);
            }
        }
    }
}
