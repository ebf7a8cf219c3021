//! Who is counted, under a name that gives nothing away.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use keyferry_protocol::Payer;
use sha2::Sha256;

use crate::secret::Secret;
use crate::store::CallerId;

/// What a request says about who sent it.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// `iss ‖ sub` of a verified app token.
    pub subject: Option<&'a str>,
    /// Its claim `plan`.
    pub plan: Option<&'a str>,
    /// The user's key, when the request brought one.
    pub key: Option<&'a Secret>,
    /// The client's address, proxies taken off.
    pub address: IpAddr,
}

/// One caller, as the limits see it.
#[derive(Clone, Debug)]
pub struct Caller {
    pub(super) id: CallerId,
    /// A key that may never have worked: counted for good only after its first success.
    pub(super) provisional: bool,
    /// Where it calls from: failures of keys that never worked count there.
    pub(super) address: IpAddr,
    pub(super) plan: Option<Arc<str>>,
}

impl Caller {
    /// The caller a lease was made by, whoever presents it.
    #[must_use]
    pub fn of_lease(
        id: CallerId,
        provisional: bool,
        address: IpAddr,
        plan: Option<Arc<str>>,
    ) -> Self {
        Self {
            id,
            provisional,
            address,
            plan,
        }
    }

    /// True for a key that may never have worked.
    #[must_use]
    pub fn is_provisional(&self) -> bool {
        self.provisional
    }

    /// Its name in the store.
    #[must_use]
    pub fn id(&self) -> CallerId {
        self.id
    }
}

/// Makes the names. They are keyed hashes: whoever reads Redis can neither tell a key, subject or
/// address from its name nor test a guess.
#[derive(Clone)]
pub struct Pseudonyms {
    keyed: Hmac<Sha256>,
}

impl Pseudonyms {
    /// Names under `secret`, the server's current one. All instances that share state share it;
    /// when it is rotated, everybody is counted anew.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        // A key of its own, so that no other use of the server's secret can make a name.
        let own = Self::keyed(secret)
            .chain_update(b"keyferry pseudonyms 1")
            .finalize();
        Self {
            keyed: Self::keyed(&own.into_bytes()),
        }
    }

    /// HMAC (RFC 2104) over a hashed key when it is longer than a block, as the RFC wants it.
    fn keyed(key: &[u8]) -> Hmac<Sha256> {
        use sha2::Digest as _;

        let mut block = [0; 64];
        let hashed;
        let key = if key.len() > block.len() {
            hashed = Sha256::digest(key);
            hashed.as_slice()
        } else {
            key
        };
        for (to, from) in block.iter_mut().zip(key) {
            *to = *from;
        }
        Hmac::new(&block.into())
    }

    fn name(&self, kind: &[u8; 4], value: &[u8]) -> CallerId {
        let tag = self
            .keyed
            .clone()
            .chain_update(kind)
            .chain_update(value)
            .finalize()
            .into_bytes();
        let mut id = [0; 16];
        for (to, from) in id.iter_mut().zip(tag) {
            *to = from;
        }
        CallerId::new(id)
    }

    /// The caller of a request whose cost `payer` bears.
    ///
    /// A proven subject is one caller whoever pays. Without one, use of the user's own key counts
    /// for that key; use of the server's key counts for the client's address, since keys that
    /// nobody checks can be made up without end.
    #[must_use]
    pub fn caller(&self, who: &Who<'_>, payer: Payer) -> Caller {
        let (id, provisional) = match (who.subject, who.key, payer) {
            (Some(subject), ..) => (self.name(b"subj", subject.as_bytes()), false),
            (None, Some(key), Payer::User) => (self.key(key), true),
            _ => (self.name(b"addr", &network(who.address)), false),
        };
        Caller {
            id,
            provisional,
            address: who.address,
            plan: who.plan.map(Arc::from),
        }
    }

    /// The name of a key.
    #[must_use]
    pub fn key(&self, key: &Secret) -> CallerId {
        // Exposed to be hashed.
        self.name(b"key:", key.expose())
    }

    /// Counts the failures that come from an address.
    pub(super) fn address(&self, address: IpAddr) -> CallerId {
        self.name(b"fail", &network(address))
    }

    /// Counts the leases a caller makes. Without a proven subject it is the address that is
    /// counted: keys can be made up without end.
    pub(super) fn lease_making(&self, who: &Who<'_>) -> CallerId {
        match who.subject {
            Some(subject) => self.name(b"lse:", subject.as_bytes()),
            None => self.name(b"lsea", &network(who.address)),
        }
    }

    /// Counts the key tests of a caller.
    pub(super) fn key_tests(&self, who: &Who<'_>) -> CallerId {
        match who.subject {
            Some(subject) => self.name(b"tst:", subject.as_bytes()),
            None => self.name(b"tsta", &network(who.address)),
        }
    }
}

