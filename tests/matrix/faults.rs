//! Every fault that a request may meet, and what a call may make of it.

use cibridge_simulator::{CutHow, CutPoint, Fault, FaultKind, Page, WrongShape};
use serde_json::{Value, json};
use std::time::Duration;

use super::kinds::Role;

/// The exit codes that a fault may lead to, beside that of a call which recovers from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nothing is wrong: only the usual exit code will do.
    Nothing,
    /// The connection failed.
    Connection,
    /// An answer that is none.
    Nonsense,
    /// The service refused, with the exit code for it.
    Refused(i32),
    /// The service is not available.
    Unavailable,
    /// A redirect that is not followed, or leads nowhere.
    Redirected,
}

/// What is done to a connection or to a request.
#[derive(Clone, Debug)]
pub(super) enum Hit {
    /// The simulator answers wrongly.
    Answer(Box<Fault>),
    /// The services are not where they are said to be.
    Line(Line),
}

/// What is wrong with the line to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    NoSuchHost,
    Refused,
    Full,
    Silent,
    PlainOnTls,
    TlsOnPlain,
    Expired,
    NotYetValid,
    WrongHost,
    OtherAuthority,
    Tls12,
    Proxy(&'static str),
}

/// A fault.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// The column of the table.
    pub(super) class: &'static str,
    pub(super) name: String,
    pub(super) hit: Hit,
    pub(super) meaning: Meaning,
}

/// The columns of the table.
pub(super) const CLASSES: [&str; 17] = [
    "line",
    "TLS",
    "proxy",
    "reset",
    "silence",
    "slow",
    "1xx",
    "3xx",
    "4xx",
    "5xx",
    "rate limit",
    "length",
    "coding",
    "JSON",
    "page",
    "head",
    "no HTTP",
];

/// All faults; each hits every request of a kind.
pub(super) fn lasting() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |class: &'static str, name: &str, meaning, hit| {
        cases.push(Case { class, name: name.to_owned(), hit, meaning });
    };
    lines(&mut add);
    cuts(&mut add);
    answers(&mut add);
    bodies(&mut add);
    cases
}

/// The faults of which the next try may know nothing.
pub(super) fn passing() -> Vec<Case> {
    let passes = |case: &Case| {
        matches!(case.hit, Hit::Answer(_))
            && [
                "before the answer",
                "before the answer, done",
                "in the head",
                "in the body",
                "closed in the body",
                "after the answer",
                "silent",
                "500",
                "502",
                "503",
                "504",
                "408",
                "429",
                "Retry-After 1",
                "truncated",
                "an empty body",
                "an object",
                "a company's log-in",
                "a gateway's page",
                "nonsense",
            ]
            .contains(&case.name.as_str())
    };
    lasting().into_iter().filter(passes).collect()
}

fn answer(fault: Fault) -> Hit {
    Hit::Answer(Box::new(fault))
}

