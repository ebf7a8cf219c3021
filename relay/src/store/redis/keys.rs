//! Names under which everything is kept in Redis. What belongs to one caller carries its id as
//! hash tag, so that one script may touch all of it in a cluster.
//!
//! ```text
//! keyferry:{<caller>}:s          hash    limits: k, q:<payer>:<provider>, t:…, c:…
//! keyferry:{<caller>}:u:<day>    hash    use: <payer>:<provider>:<model> → sums
//! keyferry:{<caller>}:v:<id>     string  a reservation, while its call runs
//! keyferry:{<caller>}:l:<lease>  string  micro-dollars a lease has spent
//! keyferry:{<bucket>}:g          string  a rate of its own: client address, key tests
//! keyferry:n:<nonce>             string  a nonce within its window
//! keyferry:{lease}:<id>          string  a lease: proof and ciphertext
//! keyferry:{jobs}:<id>           hash    a job: where it stands in clear, the rest ciphertext
//! keyferry:{jobs}:<id>:t         string  its ticket, until its lease or the job has ended
//! keyferry:{jobs}:q:<caller>     zset    jobs of a caller that have not ended
//! keyferry:{<zone>}:probe        string  the health probe
//! ```

use std::fmt::Write as _;

use keyferry_protocol::Payer;

use super::super::usage::{OTHER, model_key};
use super::super::{Account, CallerId, JobId, LeaseId, RateKind, ReservationId};

/// Begins every name.
const PREFIX: &str = "keyferry:";

pub(super) fn state(caller: CallerId) -> String {
    format!("{PREFIX}{{{caller}}}:s")
}

pub(super) fn usage(caller: CallerId, day: u32) -> String {
    format!("{PREFIX}{{{caller}}}:u:{day}")
}

pub(super) fn reservation(caller: CallerId, id: ReservationId) -> String {
    format!("{PREFIX}{{{caller}}}:v:{id}")
}

pub(super) fn lease_spend(caller: CallerId, lease: LeaseId) -> String {
    format!("{PREFIX}{{{caller}}}:l:{lease}")
}

pub(super) fn bucket(bucket: CallerId) -> String {
    format!("{PREFIX}{{{bucket}}}:g")
}

pub(super) fn lease(id: LeaseId) -> String {
    format!("{PREFIX}{{lease}}:{id}")
}

pub(super) fn job(id: JobId) -> String {
    format!("{PREFIX}{{jobs}}:{id}")
}

pub(super) fn job_ticket(id: JobId) -> String {
    format!("{PREFIX}{{jobs}}:{id}:t")
}

/// The jobs of a caller that have not ended.
pub(super) fn open_jobs(caller: CallerId) -> String {
    format!("{PREFIX}{{jobs}}:q:{caller}")
}

pub(super) fn nonce(nonce: &[u8]) -> String {
    let mut key = String::with_capacity(PREFIX.len() + 2 + 2 * nonce.len());
    key.push_str(PREFIX);
    key.push_str("n:");
    for byte in nonce {
        let _ = write!(key, "{byte:02x}"); // writing to a String cannot fail
    }
    key
}

/// Field of a rate in the caller's limits.
pub(super) fn rate_field(kind: RateKind, account: &Account) -> String {
    let kind = match kind {
        RateKind::Requests => 'q',
        RateKind::Tokens => 't',
    };
    format!("{kind}:{}:{}", payer_word(account.payer), account.provider)
}

/// Field of the day's money in the caller's limits.
pub(super) fn spend_field(account: &Account) -> String {
    format!("c:{}:{}", payer_word(account.payer), account.provider)
}

/// Field of a row in a day's use. The model comes last: it may hold any character.
pub(super) fn row_field(account: &Account, model: &str) -> String {
    format!(
        "{}:{}:{}",
        payer_word(account.payer),
        account.provider,
        model_key(model)
    )
}

/// Field of the row that takes what exceeds the number of rows.
pub(super) fn other_row_field(account: &Account) -> String {
    row_field(account, OTHER)
}

/// Reads `<payer>:<provider>[:<rest>]`.
pub(super) fn parse_field(field: &str) -> Option<(Payer, &str, &str)> {
    let (payer, rest) = field.split_once(':')?;
    let payer = match payer {
        "u" => Payer::User,
        "s" => Payer::Server,
        _ => return None,
    };
    let (provider, rest) = rest.split_once(':').unwrap_or((rest, ""));
    Some((payer, provider, rest))
}

const fn payer_word(payer: Payer) -> &'static str {
    match payer {
        Payer::User => "u",
        Payer::Server => "s",
    }
}

/// The part of the key space `key` is in, of 64: CRC-16/XMODEM of its hash tag, as in the Redis
/// cluster specification, without the low bits. Nodes own ranges of slots, so one node's failure
/// shows as few failing zones.
pub(super) fn zone(key: &str) -> usize {
    let tag = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map(|(tag, _)| tag)
        .filter(|tag| !tag.is_empty())
        .unwrap_or(key);
    usize::from(crc16(tag.as_bytes()) % 16_384 / 256)
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                (crc << 1) ^ 0x1021
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_matches_the_specification() {
        // Redis cluster specification, appendix A.
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }

    #[test]
    fn everything_of_a_caller_is_in_one_zone() {
        let caller = CallerId::new([7; 16]);
        let zones = [
            state(caller),
            usage(caller, 20_000),
            reservation(caller, ReservationId::new([1; 16])),
            lease_spend(caller, LeaseId::new([2; 16])),
        ]
        .map(|key| zone(&key));
        assert_eq!(zones, [zones[0]; 4]);
    }

    #[test]
    fn fields_are_read_back() {
        let account = Account {
            caller: CallerId::new([0; 16]),
            provider: "openai".into(),
            payer: Payer::Server,
        };
        let field = row_field(&account, "ft:gpt-4o:acme::x");
        assert_eq!(
            parse_field(&field),
            Some((Payer::Server, "openai", "ft:gpt-4o:acme::x"))
        );
        let field = spend_field(&account);
        assert_eq!(
            parse_field(field.strip_prefix("c:").unwrap()),
            Some((Payer::Server, "openai", ""))
        );
    }
}