/// What one client controls: an IPv4 address, or the /64 a site is given of IPv6 (RFC 6177).
fn network(address: IpAddr) -> [u8; 16] {
    let mut octets = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
    .octets();
    let mapped = Ipv6Addr::from(octets).to_ipv4_mapped().is_some();
    if !mapped {
        octets.iter_mut().skip(8).for_each(|octet| *octet = 0);
    }
    octets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(subject: Option<&'static str>, key: Option<&'static Secret>) -> Who<'static> {
        Who {
            subject,
            plan: None,
            key,
            address: IpAddr::from([10, 0, 0, 1]),
        }
    }

    fn secret(text: &str) -> &'static Secret {
        Box::leak(Box::new(Secret::new(text.as_bytes().to_vec())))
    }

    #[test]
    fn a_subject_is_one_caller_whatever_it_sends() {
        let names = Pseudonyms::new(&[1; 32]);
        let first = names.caller(&who(Some("a"), Some(secret("sk-1"))), Payer::User);
        let second = names.caller(&who(Some("a"), None), Payer::Server);
        assert_eq!(first.id, second.id);
        assert!(!first.provisional);
        assert_ne!(
            first.id,
            names.caller(&who(Some("b"), None), Payer::Server).id
        );
    }

    #[test]
    fn an_unproven_key_never_opens_the_servers_purse() {
        let names = Pseudonyms::new(&[1; 32]);
        let first = names.caller(&who(None, Some(secret("sk-1"))), Payer::Server);
        let second = names.caller(&who(None, Some(secret("sk-2"))), Payer::Server);
        assert_eq!(first.id, second.id);
        let own = names.caller(&who(None, Some(secret("sk-1"))), Payer::User);
        let other = names.caller(&who(None, Some(secret("sk-2"))), Payer::User);
        assert_ne!(own.id, other.id);
        assert!(own.provisional);
    }

    #[test]
    fn names_depend_on_the_secret_and_hold_nothing() {
        let key = secret("sk-canary-0123456789");
        let (one, two) = (
            Pseudonyms::new(&[1; 32]).key(key),
            Pseudonyms::new(&[2; 32]).key(key),
        );
        assert_ne!(one, two);
        assert!(!one.to_string().contains("canary"));
    }

    #[test]
    fn one_site_is_one_network() {
        let v6 = |text: &str| network(text.parse().unwrap());
        assert_eq!(v6("2001:db8::1"), v6("2001:db8::ffff:1"));
        assert_ne!(v6("2001:db8::1"), v6("2001:db8:0:1::1"));
        assert_eq!(v6("10.0.0.1"), v6("::ffff:10.0.0.1"));
        assert_ne!(v6("10.0.0.1"), v6("10.0.0.2"));
    }

    #[test]
    fn keys_beyond_a_block_are_hashed() {
        let long = Pseudonyms::keyed(&[7; 65]).finalize().into_bytes();
        let expected: [u8; 32] = {
            use sha2::Digest as _;
            Pseudonyms::keyed(&Sha256::digest([7; 65]))
                .finalize()
                .into_bytes()
                .into()
        };
        assert_eq!(<[u8; 32]>::from(long), expected);
    }
}