type Add<'a> = &'a mut dyn FnMut(&'static str, &str, Meaning, Hit);

fn lines(add: Add<'_>) {
    use Meaning::{Connection, Nothing};
    for (class, name, line, meaning) in [
        ("line", "no such host", Line::NoSuchHost, Connection),
        ("line", "refused", Line::Refused, Connection),
        ("line", "not accepted", Line::Full, Connection),
        ("line", "accepted in silence", Line::Silent, Connection),
        ("TLS", "no TLS", Line::PlainOnTls, Connection),
        ("TLS", "TLS only", Line::TlsOnPlain, Connection),
        ("TLS", "expired", Line::Expired, Connection),
        ("TLS", "not valid yet", Line::NotYetValid, Connection),
        ("TLS", "wrong host", Line::WrongHost, Connection),
        ("TLS", "unknown authority", Line::OtherAuthority, Connection),
        ("TLS", "TLS 1.2", Line::Tls12, Nothing),
        ("proxy", "403", Line::Proxy("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"), Connection),
        ("proxy", "407", Line::Proxy("HTTP/1.1 407 Authentication Required\r\ncontent-length: 0\r\n\r\n"), Connection),
        ("proxy", "502", Line::Proxy("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"), Connection),
        ("proxy", "503", Line::Proxy("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"), Connection),
        ("proxy", "closed", Line::Proxy(""), Connection),
        ("proxy", "no HTTP", Line::Proxy("220 mail.example.com ESMTP\r\n\r\n"), Connection),
    ] {
        add(class, name, meaning, Hit::Line(line));
    }
}

fn cuts(add: Add<'_>) {
    use Meaning::{Connection, Nothing};
    let closed = |at, bytes| Fault::new(FaultKind::Cut { at, bytes, how: CutHow::Close });
    for (name, fault) in [
        ("in the request", Fault::cut_after(CutPoint::RequestBody, 3)),
        ("before the answer", Fault::cut(CutPoint::BeforeAnswer)),
        ("before the answer, done", Fault::cut(CutPoint::BeforeAnswer).acted()),
        ("closed before the answer", closed(CutPoint::BeforeAnswer, 0)),
        ("in the status line", Fault::cut_after(CutPoint::Answer, 7)),
        ("in the head", Fault::cut_after(CutPoint::Answer, 60)),
        ("closed in the head", closed(CutPoint::Answer, 60)),
        ("in the body", Fault::cut_after(CutPoint::AnswerBody, 10)),
        ("closed in the body", closed(CutPoint::AnswerBody, 10)),
    ] {
        add("reset", name, Connection, answer(fault));
    }
    add("reset", "after the answer", Nothing, answer(Fault::cut(CutPoint::AfterAnswer)));
    add("silence", "silent", Connection, answer(Fault::new(FaultKind::Hang { max_ms: 60_000 })));
    add("silence", "silent, done", Connection, answer(Fault::slow(Duration::from_secs(60)).acted()));
    add("slow", "late", Nothing, answer(Fault::slow(Duration::from_millis(300))));
    let drip = |bytes, interval_ms| Fault::new(FaultKind::Drip { bytes, interval_ms });
    add("slow", "in pieces", Nothing, answer(drip(64_000, 5)));
}

fn answers(add: Add<'_>) {
    use Meaning::{Nonsense, Nothing, Redirected, Refused, Unavailable};
    let raw = |text: &str| answer(Fault::new(FaultKind::Raw { text: text.into() }));
    let hints = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
    add("1xx", "103 and nothing", Meaning::Connection, raw(hints));
    add("1xx", "100 without end", Nonsense, raw(&"HTTP/1.1 100 Continue\r\n\r\n".repeat(2000)));
    add("1xx", "101", Nonsense, raw("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n"));
    for (name, fault) in [
        ("301", Fault::redirect(301, "{storage}/elsewhere")),
        ("302 to plain http", Fault::redirect(302, "http://elsewhere.invalid/")),
        ("302 to another host", Fault::redirect(302, "https://127.0.0.1:1/login")),
        ("302 to a log-in", Fault::redirect(302, "/securityRealm/commenceLogin?from=%2F")),
        ("303", Fault::redirect(303, "{api}/")),
        ("307", Fault::redirect(307, "{storage}/elsewhere")),
        ("308", Fault::redirect(308, "{storage}/elsewhere")),
        ("302 loop", Fault::new(FaultKind::RedirectLoop { status: 302 })),
        ("307 loop", Fault::new(FaultKind::RedirectLoop { status: 307 })),
        ("302 to nowhere", Fault::status(302)),
        ("302 to nonsense", Fault::redirect(302, "http://[::1/ \u{fc}")),
        ("304", Fault::status(304)),
    ] {
        add("3xx", name, Redirected, answer(fault));
    }
    for status in (400..=431).chain([451, 499]) {
        let meaning = match status {
            401 | 403 | 407 => Refused(10),
            404 | 410 => Refused(11),
            408 | 425 | 429 | 499 => Unavailable,
            _ => Refused(12),
        };
        let class = if status == 429 { "rate limit" } else { "4xx" };
        add(class, &status.to_string(), meaning, answer(Fault::status(status)));
    }
    for status in (500..=511).chain(520..=527).chain([530, 599]) {
        add("5xx", &status.to_string(), Unavailable, answer(Fault::status(status)));
    }
    for value in
        ["0", "1", "0.5", "-1", "soon", "1e30", "3600", "99999999999999999999", "Sun, 06 Nov 1994 08:49:37 GMT"]
    {
        let fault = Fault::status(429).set("Retry-After", value);
        add("rate limit", &format!("Retry-After {value}"), Unavailable, answer(fault));
    }
    for (name, fault) in [
        ("reset now", Fault::rate_limited(0)),
        ("reset in an hour", Fault::rate_limited(3600)),
        (
            "reset in milliseconds",
            Fault::status(429).set("ratelimit-remaining", "0").set("ratelimit-reset", "4102444800000"),
        ),
        (
            "reset beyond all clocks",
            Fault::status(429).set("x-ratelimit-remaining", "0").set("x-ratelimit-reset", "18446744073709551615"),
        ),
        ("503 with Retry-After 1", Fault::status(503).set("Retry-After", "1")),
    ] {
        add("rate limit", name, Unavailable, answer(fault));
    }
    for (name, page) in [
        ("a company's log-in", Page::Sso),
        ("a company's proxy", Page::Proxy),
        ("a proxy without password", Page::ProxyAuth),
        ("a gateway's page", Page::Gateway),
        ("a web site", Page::Home),
    ] {
        add("page", name, Nonsense, answer(Fault::page(page)));
    }
    let big = |headers, bytes| answer(Fault::new(FaultKind::BigHead { headers, bytes }));
    add("head", "300 headers", Nothing, big(90, 100));
    add("head", "60 KiB", Nothing, big(15, 4000));
    add("head", "2 MB", Nonsense, big(2000, 1000));
    for (name, text) in [
        ("nonsense", "nonsense\r\n\r\n"),
        ("a mail server", "220 mail.example.com ESMTP\r\n"),
        ("HTTP/2", "HTTP/2 200\r\n\r\n"),
        ("status 999", "HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n"),
        ("status 0", "HTTP/1.1 0 Odd\r\ncontent-length: 0\r\n\r\n"),
        ("two lengths", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 5\r\n\r\n{}   "),
        ("a negative length", "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n{}"),
        ("a huge length", "HTTP/1.1 200 OK\r\ncontent-length: 18446744073709551615\r\n\r\n{}"),
        ("bad chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"),
        ("a huge chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n{}"),
        ("a header without end", "HTTP/1.1 200 OK\r\nx: "),
    ] {
        add("no HTTP", name, Nonsense, raw(text));
    }
}

fn bodies(add: Add<'_>) {
    use Meaning::{Nonsense, Nothing};
    let kind = |kind| answer(Fault::new(kind));
    add("length", "an empty body", Nonsense, answer(Fault::new(FaultKind::Empty { status: 200 }).acted()));
    add("length", "204", Nonsense, answer(Fault::new(FaultKind::Empty { status: 204 }).acted()));
    add("length", "truncated", Meaning::Connection, kind(FaultKind::Truncate { bytes: None }));
    add("length", "endless", Nonsense, kind(FaultKind::Endless { limit: 40 << 20 }));
    add("length", "bomb", Nonsense, kind(FaultKind::Bomb { size: 64 << 20 }));
    add("coding", "gzip", Nothing, kind(FaultKind::Gzip));
    add("coding", "said to be br", Nonsense, answer(Fault::headers().set("Content-Encoding", "br")));
    add("coding", "said to be gzip", Nonsense, answer(Fault::headers().set("Content-Encoding", "gzip")));
    add("coding", "no type", Nothing, kind(FaultKind::ContentType { value: String::new() }));
    add("coding", "said to be text", Nothing, kind(FaultKind::ContentType { value: "text/plain".into() }));
    for (name, shape) in [
        ("broken", WrongShape::Broken),
        ("text", WrongShape::Text),
        ("an array", WrongShape::Array),
        ("null", WrongShape::Null),
        ("an object", WrongShape::Object),
        ("wrong types", WrongShape::Types),
        ("bytes", WrongShape::Binary),
    ] {
        add("JSON", name, Nonsense, kind(FaultKind::WrongJson { shape }));
    }
    for value in [
        Value::Null,
        json!(true),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e308),
        json!(-0.5),
        json!(""),
        json!("9999-99-99T99:99:99Z"),
        json!("+292277026596-12-04T15:30:07Z"),
        json!("-1"),
        json!("<script>\u{202e}\u{1b}[2J::error::x\ncibridge: error: y"),
        json!("a".repeat(100_000)),
        json!([]),
        json!({}),
    ] {
        let name = value.to_string().chars().take(20).collect::<String>();
        add("JSON", &format!("every leaf is {name}"), Nonsense, kind(FaultKind::Leaves { value }));
    }
    let first_key = |text: &[u8]| answer(Fault::replace("{\"", text));
    add("JSON", "repeated keys", Nonsense, first_key(b"{\"data\":null,\"id\":0,\"status\":[],\"_class\":1,\""));
    add("JSON", "invalid UTF-8 in a key's value", Nothing, first_key(b"{\"zz\":\"\xff\xfe\xc3\",\""));
    add("JSON", "a lone surrogate", Nothing, first_key(b"{\"zz\":\"\\ud800 \\udfff\",\""));
    add("JSON", "a huge number", Nothing, first_key(b"{\"zz\":1e400,\"zy\":123456789012345678901234567890,\""));
    let deep = [b"{\"zz\":".to_vec(), b"[".repeat(60_000), b"]".repeat(60_000), b",\"".to_vec()].concat();
    add("JSON", "deep nesting", Nonsense, first_key(&deep));
    add("JSON", "only brackets", Nonsense, answer(Fault::answer(200, &"[".repeat(1 << 20)).acted()));
    add("JSON", "a BOM", Nonsense, answer(Fault::answer(200, "\u{feff}{\"data\":{}}").acted()));
}

/// Whether a call of which a request met a fault may end with this code.
pub(super) fn is_plausible(meaning: Meaning, role: Role, is_file: bool, usual: i32, code: i32) -> bool {
    // A build whose end is not seen runs into the limit of the call.
    let common = [usual, 6];
    let own: &[i32] = match meaning {
        Meaning::Nothing => return code == usual,
        Meaning::Connection => &[13, 14],
        Meaning::Nonsense | Meaning::Redirected => &[10, 11, 12, 13, 14],
        // 12: whether a build with the key exists cannot be seen.
        Meaning::Refused(10) => &[10, 12, 14],
        Meaning::Refused(11) => &[11, 12],
        Meaning::Refused(_) => &[12],
        Meaning::Unavailable => &[13],
    };
    match role {
        Role::Extra => code == usual,
        Role::Start => common.contains(&code) || own.contains(&code) || code == 15,
        Role::Change => code == usual || own.contains(&code) || code == 15,
        // The storage answers so when a link is too old, which another link mends.
        Role::Read if is_file && code == 13 => true,
        Role::Read => common.contains(&code) || own.contains(&code),
    }
}
