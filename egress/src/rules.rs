//! What the operator adds to the fixed rules: an allow-list, ports, plain http, NAT64, and
//! the addresses that hooklog itself stands on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv6Net};
use settings::{Environment, SettingError};
use url::Host;

/// The operator's part of the egress policy. Never set through the API.
#[derive(Debug, Clone)]
pub struct EgressRules {
    /// Targets that are reached although the tables deny them, over any port and with plain
    /// http. Default none; `HOOKLOG_EGRESS_ALLOW`.
    pub allow: Vec<AllowEntry>,
    /// Whether plain http, and with it the ports 80 and 8080, may be used by other targets.
    /// Default true; `HOOKLOG_EGRESS_HTTP`.
    pub http: bool,
    /// Ports beside 443, 8443 and those of plain http. Default none; `HOOKLOG_EGRESS_PORTS`.
    pub extra_ports: Vec<u16>,
    /// NAT64 prefixes of the network, for names whose only IPv6 addresses are translated ones.
    /// Default none; not a setting yet.
    pub nat64: Vec<Nat64Prefix>,
    /// Where hooklog's own listeners, Kafka and Postgres stand: denied even inside the
    /// allow-list. An unspecified address stands for every address of this machine.
    pub own: Vec<SocketAddr>,
}

impl Default for EgressRules {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            http: true,
            extra_ports: Vec::new(),
            nat64: Vec::new(),
            own: Vec::new(),
        }
    }
}

impl EgressRules {
    /// Reads the settings; `own` comes from the process that knows its listeners and stores.
    ///
    /// # Errors
    /// [`SettingError`] naming the first variable that cannot be read.
    pub fn from_settings(env: &Environment, own: Vec<SocketAddr>) -> Result<Self, SettingError> {
        const ALLOW: &str = "HOOKLOG_EGRESS_ALLOW";
        const PORTS: &str = "HOOKLOG_EGRESS_PORTS";
        let allow: Result<Vec<AllowEntry>, _> =
            env.list(ALLOW).into_iter().map(str::parse).collect();
        let ports: Option<Vec<u16>> = env
            .list(PORTS)
            .into_iter()
            .map(|port| port.parse().ok().filter(|port| *port != 0))
            .collect();
        Ok(Self {
            allow: allow
                .map_err(|_| env.invalid(ALLOW, "CIDRs, addresses or host names without a port"))?,
            http: env.flag("HOOKLOG_EGRESS_HTTP")?,
            extra_ports: ports.ok_or_else(|| env.invalid(PORTS, "port numbers from 1 to 65535"))?,
            own,
            ..Self::default()
        })
    }
}

/// One entry of the allow-list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowEntry {
    /// Every address in a network, as a literal or as a name's answer.
    Network(IpNet),
    /// Exactly this name, normalised, whatever it resolves to.
    Host(String),
}

/// A text that is neither a network nor a host name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("neither a CIDR, an address nor a host name")]
pub struct AllowEntryError;

impl FromStr for AllowEntry {
    type Err = AllowEntryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(Self::Network(network.trunc()));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Network(address.into()));
        }
        match Host::parse(text) {
            // `[::1]`, as it stands in a URL.
            Ok(Host::Ipv6(address)) => Ok(Self::Network(IpAddr::V6(address).into())),
            Ok(Host::Domain(name)) if !name.split('.').any(str::is_empty) => Ok(Self::Host(name)),
            // An IPv4 address in any other notation is more likely a slip than meant.
            _ => Err(AllowEntryError),
        }
    }
}

/// A prefix under which the network's NAT64 embeds IPv4 addresses (RFC 6052, section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nat64Prefix(Ipv6Net);

/// A prefix that no NAT64 can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a NAT64 prefix has 32, 40, 48, 56, 64 or 96 bits")]
pub struct Nat64PrefixError;

impl TryFrom<Ipv6Net> for Nat64Prefix {
    type Error = Nat64PrefixError;

