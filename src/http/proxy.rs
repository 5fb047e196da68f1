//! The proxy that the environment names, with curl's names and rules.

use percent_encoding::percent_decode_str;
use ureq::ProxyProtocol;
use ureq::http::Uri;

use super::error::{Fault, FaultKind};
use super::url::Url;

/// A proxy to connect through.
pub(super) struct Proxy {
    pub(super) setting: ureq::Proxy,
    /// The proxy's address without its credentials.
    pub(super) shown: String,
}

impl Proxy {
    /// Whether `NO_PROXY` says to connect to `url` directly.
    pub(super) fn is_bypassed(&self, url: &Url) -> bool {
        self.setting.is_no_proxy(url.uri())
    }
}

/// The proxy for `https` or `http` targets: the scheme's variable in lower or upper case, then `ALL_PROXY`.
/// `HTTP_PROXY` in upper case is not read, because a web server can set it from a request's `Proxy` header.
pub(super) fn from_environment(https: bool) -> Result<Option<Proxy>, Fault> {
    let names: &[&str] = if https {
        &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    } else {
        &["http_proxy", "all_proxy", "ALL_PROXY"]
    };
    let Some((name, value)) = first(names) else { return Ok(None) };
    let bypass = first(&["no_proxy", "NO_PROXY"]).map(|(_, value)| value).unwrap_or_default();
    match parse(&value, &bypass) {
        Ok(proxy) => Ok(Some(proxy)),
        Err(why) => Err(Fault::unsent(
            FaultKind::Proxy,
            format!("the proxy setting {name} {why}"),
            "it must be http://HOST:PORT or http://USER:PASSWORD@HOST:PORT",
        )),
    }
}

fn first(names: &[&'static str]) -> Option<(&'static str, String)> {
    names.iter().find_map(|name| {
        Some((*name, std::env::var(name).ok()?.trim().to_owned())).filter(|(_, value)| !value.is_empty())
    })
}

/// Reads a proxy URL and the list of hosts to bypass it for. The error does not repeat the value, which may hold a password.
fn parse(value: &str, bypass: &str) -> Result<Proxy, String> {
    let with_scheme = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    let uri: Uri = with_scheme.parse().map_err(|_| "is not a URL".to_owned())?;
    let (protocol, default_port) = match uri.scheme_str() {
        Some("http") => (ProxyProtocol::Http, 80),
        Some("https") => (ProxyProtocol::Https, 443),
        Some(other) => return Err(format!("has the scheme `{other}`; only http and https proxies are supported")),
        None => return Err("is not a URL".to_owned()),
    };
    let authority = uri.authority().filter(|authority| !authority.host().is_empty()).ok_or("names no host")?;
    let (host, port) = (authority.host(), authority.port_u16().unwrap_or(default_port));
    let mut builder = ureq::Proxy::builder(protocol).host(host).port(port);
    if let Some((user, _)) = authority.as_str().rsplit_once('@') {
        let (user, password) = user.split_once(':').unwrap_or((user, ""));
        let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        builder = builder.username(&plain(user)).password(&plain(password));
    }
    for entry in bypass.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()) {
        // As in curl, a name also stands for the names below it, with or without a leading dot, and a port does not count.
        let entry = entry
            .rsplit_once(':')
            .filter(|(host, port)| !host.contains(':') && port.bytes().all(|b| b.is_ascii_digit()))
            .map_or(entry, |(host, _)| host);
        builder = builder.no_proxy(entry.trim_start_matches('.'));
        if !entry.contains('*') {
            builder = builder.no_proxy(&format!(".{}", entry.trim_start_matches('.')));
        }
    }
    let setting = builder.build().map_err(|_| "is not usable".to_owned())?;
    Ok(Proxy { setting, shown: format!("{}://{host}:{port}", uri.scheme_str().unwrap_or_default()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_bypassed_as_curl_bypasses_them() {
        let proxy = parse("http://me:p%40ss@proxy.example:3128", "localhost, .corp.example,example.org:8080").unwrap();
        assert_eq!(proxy.shown, "http://proxy.example:3128");
        assert_eq!((proxy.setting.username(), proxy.setting.password()), (Some("me"), Some("p@ss")));
        for (host, bypassed) in [
            ("localhost", true),
            ("corp.example", true),
            ("a.corp.example", true),
            ("example.org", true),
            ("codemagic.io", false),
        ] {
            assert_eq!(proxy.is_bypassed(&Url::parse(&format!("https://{host}/x")).unwrap()), bypassed, "{host}");
        }
        assert!(parse("http://proxy.example", "*").unwrap().is_bypassed(&Url::parse("https://codemagic.io").unwrap()));
    }

    #[test]
    fn an_unusable_setting_is_told_without_its_password() {
        for value in ["socks5://me:secret-pw@host", "http://me:secret-pw@", "http://secret-pw host"] {
            let why = parse(value, "").err().unwrap();
            assert!(!why.contains("secret-pw"), "{why}");
        }
    }
}
