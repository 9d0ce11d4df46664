//! The verdicts: may this URL be a target, may this socket address be dialled.
//!
//! Both questions are answered from the same [`EgressRules`] and the tables of
//! `address_policy`. A URL is judged when a subscription is made or changed, and again at
//! every attempt; the addresses of a name only when it is dialled, because its answers change.
//!
//! Pure but for one question to the operating system (`local_address`).

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use settings::{Environment, SettingError};
use url::Host;

use crate::local_address::is_local;
use crate::target_url::{self, TargetUrl, UrlRejection};
use crate::{AllowEntry, EgressRules, Nat64Prefix, address_policy};

const SECURE_PORTS: [u16; 2] = [443, 8443];
const PLAIN_PORTS: [u16; 2] = [80, 8080];

/// Suffixes that never lead out: special-use names (RFC 6761, 6762, 7686, 8375, 9476 and the
/// IANA registry), and those that internal networks take although nobody gave them.
const SPECIAL_USE: [&str; 10] = [
    "localhost",
    "local",
    "internal",
    "home.arpa",
    "lan",
    "corp",
    "onion",
    "arpa",
    "invalid",
    "test",
];

/// Decides what may be dialled. Immutable: one per process, shared by an `Arc`.
#[derive(Debug)]
pub struct EgressPolicy {
    networks: Vec<IpNet>,
    hosts: HashSet<String>,
    http: bool,
    ports: Vec<u16>,
    nat64: Vec<Nat64Prefix>,
    own: Vec<SocketAddr>,
}

/// Why an address is not dialled. The text names no address: a name's answers may be
/// internal, and whoever set the target need not learn them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressDenial {
    /// It lies in a block of the tables and in no network of the allow-list.
    #[error("the address is not public ({0})")]
    NotPublic(&'static str),
    /// hooklog itself, its Kafka or its Postgres stands there.
    #[error("the address is one of hooklog's own")]
    Own,
}

/// Where an address came from; only a name's answer may be a translated one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddressSource<'a> {
    /// It is written in the URL.
    Literal,
    /// It is an answer for this name.
    Name(&'a str),
}

impl EgressPolicy {
    /// Makes the policy from rules that are already read.
    pub fn new(rules: EgressRules) -> Self {
        let EgressRules { allow, http, extra_ports, nat64, own } = rules;
        let mut networks = Vec::new();
        let mut hosts = HashSet::new();
        for entry in allow {
            match entry {
                AllowEntry::Network(network) => networks.push(network),
                AllowEntry::Host(host) => _ = hosts.insert(host),
            }
        }
        let plain = PLAIN_PORTS.into_iter().filter(|_| http);
        let ports = SECURE_PORTS.into_iter().chain(plain).chain(extra_ports).collect();
        Self { networks, hosts, http, ports, nat64, own }
    }

    /// Makes the policy from the settings. `own` are the addresses of hooklog's own listeners,
    /// of Kafka and of Postgres, resolved by the caller.
    ///
    /// # Errors
    /// [`SettingError`] naming the first variable that cannot be read.
    pub fn from_settings(env: &Environment, own: Vec<SocketAddr>) -> Result<Self, SettingError> {
        EgressRules::from_settings(env, own).map(Self::new)
    }

    /// Judges a URL and normalises it. Address literals are judged here, names when dialled.
    ///
    /// A normalised URL, judged again, is accepted unchanged.
    ///
    /// # Errors
    /// [`UrlRejection`] with the first rule that is broken.
    pub fn judge_url(&self, raw: &str) -> Result<TargetUrl, UrlRejection> {
        let target = target_url::parse(raw)?;
        self.judge_target(&target)?;
        Ok(target)
    }

    /// Judges a target that may have been accepted under other rules.
    pub(crate) fn judge_target(&self, target: &TargetUrl) -> Result<(), UrlRejection> {
        let port = target.port();
        let Some(host) = target.url().host() else {
            return Err(UrlRejection::Invalid("empty host".to_owned()));
        };
        let allow_listed = match &host {
            Host::Domain(name) => self.hosts.contains(*name),
            Host::Ipv4(ip) => self.allows_network_of(IpAddr::V4(*ip)),
            Host::Ipv6(ip) => self.allows_network_of(IpAddr::V6(*ip)),
        };
        if !allow_listed && !self.http && target.url().scheme() == "http" {
            return Err(UrlRejection::PlainHttp);
        }
        let address = match host {
            Host::Domain(name) => {
                if !allow_listed {
                    judge_name(name)?;
                }
                None
            }
            Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
            Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
        };
        if let Some(ip) = address {
            self.judge_address(SocketAddr::new(ip, port), AddressSource::Literal)
                .map_err(UrlRejection::Address)?;
        }
        // Nothing listens on port 0, and to the resolver it means "not said".
        if port == 0 || (!allow_listed && !self.ports.contains(&port)) {
            return Err(UrlRejection::Port(port));
        }
        Ok(())
    }

