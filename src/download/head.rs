//! What the head of an answer says about the file in its body.

use crate::http::Stream;

/// What the head of an answer says about its body.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) is_html: bool,
    pub(super) length: Option<u64>,
    /// Whether parts of the file can be requested.
    pub(super) has_ranges: bool,
    /// First byte and length of the whole file, from `Content-Range`.
    pub(super) range: Option<(u64, u64)>,
    /// The `ETag` or `Last-Modified` of the file.
    pub(super) validator: Option<String>,
}

/// Reads what the head of an answer says.
pub(super) fn read_head(stream: &Stream) -> Head {
    let text = |name: &str| stream.header(name).map(str::trim);
    let stated = |name: &str| text(name).filter(|_| !stream.is_decoded());
    let range = stated("content-range").and_then(|range| {
        let (place, whole) = range.strip_prefix("bytes ")?.split_once('/')?;
        Some((place.split_once('-')?.0.parse().ok()?, whole.parse().ok()?))
    });
    Head {
        status: stream.status,
        is_html: text("content-type").is_some_and(|kind| kind.to_ascii_lowercase().contains("html")),
        length: stated("content-length").and_then(|length| length.parse().ok()),
        has_ranges: range.is_some() || stated("accept-ranges").is_some_and(|units| units == "bytes"),
        range,
        // A weak tag says that two bodies mean the same, not that their bytes are the same (RFC 9110, 8.8.1).
        validator: text("etag").filter(|tag| tag.starts_with('"')).or_else(|| text("last-modified")).map(str::to_owned),
    }
}
