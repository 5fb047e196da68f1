//! The proxy that the environment names, with curl's names and rules.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use ureq::ProxyProtocol;

use super::error::{Fault, FaultKind};
use super::url::Url;

/// A proxy to connect through.
pub(super) struct Proxy {
    pub(super) setting: ureq::Proxy,
    /// Whether the connection to the proxy itself is encrypted.
    pub(super) is_https: bool,
    /// The proxy's address without its credentials.
    pub(super) shown: String,
}

/// The proxy for requests to `url`: the scheme's variable in lower or upper case, then `ALL_PROXY`; none for the hosts
/// that `NO_PROXY` lists. `HTTP_PROXY` in upper case is not read, because a web server can set it from a request's
/// `Proxy` header (CVE-2016-5385).
pub(super) fn for_url(url: &Url) -> Result<Option<Proxy>, Fault> {
    let names: &[&str] = if url.is_https() {
        &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    } else {
        &["http_proxy", "all_proxy", "ALL_PROXY"]
    };
    let Some((name, value)) = first(names)? else { return Ok(None) };
    if let Some((_, list)) = first(&["no_proxy", "NO_PROXY"])?
        && is_listed(&list, url.host())
    {
        return Ok(None);
    }
    parse(&value).map(Some).map_err(|why| unusable(name, &why))
}