    /// Judges the very address that is about to be dialled.
    pub(crate) fn judge_address(
        &self,
        address: SocketAddr,
        source: AddressSource<'_>,
    ) -> Result<(), AddressDenial> {
        let ip = address.ip();
        if let (IpAddr::V6(v6), AddressSource::Name(_)) = (ip, source) {
            let embedded = self.nat64.iter().find_map(|prefix| prefix.embedded(v6));
            if let Some(v4) = embedded {
                return self.judge_address(SocketAddr::new(v4.into(), address.port()), source);
            }
        }
        let by_name = matches!(source, AddressSource::Name(name) if self.hosts.contains(name));
        if !by_name
            && !self.allows_network_of(ip)
            && let Some(block) = address_policy::denied_block(ip)
        {
            return Err(AddressDenial::NotPublic(block));
        }
        if self.is_own(address) { Err(AddressDenial::Own) } else { Ok(()) }
    }

    fn allows_network_of(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&ip))
    }

    /// Whether a connection to the address would reach one of the own ones.
    fn is_own(&self, address: SocketAddr) -> bool {
        // A mapped address reaches the same listener as the plain one.
        let ip = address.ip().to_canonical();
        self.own.iter().filter(|own| own.port() == address.port()).any(|own| {
            let own = own.ip().to_canonical();
            // A connection to the unspecified address reaches the machine itself.
            own == ip || ip.is_unspecified() || (own.is_unspecified() && is_local(ip))
        })
    }
}