    fn try_from(net: Ipv6Net) -> Result<Self, Self::Error> {
        match net.prefix_len() {
            32 | 40 | 48 | 56 | 64 | 96 => Ok(Self(net.trunc())),
            _ => Err(Nat64PrefixError),
        }
    }
}

impl Nat64Prefix {
    /// The IPv4 address that is embedded in this one, if it lies under the prefix.
    pub(crate) fn embedded(self, ip: Ipv6Addr) -> Option<Ipv4Addr> {
        if !self.0.contains(&ip) {
            return None;
        }
        let first = usize::from(self.0.prefix_len() / 8);
        // Octet 8 is never part of the address: bits 64 to 71 are zero in all these forms.
        let mut octets = ip.octets().into_iter().enumerate().skip(first).filter(|(at, _)| *at != 8);
        let mut next = || octets.next().map(|(_, octet)| octet);
        Some(Ipv4Addr::new(next()?, next()?, next()?, next()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(pairs: &[(&str, &str)]) -> Result<EgressRules, SettingError> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        EgressRules::from_settings(&Environment::from_pairs(pairs).unwrap(), vec![])
    }

    #[test]
    fn the_defaults_allow_nothing_special_and_plain_http() {
        let rules = given(&[]).unwrap();
        assert!(rules.allow.is_empty() && rules.extra_ports.is_empty() && rules.http);
    }

    #[test]
    fn the_allow_list_takes_networks_addresses_and_names() {
        let rules = given(&[
            ("HOOKLOG_EGRESS_ALLOW", "10.1.2.3/8, 127.0.0.1, ::1, [fd00::1], Build.LAN, localhost"),
            ("HOOKLOG_EGRESS_HTTP", "false"),
            ("HOOKLOG_EGRESS_PORTS", "9443, 10443"),
        ])
        .unwrap();
        let network = |text: &str| AllowEntry::Network(text.parse().unwrap());
        assert_eq!(
            rules.allow,
            [
                network("10.0.0.0/8"),
                network("127.0.0.1/32"),
                network("::1/128"),
                network("fd00::1/128"),
                AllowEntry::Host("build.lan".into()),
                AllowEntry::Host("localhost".into()),
            ]
        );
        assert!(!rules.http);
        assert_eq!(rules.extra_ports, [9443, 10443]);
    }

    #[test]
    fn a_setting_that_cannot_be_read_is_named() {
        for (name, value) in [
            ("HOOKLOG_EGRESS_ALLOW", "10.0.0.0/33"),
            ("HOOKLOG_EGRESS_ALLOW", "localhost:9000"),
            ("HOOKLOG_EGRESS_ALLOW", "http://localhost"),
            ("HOOKLOG_EGRESS_ALLOW", "127.1"),
            ("HOOKLOG_EGRESS_ALLOW", "example.com."),
            ("HOOKLOG_EGRESS_HTTP", "yes"),
            ("HOOKLOG_EGRESS_PORTS", "0"),
            ("HOOKLOG_EGRESS_PORTS", "65536"),
            ("HOOKLOG_EGRESS_PORTS", "443-500"),
        ] {
            let said = given(&[(name, value)]).unwrap_err().to_string();
            assert!(said.starts_with(name), "{value}: {said}");
        }
    }

    /// RFC 6052, section 2.4.
    #[test]
    fn the_address_embedded_by_a_nat64_is_found_for_every_prefix_length() {
        for (prefix, address) in [
            ("2001:db8::/32", "2001:db8:c000:221::"),
            ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
            ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
            ("64:ff9b::/96", "64:ff9b::192.0.2.33"),
        ] {
            let prefix = Nat64Prefix::try_from(prefix.parse::<Ipv6Net>().unwrap()).unwrap();
            let embedded = prefix.embedded(address.parse().unwrap());
            assert_eq!(embedded, Some(Ipv4Addr::new(192, 0, 2, 33)), "{address}");
            assert_eq!(prefix.embedded("2606:4700::1".parse().unwrap()), None);
        }
        let other: Ipv6Net = "64:ff9b::/95".parse().unwrap();
        assert_eq!(Nat64Prefix::try_from(other), Err(Nat64PrefixError));
    }
}
