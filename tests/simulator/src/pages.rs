//! Pages for people, as proxies and log-in forms send them where an API answer was expected.

use crate::fault::Page;
use crate::http::Response;

/// The page with its usual status, or another one.
pub(crate) fn page(page: Page, status: Option<u16>) -> Response {
    let (usual, text) = match page {
        Page::Sso => (200, SSO),
        Page::Proxy => (403, PROXY),
        Page::ProxyAuth => (407, PROXY_AUTH),
        Page::Gateway => (502, GATEWAY),
        Page::Maintenance => (503, MAINTENANCE),
        Page::Home => (200, HOME),
    };
    let response = Response::html(status.unwrap_or(usual), text);
    match page {
        Page::Sso => response.with("Set-Cookie", "SSOSESSION=0; Secure; HttpOnly"),
        Page::Proxy => response.with("Via", "1.1 proxy.corp.example.com").with("Server", "squid/6.6"),
        Page::ProxyAuth => response.with("Proxy-Authenticate", "Basic realm=\"corp\""),
        Page::Maintenance => response.with("Retry-After", "120"),
        Page::Gateway | Page::Home => response,
    }
}

/// What the service might say under a status.
pub(crate) fn detail(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Invalid authentication token",
        402 => "Billing must be enabled to start builds on this instance type",
        403 => "You do not have permission to perform this action",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        410 => "Gone",
        422 => "The request could not be processed",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "An error was ordered",
    }
}

const SSO: &str = "<!DOCTYPE html>\n<html><head><title>Sign in - Corp SSO</title></head><body>\n\
<form method=\"post\" action=\"https://sso.corp.example.com/login\"><input type=\"hidden\" name=\"SAMLRequest\" value=\"x\">\n\
<h1>Sign in to continue</h1><input name=\"username\"><input type=\"password\" name=\"password\"></form></body></html>\n";

const PROXY: &str = "<html><head><title>Access Denied</title></head><body><h1>Access Denied (policy_denied)</h1>\n\
<p>Your request was blocked by the web proxy of your company. Contact the service desk.</p></body></html>\n";

const PROXY_AUTH: &str = "<html><head><title>Proxy Authentication Required</title></head>\
<body><h1>ERROR</h1><p>Cache Access Denied.</p></body></html>\n";

const GATEWAY: &str = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n";

const MAINTENANCE: &str = "<!DOCTYPE html><html><head><title>Down for maintenance</title></head>\
<body><h1>We will be back soon</h1></body></html>\n";

const HOME: &str = "<!DOCTYPE html><html><head><title>Demo</title></head>\
<body><div id=\"root\"></div><script src=\"/main.js\"></script></body></html>\n";