/// The rules for a name that the operator did not list.
fn judge_name(name: &str) -> Result<(), UrlRejection> {
    let under = |suffix: &str| {
        name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    if let Some(suffix) = SPECIAL_USE.into_iter().find(|suffix| under(suffix)) {
        return Err(UrlRejection::SpecialUse(suffix));
    }
    if name.contains('.') { Ok(()) } else { Err(UrlRejection::SingleLabel) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use UrlRejection::{Address, PlainHttp, Port, SingleLabel, SpecialUse};
    use proptest::prelude::*;

    fn policy(allow: &[&str], own: &[&str]) -> EgressPolicy {
        EgressPolicy::new(EgressRules {
            allow: allow.iter().map(|entry| entry.parse().unwrap()).collect(),
            own: own.iter().map(|address| address.parse().unwrap()).collect(),
            ..EgressRules::default()
        })
    }

    fn rejection(policy: &EgressPolicy, raw: &str) -> Option<UrlRejection> {
        policy.judge_url(raw).err()
    }

    #[test]
    fn a_target_may_use_https_and_http_on_the_usual_ports() {
        let policy = policy(&[], &[]);
        for raw in [
            "https://example.com/hook",
            "https://example.com:8443/hook",
            "http://example.com/hook",
            "http://example.com:8080/hook",
            "https://8.8.8.8/",
            "https://[2606:4700::1111]/",
        ] {
            assert_eq!(rejection(&policy, raw), None, "{raw}");
        }
        for (raw, port) in [
            ("https://example.com:22/", 22),
            ("http://example.com:9092/", 9092),
            ("https://example.com:0/", 0),
            ("https://example.com:65535/", 65535),
        ] {
            assert_eq!(rejection(&policy, raw), Some(Port(port)), "{raw}");
        }
    }

    #[test]
    fn plain_http_and_its_ports_can_be_switched_off_and_ports_added() {
        let policy = EgressPolicy::new(EgressRules {
            http: false,
            extra_ports: vec![9443],
            allow: vec!["10.0.0.0/8".parse().unwrap(), "build.lan".parse().unwrap()],
            ..EgressRules::default()
        });
        assert_eq!(rejection(&policy, "http://example.com/"), Some(PlainHttp));
        assert_eq!(rejection(&policy, "https://example.com:8080/"), Some(Port(8080)));
        assert_eq!(rejection(&policy, "https://example.com:9443/"), None);
        assert_eq!(rejection(&policy, "http://10.1.2.3:9000/"), None);
        assert_eq!(rejection(&policy, "http://build.lan:9000/"), None);
    }

    #[test]
    fn a_name_needs_a_dot_and_a_suffix_that_leads_out() {
        let policy = policy(&[], &[]);
        assert_eq!(rejection(&policy, "https://intranet/"), Some(SingleLabel));
        for (suffix, raw) in [
            ("localhost", "https://localhost/"),
            ("localhost", "https://a.localhost/"),
            ("localhost", "https://LOCALHOST/"),
            ("localhost", "https://loc%61lhost/"),
            ("localhost", "https://\u{24db}ocalhost/"),
            ("local", "https://printer.local/"),
            ("internal", "https://metadata.google.internal/"),
            ("home.arpa", "https://nas.home.arpa/"),
            ("lan", "https://nas.lan/"),
            ("corp", "https://wiki.corp/"),
            ("onion", "https://abc.onion/"),
            ("arpa", "https://1.0.0.127.in-addr.arpa/"),
            ("invalid", "https://x.invalid/"),
            ("test", "https://x.test/"),
        ] {
            assert_eq!(rejection(&policy, raw), Some(SpecialUse(suffix)), "{raw}");
        }
        for raw in ["https://localhost.example/", "https://shop.mylan/", "https://a.contest/"] {
            assert_eq!(rejection(&policy, raw), None, "{raw}");
        }
    }

    #[test]
    fn a_literal_that_is_not_public_is_rejected_at_creation() {
        let policy = policy(&[], &[]);
        for raw in [
            "https://127.0.0.1/",
            "http://169.254.169.254/latest/meta-data/",
            "https://10.0.0.1/",
            "https://0.0.0.0/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::127.0.0.1]/",
            "https://[64:ff9b::8.8.8.8]/",
            "https://[fd00::1]/",
        ] {
            let rejected = rejection(&policy, raw);
            assert!(matches!(rejected, Some(Address(AddressDenial::NotPublic(_)))), "{raw}");
        }
    }

    #[test]
    fn the_allow_list_opens_its_networks_and_names_and_nothing_else() {
        let policy = policy(&["127.0.0.0/8", "fd00::/8", "localhost", "build.lan"], &[]);
        for raw in [
            "http://127.0.0.1:9999/",
            "https://127.255.255.255/",
            "https://[fd00::1]:1234/",
            "http://localhost:9999/",
            "http://build.lan/",
        ] {
            assert_eq!(rejection(&policy, raw), None, "{raw}");
        }
        assert!(rejection(&policy, "http://128.0.0.1:9999/").is_some());
        assert!(rejection(&policy, "https://10.0.0.1/").is_some());
        assert!(rejection(&policy, "https://[::1]/").is_some());
        assert!(rejection(&policy, "https://[::ffff:127.0.0.1]/").is_some());
        assert!(rejection(&policy, "https://a.localhost/").is_some());
        assert!(rejection(&policy, "https://other.lan/").is_some());
        assert_eq!(rejection(&policy, "https://127.0.0.1:0/"), Some(Port(0)));
    }

    #[test]
    fn own_addresses_are_denied_even_inside_the_allow_list() {
        let policy = policy(&["0.0.0.0/0", "::/0"], &["127.0.0.1:8000", "10.0.0.5:9092"]);
        for raw in [
            "http://127.0.0.1:8000/",
            "http://[::ffff:127.0.0.1]:8000/",
            "http://0.0.0.0:8000/",
            "http://[::]:8000/",
            "http://10.0.0.5:9092/",
        ] {
            assert_eq!(rejection(&policy, raw), Some(Address(AddressDenial::Own)), "{raw}");
        }
        for raw in ["http://127.0.0.1:8001/", "http://127.0.0.2:8000/", "http://10.0.0.6:9092/"] {
            assert_eq!(rejection(&policy, raw), None, "{raw}");
        }
    }

    #[test]
    fn a_listener_on_every_address_is_denied_at_every_address_of_this_machine() {
        for own in ["0.0.0.0:8000", "[::]:8000"] {
            let policy = policy(&["0.0.0.0/0", "::/0"], &[own]);
            for raw in ["http://127.0.0.1:8000/", "http://127.7.7.7:8000/", "http://[::1]:8000/"] {
                assert_eq!(rejection(&policy, raw), Some(Address(AddressDenial::Own)), "{raw}");
            }
            assert_eq!(rejection(&policy, "http://192.0.2.1:8000/"), None);
            assert_eq!(rejection(&policy, "http://127.0.0.1:8001/"), None);
        }
    }

    #[test]
    fn a_translated_address_is_judged_by_what_it_carries_if_it_answers_a_name() {
        let net: ipnet::Ipv6Net = "64:ff9b::/96".parse().unwrap();
        let policy = EgressPolicy::new(EgressRules {
            nat64: vec![net.try_into().unwrap()],
            own: vec!["1.2.3.4:443".parse().unwrap()],
            ..EgressRules::default()
        });
        let judge = |ip: &str, source| {
            policy.judge_address(SocketAddr::new(ip.parse().unwrap(), 443), source)
        };
        let name = AddressSource::Name("example.com");
        assert_eq!(judge("64:ff9b::8.8.8.8", name), Ok(()));
        assert!(judge("64:ff9b::10.0.0.1", name).is_err());
        assert_eq!(judge("64:ff9b::1.2.3.4", name), Err(AddressDenial::Own));
        assert!(judge("64:ff9b::8.8.8.8", AddressSource::Literal).is_err());
        assert!(judge("64:ff9b:1::8.8.8.8", name).is_err());
    }

    #[test]
    fn a_listed_name_may_answer_with_any_address_but_an_own_one() {
        let policy = policy(&["build.lan"], &["10.0.0.5:9092"]);
        let judge = |address: &str, name| {
            policy.judge_address(address.parse().unwrap(), AddressSource::Name(name))
        };
        assert_eq!(judge("10.0.0.5:443", "build.lan"), Ok(()));
        assert_eq!(judge("10.0.0.5:9092", "build.lan"), Err(AddressDenial::Own));
        assert!(judge("10.0.0.5:443", "example.com").is_err());
    }

    #[test]
    fn the_settings_make_a_policy() {
        let pairs = [("HOOKLOG_EGRESS_ALLOW", "127.0.0.0/8")];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let env = Environment::from_pairs(pairs).unwrap();
        let own = vec!["127.0.0.1:8000".parse().unwrap()];
        let policy = EgressPolicy::from_settings(&env, own).unwrap();
        assert_eq!(rejection(&policy, "http://127.0.0.1:9999/"), None);
        assert!(rejection(&policy, "http://127.0.0.1:8000/").is_some());
        assert!(rejection(&policy, "http://10.0.0.1/").is_some());
    }

    /// URL-like text: every piece of the grammar, often in the wrong place.
    fn urlish() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            4 => "[a-z0-9.]{1,8}",
            2 => prop::sample::select(vec![
                "https", "http", "://", ":", "/", "//", "?", "#", "@", "\\", "..", "%2e", "%31",
                "0x7f", "127.1", "[::1]", "[", "]", "xn--", "localhost", ":443", "&", "=", " ",
            ]).prop_map(str::to_owned),
            1 => any::<char>().prop_map(String::from),
        ];
        (any::<bool>(), prop::collection::vec(piece, 0..12)).prop_map(|(prefix, pieces)| {
            format!("{}{}", if prefix { "https://" } else { "" }, pieces.concat())
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn judging_never_panics_and_a_normalised_url_stays_as_it_is(raw in urlish()) {
            for policy in [policy(&[], &[]), policy(&["0.0.0.0/0", "::/0"], &["[::]:443"])] {
                if let Ok(target) = policy.judge_url(&raw) {
                    prop_assert_eq!(policy.judge_url(target.as_str()), Ok(target.clone()));
                    prop_assert!(target.as_str().len() <= target_url::MAX_URL_BYTES);
                }
            }
        }

        #[test]
        fn every_literal_is_accepted_only_if_its_address_is_public(bits: u32, v6: u128) {
            let policy = policy(&[], &[]);
            let v4 = IpAddr::V4(bits.into());
            let accepted = policy.judge_url(&format!("https://{v4}/")).is_ok();
            prop_assert_eq!(accepted, address_policy::denied_block(v4).is_none());
            let ip = std::net::Ipv6Addr::from_bits(v6);
            let accepted = policy.judge_url(&format!("https://[{ip}]/")).is_ok();
            prop_assert_eq!(accepted, address_policy::denied_block(ip.into()).is_none());
        }
    }
}
