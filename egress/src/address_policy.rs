//! Which addresses are public: the tables of SECURITY.md, section 1.
//!
//! IPv4 is allowed unless a block denies it; IPv6 is denied unless it is global unicast, and
//! then some blocks of that are denied. The second form needs no case for IPv4-mapped,
//! IPv4-compatible, SIIT, link-local ISATAP and NAT64 addresses: they all lie outside
//! 2000::/3. Sources: the IANA special-purpose address registries (RFC 6890) for each block.
//!
//! Pure. It deliberately knows no allow-list: that is the operator's, in `policy`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

struct Block<Net> {
    net: Net,
    what: &'static str,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8, what: &'static str) -> Block<Ipv4Net> {
    Block { net: Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix), what }
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8, what: &'static str) -> Block<Ipv6Net> {
    Block { net: Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix), what }
}

const DENIED_IPV4: [Block<Ipv4Net>; 19] = [
    v4(0, 0, 0, 0, 8, "this network, RFC 791"),
    v4(10, 0, 0, 0, 8, "private use, RFC 1918"),
    v4(100, 64, 0, 0, 10, "shared address space, RFC 6598"),
    v4(127, 0, 0, 0, 8, "loopback, RFC 1122"),
    v4(169, 254, 0, 0, 16, "link-local and cloud metadata, RFC 3927"),
    v4(172, 16, 0, 0, 12, "private use, RFC 1918"),
    v4(192, 0, 0, 0, 24, "protocol assignments, RFC 6890"),
    v4(192, 0, 2, 0, 24, "documentation, RFC 5737"),
    v4(192, 31, 196, 0, 24, "AS112, RFC 7535"),
    v4(192, 52, 193, 0, 24, "AMT relays, RFC 7450"),
    v4(192, 88, 99, 0, 24, "6to4 relays, RFC 7526"),
    v4(192, 168, 0, 0, 16, "private use, RFC 1918"),
    v4(192, 175, 48, 0, 24, "AS112, RFC 7534"),
    v4(198, 18, 0, 0, 15, "benchmarking, RFC 2544"),
    v4(198, 51, 100, 0, 24, "documentation, RFC 5737"),
    v4(203, 0, 113, 0, 24, "documentation, RFC 5737"),
    v4(224, 0, 0, 0, 4, "multicast, RFC 5771"),
    v4(240, 0, 0, 0, 4, "reserved and broadcast, RFC 1112"),
    v4(168, 63, 129, 16, 32, "Azure's platform services"),
];

const GLOBAL_UNICAST: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

const DENIED_IPV6: [Block<Ipv6Net>; 6] = [
    v6(0x2001, 0, 0, 23, "protocol assignments and Teredo, RFC 2928"),
    v6(0x2001, 0xdb8, 0, 32, "documentation, RFC 3849"),
    v6(0x2002, 0, 0, 16, "6to4, RFC 3056"),
    v6(0x2620, 0x4f, 0x8000, 48, "AS112, RFC 7534"),
    v6(0x3ffe, 0, 0, 16, "the former 6bone, RFC 3701"),
    v6(0x3fff, 0, 0, 20, "documentation, RFC 9637"),
];

