//! Hosts: their one spelling, which of them are near, and what a pattern reaches.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use policies::Wildcard;

/// The longest name of a host. RFC 1035, section 2.3.4.
const MAX_HOST: usize = 253;

/// The one spelling of a host: lower case, without brackets and trailing dots, and addresses as RFC 5952 writes them,
/// an IPv4 address always as one. `None` for what cannot be a host.
///
/// Only an address that means something else on each link has a zone (RFC 4007, section 11), of a few plain characters.
pub(crate) fn canonical_host(host: &str) -> Option<String> {
    let host = host.trim().to_ascii_lowercase();
    let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&host);
    let host = host.trim_end_matches('.');
    if host.is_empty() || host.len() > MAX_HOST {
        return None;
    }
    if let Some((address, zone)) = host.split_once('%') {
        let address: Ipv6Addr = address.parse().ok()?;
        let is_zone = !zone.is_empty() && zone.bytes().all(is_plain);
        return (is_zone && address.is_unicast_link_local()).then(|| format!("{address}%{zone}"));
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(address.to_canonical().to_string());
    }
    let is_name = host.bytes().all(is_plain) && !host.contains("..");
    is_name.then(|| host.to_owned())
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

/// Whether it names this machine or its network: `localhost`, or an address that is not public. Names that lead
/// there are for the proxy to find.
pub(crate) fn is_local(host: &str) -> bool {
    if host == "localhost" || host.ends_with(".localhost") {
        return true;
    }
    match host.split('%').next().unwrap_or(host).parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => is_local_v4(address),
        Ok(IpAddr::V6(address)) => is_local_v6(address),
        // Forms of addresses that only some resolvers know, such as `127.1` or `0x7f000001`.
        Err(_) => {
            let last = host.rsplit('.').next().unwrap_or(host);
            last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x")
        }
    }
}

fn is_local_v6(address: Ipv6Addr) -> bool {
    let [first, second, third, ..] = address.segments();
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        // Site-local, of old: RFC 3879.
        || (first & 0xffc0) == 0xfec0
        // NAT64 of one's own network: RFC 8215.
        || (first, second, third) == (0x64, 0xff9b, 1)
        || inner_v4(address).is_some_and(is_local_v4)
}

/// The IPv4 address that an IPv6 address leads to: IPv4-mapped and -compatible (RFC 4291, 2.5.5), translated
/// (RFC 2765), NAT64 (RFC 6052), and 6to4 (RFC 3056).
fn inner_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let of = |high: u16, low: u16| Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, _] => None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(of(high, low)),
        _ => None,
    }
}

fn is_local_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation()
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19))
        || a >= 240
}

/// Whether a pattern is about this host, which is canonical.
///
/// `*.` at the beginning stands for any names in front, `**.` for these or none, `*` alone for every host; any other
/// label is matched by itself, in which `*` is any run of characters and `?` is one.
pub(crate) fn could_match(pattern: &str, host: &str) -> bool {
    let pattern = without_port(pattern.trim());
    if let Some(pattern) = canonical_host(pattern) {
        return pattern == host;
    }
    let pattern = pattern.trim_end_matches('.').to_ascii_lowercase();
    if pattern == "*" || pattern == "**" {
        return true;
    }
    let (parent, more) = match (pattern.strip_prefix("**."), pattern.strip_prefix("*.")) {
        (Some(parent), _) => (parent, 0..=usize::MAX),
        (None, Some(parent)) => (parent, 1..=usize::MAX),
        (None, None) => (pattern.as_str(), 0..=0),
    };
    let (pattern, labels) = (parent.rsplit('.'), host.rsplit('.'));
    let in_front = labels.clone().count().checked_sub(pattern.clone().count());
    in_front.is_some_and(|in_front| more.contains(&in_front))
        && pattern.zip(labels).all(|(pattern, label)| Wildcard::new(pattern).is_match(label))
}

/// A port in a pattern says nothing.
fn without_port(pattern: &str) -> &str {
    match (pattern.rsplit_once("]:"), pattern.split_once(':')) {
        (Some((address, _)), _) => address.strip_prefix('[').unwrap_or(address),
        (None, Some((name, port))) if !port.contains(':') => name,
        (None, Some(_) | None) => pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_one_spelling() {
        for (text, expect) in [
            ("Example.COM.", Some("example.com")),
            ("[::1]", Some("::1")),
            ("2606:4700:0:0:0:0:0:1111", Some("2606:4700::1111")),
            ("2606:4700:0::1111", Some("2606:4700::1111")),
            ("::ffff:1.1.1.1", Some("1.1.1.1")),
            ("[::FFFF:101:101]", Some("1.1.1.1")),
            ("1.1.1.1.", Some("1.1.1.1")),
            ("fe80::1%eth0", Some("fe80::1%eth0")),
            ("FE80:0::1%en-0.1", Some("fe80::1%en-0.1")),
            ("a_b.example", Some("a_b.example")),
            ("fe80::1%", None),
            ("fe80::1%a b", None),
            ("fe80::1%\u{1b}[2J", None),
            ("fe80::1%a\nb", None),
            ("fe80::1%a%b", None),
            ("2606:4700::1111%eth0", None),
            ("1.1.1.1%eth0", None),
            ("", None),
            (".", None),
            ("a b", None),
            ("a/b", None),
            ("a@b", None),
            ("a\nb", None),
            ("a..b", None),
            ("bücher.example", None),
        ] {
            assert_eq!(canonical_host(text).as_deref(), expect, "{text:?}");
        }
        assert_eq!(canonical_host(&"a".repeat(254)), None);
    }

    #[test]
    fn addresses_that_are_not_public_are_local() {
        for host in [
            "localhost",
            "x.localhost",
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.1.1",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fe80::1%eth0",
            "fec0::1",
            "fd00::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
            "127.1",
            "0x7f000001",
            "2130706433",
            "0177.0.0.1",
        ] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "example.com",
            "1.1.1.1",
            "2606:4700::1111",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
            "::ffff:0:1.1.1.1",
            "100.128.0.1",
            "a1.example",
            "localhost.example",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }

    #[test]
    fn patterns_of_denials_reach_what_they_say() {
        for (pattern, host, expect) in [
            ("a.example", "a.example", true),
            ("A.Example.", "a.example", true),
            ("a.example:8080", "a.example", true),
            ("a.example", "b.a.example", false),
            ("*.example", "a.b.example", true),
            ("*.example", "example", false),
            ("*.example", "aexample", false),
            ("**.example", "example", true),
            ("**.example", "a.example", true),
            ("region*.x.test", "region1.x.test", true),
            ("region*.x.test", "xregion1.x.test", false),
            ("region*.x.test", "region1.a.x.test", false),
            ("*.evil*.test", "a.evil1.test", true),
            ("*.evil*.test", "x.a.evil1.test", true),
            ("*.evil*.test", "evil1.test", false),
            ("**.w*.test", "w1.test", true),
            ("**.w*.test", "a.w1.test", true),
            ("**.w*.test", "a.x1.test", false),
            ("a.*.test", "a.b.test", true),
            ("a.*.test", "a.b.c.test", false),
            ("[2606:4700::2222]", "2606:4700::2222", true),
            ("[2606:4700::2222]:443", "2606:4700::2222", true),
            ("2606:4700:0::2222", "2606:4700::2222", true),
            ("::ffff:1.1.1.1", "1.1.1.1", true),
            ("10.*.*.*", "10.1.2.3", true),
            ("*", "a.b", true),
        ] {
            assert_eq!(could_match(pattern, host), expect, "{pattern} {host}");
        }
    }
}