/// The first of these variables that is set and not empty.
fn first(names: &[&'static str]) -> Result<Option<(&'static str, String)>, Fault> {
    for name in names {
        let Some(value) = std::env::var_os(name) else { continue };
        // A setting that cannot be read must not mean a direct connection.
        let value = value.into_string().map_err(|_| unusable(name, "is not valid UTF-8"))?;
        if !value.trim().is_empty() {
            return Ok(Some((name, value.trim().to_owned())));
        }
    }
    Ok(None)
}

fn unusable(name: &str, why: &str) -> Fault {
    let hint = if name.eq_ignore_ascii_case("no_proxy") {
        "it must be a list of hosts such as localhost,.corp.example,10.0.0.0/8"
    } else {
        "it must be http://HOST:PORT or http://USER:PASSWORD@HOST:PORT"
    };
    Fault::unsent(FaultKind::Proxy, format!("the proxy setting {name} {why}"), hint)
}

/// Reads a proxy URL. As with curl, user and password may hold characters that a URL must escape (`DOMAIN\user`). The
/// error does not repeat the value, which may hold a password.
fn parse(value: &str) -> Result<Proxy, String> {
    let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
    let protocol = match scheme.to_ascii_lowercase().as_str() {
        "http" => ProxyProtocol::Http,
        "https" => ProxyProtocol::Https,
        // What stands before `://` may belong to a password.
        other if other.chars().all(|c| c.is_ascii_alphanumeric()) && other.len() <= 8 => {
            return Err(format!("has the scheme `{other}`; only http and https proxies are supported"));
        }
        _ => return Err("is not a URL".to_owned()),
    };
    let (credentials, address) = match rest.rsplit_once('@') {
        Some((credentials, address)) => (Some(credentials), address),
        None => (None, rest),
    };
    let scheme = if protocol == ProxyProtocol::Https { "https" } else { "http" };
    let address = address.split(['/', '?', '#']).next().unwrap_or_default();
    let url = Url::parse(&format!("{scheme}://{address}/")).map_err(|_| "is not a URL".to_owned())?;
    let mut builder = ureq::Proxy::builder(protocol).host(url.host()).port(url.port());
    if let Some(credentials) = credentials {
        let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
        let plain = |text| percent_decode_str(text).decode_utf8().map_err(|_| "holds credentials that are not UTF-8");
        builder = builder.username(&plain(user)?).password(&plain(password)?);
    }
    let setting = builder.build().map_err(|_| "is not usable".to_owned())?;
    Ok(Proxy {
        setting,
        is_https: protocol == ProxyProtocol::Https,
        shown: format!("{scheme}://{}:{}", url.host(), url.port()),
    })
}

/// Whether `NO_PROXY` lists a host. As in curl: entries are separated by commas or spaces; a name also stands for the
/// names below it, with or without a leading dot; an address is compared as a number, and may be a network (CIDR);
/// `*` alone stands for every host. An entry with a port stands for no host.
fn is_listed(list: &str, host: &str) -> bool {
    let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
    if list == "*" {
        return true;
    }
    let entries = list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
    match host.parse::<IpAddr>() {
        Ok(address) => entries.map(|entry| entry.trim_matches(['[', ']'])).any(|entry| is_address(entry, address)),
        Err(_) => entries.map(str::to_ascii_lowercase).any(|entry| {
            let entry = entry.strip_prefix('.').unwrap_or(&entry).trim_end_matches('.');
            let above = host.strip_suffix(entry);
            !entry.is_empty() && above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
        }),
    }
}

fn is_address(entry: &str, address: IpAddr) -> bool {
    match entry.parse::<IpAddr>() {
        Ok(own) => own == address,
        // A network of all addresses is not one that somebody means.
        Err(_) => entry.parse::<ipnet::IpNet>().is_ok_and(|net| net.prefix_len() > 0 && net.contains(&address)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line was compared with curl 7.88, except for the networks of IPv6 addresses, which curl reads since 8.
    #[test]
    fn no_proxy_lists_hosts_as_in_curl() {
        for (list, host, listed) in [
            ("127.0.0.0/8", "127.0.0.1", true),
            ("10.0.0.0/8, 127.0.0.1/32", "127.0.0.1", true),
            ("10.0.0.0/8 127.0.0.1", "127.0.0.1", true),
            ("127.0.0.2/30", "127.0.0.1", true),
            ("127.0.0.2/31", "127.0.0.1", false),
            ("127.0.0.1/33", "127.0.0.1", false),
            ("127.0.0.0/0", "127.0.0.1", false),
            ("127.0.0.0/x", "127.0.0.1", false),
            ("127.0.0.1:8080", "127.0.0.1", false),
            ("127.0.0", "127.0.0.1", false),
            ("0.0.1", "127.0.0.1", false),
            (".127.0.0.1", "127.0.0.1", false),
            ("127.0.0.0/8", "localhost", false),
            ("localhost", "LOCALHOST", true),
            ("LOCALHOST", "localhost", true),
            ("localhost:80", "localhost", false),
            ("host", "localhost", false),
            ("example.com", "www.example.com", true),
            (".example.com", "www.example.com", true),
            (".example.com", "example.com", true),
            ("example.com.", "example.com", true),
            ("example.com", "example.com.", true),
            ("example.com", "nexample.com", false),
            ("*.example.com", "www.example.com", false),
            ("..example.com", "www.example.com", false),
            ("a b,example.com", "www.example.com", true),
            ("*", "example.com", true),
            ("x,*", "example.com", false),
            (".", "example.com", false),
            ("::1", "[::1]", true),
            ("[::1]", "[::1]", true),
            ("0:0:0:0:0:0:0:1", "[::1]", true),
            ("::1/128", "[::1]", true),
            ("2001:db8::/32", "[2001:db8::9]", true),
            ("2001:db8::/32", "[2001:db9::9]", false),
            ("", "example.com", false),
        ] {
            assert_eq!(is_listed(list, host), listed, "{list:?} {host}");
        }
    }

    #[test]
    fn credentials_may_hold_any_character() {
        for (credentials, user, password) in [
            ("me:p%40ss", "me", "p@ss"),
            ("CORP\\me:pw", "CORP\\me", "pw"),
            ("me:p^w{x}|\"<>`", "me", "p^w{x}|\"<>`"),
            ("me:pä", "me", "pä"),
            ("me:p@w", "me", "p@w"),
            ("me:p#w/x?y", "me", "p#w/x?y"),
            ("me:a:b", "me", "a:b"),
            ("me:100%", "me", "100%"),
        ] {
            let proxy = parse(&format!("http://{credentials}@proxy.example:3128/")).ok().unwrap();
            assert_eq!(proxy.shown, "http://proxy.example:3128");
            assert_eq!((proxy.setting.username(), proxy.setting.password()), (Some(user), Some(password)));
        }
        assert_eq!(parse("proxy.example").ok().unwrap().shown, "http://proxy.example:80");
        assert_eq!(parse("HTTPS://[::1]").ok().unwrap().shown, "https://[::1]:443");
    }

    #[test]
    fn an_unusable_setting_is_explained_without_its_password() {
        for value in [
            "socks5://me:secret-pw@host",
            "http://me:secret-pw@",
            "http://secret-pw host",
            "me:secret-pw://@host",
            "http://me:%ffsecret-pw@host",
        ] {
            let why = parse(value).err().unwrap();
            assert!(!why.contains("secret-pw"), "{why}");
        }
    }
}