/// Says which block of the tables denies an address, or nothing if it is public.
pub(crate) fn denied_block(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => DENIED_IPV4.iter().find(|block| block.net.contains(&ip)).map(|b| b.what),
        IpAddr::V6(ip) if !GLOBAL_UNICAST.contains(&ip) => Some("not global unicast, RFC 4291"),
        IpAddr::V6(ip) => DENIED_IPV6.iter().find(|block| block.net.contains(&ip)).map(|b| b.what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(ip: &str) -> bool {
        denied_block(ip.parse().unwrap()).is_none()
    }

    type Neighbours = &'static [(&'static str, bool)];

    /// Each block of the contract: first, last, the address before and the one after it, and
    /// whether those two are public. Written out rather than computed, so that a wrong prefix
    /// length in the table cannot also be wrong here.
    const BLOCKS: &[(&str, &str, Neighbours)] = &[
        ("0.0.0.0", "0.255.255.255", &[("1.0.0.0", true)]),
        ("10.0.0.0", "10.255.255.255", &[("9.255.255.255", true), ("11.0.0.0", true)]),
        ("100.64.0.0", "100.127.255.255", &[("100.63.255.255", true), ("100.128.0.0", true)]),
        ("127.0.0.0", "127.255.255.255", &[("126.255.255.255", true), ("128.0.0.0", true)]),
        ("169.254.0.0", "169.254.255.255", &[("169.253.255.255", true), ("169.255.0.0", true)]),
        ("172.16.0.0", "172.31.255.255", &[("172.15.255.255", true), ("172.32.0.0", true)]),
        ("192.0.0.0", "192.0.0.255", &[("191.255.255.255", true), ("192.0.1.0", true)]),
        ("192.0.2.0", "192.0.2.255", &[("192.0.1.255", true), ("192.0.3.0", true)]),
        ("192.31.196.0", "192.31.196.255", &[("192.31.195.255", true), ("192.31.197.0", true)]),
        ("192.52.193.0", "192.52.193.255", &[("192.52.192.255", true), ("192.52.194.0", true)]),
        ("192.88.99.0", "192.88.99.255", &[("192.88.98.255", true), ("192.88.100.0", true)]),
        ("192.168.0.0", "192.168.255.255", &[("192.167.255.255", true), ("192.169.0.0", true)]),
        ("192.175.48.0", "192.175.48.255", &[("192.175.47.255", true), ("192.175.49.0", true)]),
        ("198.18.0.0", "198.19.255.255", &[("198.17.255.255", true), ("198.20.0.0", true)]),
        ("198.51.100.0", "198.51.100.255", &[("198.51.99.255", true), ("198.51.101.0", true)]),
        ("203.0.113.0", "203.0.113.255", &[("203.0.112.255", true), ("203.0.114.0", true)]),
        ("224.0.0.0", "239.255.255.255", &[("223.255.255.255", true), ("240.0.0.0", false)]),
        ("240.0.0.0", "255.255.255.255", &[("239.255.255.255", false)]),
        ("168.63.129.16", "168.63.129.16", &[("168.63.129.15", true), ("168.63.129.17", true)]),
        ("::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &[("2000::", true)]),
        (
            "4000::",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            &[("3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true)],
        ),
        (
            "2001::",
            "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
            &[("2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true), ("2001:200::", true)],
        ),
        (
            "2001:db8::",
            "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
            &[("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", true), ("2001:db9::", true)],
        ),
        (
            "2002::",
            "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            &[("2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true), ("2003::", true)],
        ),
        (
            "2620:4f:8000::",
            "2620:4f:8000:ffff:ffff:ffff:ffff:ffff",
            &[("2620:4f:7fff:ffff:ffff:ffff:ffff:ffff", true), ("2620:4f:8001::", true)],
        ),
        (
            "3ffe::",
            "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            &[("3ffd:ffff:ffff:ffff:ffff:ffff:ffff:ffff", true), ("3fff::", false)],
        ),
        (
            "3fff::",
            "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
            &[("3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false), ("3fff:1000::", true)],
        ),
    ];

    #[test]
    fn every_special_block_is_denied_from_its_first_to_its_last_address_and_no_further() {
        for (first, last, neighbours) in BLOCKS {
            assert!(!public(first), "{first} is the first of its block");
            assert!(!public(last), "{last} is the last of its block");
            for (neighbour, expected) in *neighbours {
                assert_eq!(public(neighbour), *expected, "{neighbour}, next to {first}");
            }
        }
        assert_eq!(DENIED_IPV4.len() + DENIED_IPV6.len() + 2, BLOCKS.len());
    }

    #[test]
    fn ipv6_forms_that_carry_an_ipv4_address_are_denied_whatever_they_carry() {
        for (form, address) in [
            ("mapped loopback", "::ffff:127.0.0.1"),
            ("mapped public", "::ffff:8.8.8.8"),
            ("compatible", "::127.0.0.1"),
            ("SIIT", "::ffff:0:10.0.0.1"),
            ("NAT64", "64:ff9b::10.0.0.1"),
            ("NAT64 public", "64:ff9b::8.8.8.8"),
            ("local NAT64", "64:ff9b:1::10.0.0.1"),
            ("6to4", "2002:7f00:1::"),
            ("Teredo", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
            ("link-local ISATAP", "fe80::5efe:10.0.0.1"),
        ] {
            assert!(!public(address), "{form}: {address}");
        }
    }

    #[test]
    fn well_known_local_ipv6_addresses_are_denied() {
        for address in ["::", "::1", "100::1", "fc00::1", "fd00:ec2::254", "fe80::1", "ff02::1"] {
            assert!(!public(address), "{address}");
        }
    }

    #[test]
    fn public_addresses_are_allowed() {
        for address in ["1.1.1.1", "8.8.8.8", "93.184.215.14", "2606:4700::1111", "2a00:1450::1"] {
            assert!(public(address), "{address}");
        }
    }
}
