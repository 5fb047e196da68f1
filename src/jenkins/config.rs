//! A job's `config.xml`, read and replaced byte for byte.

use super::client::{Change, Client};
use super::errors::refused_config;
use super::reference::JobRef;
use crate::error::{Error, RequestError};
use crate::http::{Body, Response};

/// A configuration to send: XML, with the charset in which its bytes are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobConfig {
    xml: Vec<u8>,
    charset: String,
}

impl JobConfig {
    /// Takes a file's bytes as they are. `subject` names the file.
    ///
    /// Fails with code 2 for what is not XML.
    pub fn new(xml: Vec<u8>, subject: &str) -> Result<Self, Error> {
        let charset = charset(&xml);
        let begins = |start: &[u8]| xml.trim_ascii_start().starts_with(start);
        let is_wide = charset.starts_with("UTF-16");
        let is_page = xml.trim_ascii_start().get(..14).is_some_and(|head| head.eq_ignore_ascii_case(b"<!doctype html"));
        if is_page || !(is_wide || begins(b"<") || begins(b"\xef\xbb\xbf<")) {
            return Err(Error::usage(subject, "not XML"));
        }
        // The byte order mark is no part of the document, and Jenkins' parser stumbles over one in a text.
        let xml = xml.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec).unwrap_or(xml);
        Ok(Self { xml, charset })
    }
}

/// The charset of a document: by its byte order mark, else as its declaration states it, else UTF-8 (XML 1.1, 4.3.3).
///
/// Jenkins reads the body as text, in the charset of the request, and as Latin-1 without one
/// (`AbstractItem#doConfigDotXml` takes the request's reader).
fn charset(xml: &[u8]) -> String {
    match xml {
        [0xfe, 0xff, ..] | [0xff, 0xfe, ..] => return "UTF-16".to_owned(),
        [0xef, 0xbb, 0xbf, ..] => return "UTF-8".to_owned(),
        _ => {}
    }
    let head = String::from_utf8_lossy(&xml[..xml.len().min(200)]).into_owned();
    let declared = head
        .trim_start()
        .strip_prefix("<?xml")
        .and_then(|rest| rest.split_once("?>"))
        .and_then(|(declaration, _)| declaration.split_once("encoding"))
        .and_then(|(_, rest)| rest.trim_start().strip_prefix('='))
        .and_then(|rest| rest.trim_start().split(['"', '\'']).nth(1))
        .filter(|name| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
        });
    declared.unwrap_or("UTF-8").to_owned()
}

impl Client {
    /// A job's `config.xml`, byte for byte.
    pub fn config(&self, job: &JobRef) -> Result<Vec<u8>, RequestError> {
        let subject = format!("configuration of job {job}");
        let response = self.exchange(&subject, &self.get(&config_path(job))?)?;
        let head = response.body.trim_ascii_start();
        let is_page = head.get(..5).is_some_and(|head| head.eq_ignore_ascii_case(b"<html"))
            || head.get(..14).is_some_and(|head| head.eq_ignore_ascii_case(b"<!doctype html"));
        if response.status == 200 && head.starts_with(b"<") && !is_page {
            return Ok(response.body);
        }
        Err(self.refusal(&subject, &response))
    }

    /// Replaces a job's `config.xml`. Sent again after a lost answer, which is harmless: the same twice is the same.
    ///
    /// Fails with code 15 when no answer came at all and the configuration cannot be seen to be the new one.
    pub fn set_config(&self, job: &JobRef, config: &JobConfig) -> Result<(), Error> {
        let subject = format!("configuration of job {job}");
        let body = Body::bytes(&format!("application/xml; charset={}", config.charset), config.xml.clone());
        let was_done = || self.config(job).is_ok_and(|now| is_same(&now, &config.xml));
        let hint = format!("compare it with `cibridge jenkins config {job}` before sending it again");
        let path = config_path(job);
        let refusal = |response: &Response| match refused_config(&subject, response) {
            Some(error) => RequestError { error, retryable: false, retry_after: None },
            None => self.refusal(&subject, response),
        };
        self.post_until_done(&Change {
            subject: &subject,
            path: &path,
            body: Some(body),
            was_done: &was_done,
            refusal: &refusal,
            perhaps: "it may have been replaced",
            hint: &hint,
        })
    }
}

fn config_path(job: &JobRef) -> String {
    format!("{}/config.xml", job.path())
}

/// Whether two documents are the same but for white space between elements, which Jenkins rewrites.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let visible = |xml: &[u8]| xml.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<_>>();
    visible(one) == visible(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_charset_is_the_one_in_which_the_file_is_written() {
        for (xml, expected) in [
            (&b"<?xml version='1.1' encoding='UTF-8'?><project/>"[..], "UTF-8"),
            (b"<?xml version=\"1.0\" encoding = \"ISO-8859-15\" ?>\n<project/>", "ISO-8859-15"),
            (b"<?xml version='1.0'?><project a=\"encoding='x'\"/>", "UTF-8"),
            (b"<project/>", "UTF-8"),
            (b"\xef\xbb\xbf<project/>", "UTF-8"),
            (b"\xff\xfe<\0p\0/\0>\0", "UTF-16"),
            (b"<?xml version='1.0' encoding='a;b'?><p/>", "UTF-8"),
        ] {
            assert_eq!(JobConfig::new(xml.to_vec(), "file x").unwrap().charset, expected);
        }
        for page in ["", "{}", "<!DOCTYPE html><html></html>", " text"] {
            assert!(JobConfig::new(page.into(), "file x").is_err(), "{page}");
        }
        assert_eq!(JobConfig::new(b"\xef\xbb\xbf<p/>".to_vec(), "file x").unwrap().xml, b"<p/>");
    }
}
