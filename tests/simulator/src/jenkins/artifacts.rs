//! Archived files: alone with ranges, as a listing, as a zip, or by a redirect to the storage.

use super::Ctx;
use super::run::Run;
use super::state::Jenkins;
use super::wire::artifact_path;
use crate::api::{cut_range, storage_error};
use crate::content::Content;
use crate::http::{Request, Response, decode};
use crate::links::STORAGE_MARK;
use crate::world::World;

const SANDBOX: &str = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';";

impl Ctx<'_> {
    /// `/job/X/N/artifact/PATH`
    pub(crate) fn artifact(&mut self, index: usize, path: &[&str]) -> Response {
        let run = &self.j.runs[index];
        let files = if run.in_progress { &[][..] } else { &run.plan.artifacts[..] };
        if let [folder @ .., "*zip*", _] = path {
            let prefix = folder.join("/");
            let inside = |p: &str| prefix.is_empty() || p.starts_with(&format!("{prefix}/"));
            let named = files.iter().filter(|f| inside(&f.path));
            let entries: Vec<(String, Content)> = named
                .map(|f| {
                    let base = folder.last().map_or("archive", |name| name);
                    let below = f.path.strip_prefix(&format!("{prefix}/")).unwrap_or(&f.path);
                    (format!("{base}/{below}"), f.content())
                })
                .collect();
            let zip = Content::Bytes(zip(&entries).into());
            return Response::new(200, "application/zip", zip).with("Transfer-Encoding", "chunked");
        }
        if let [folder @ .., "*plain*"] = path {
            let prefix = if folder.is_empty() { String::new() } else { format!("{}/", folder.join("/")) };
            let below = files.iter().filter_map(|f| f.path.strip_prefix(&prefix));
            let mut names: Vec<String> =
                below.map(|rest| rest.split_once('/').map_or(rest.to_owned(), |(d, _)| format!("{d}/"))).collect();
            names.dedup();
            return Response::text(200, &(names.join("\n") + "\n"));
        }
        let name = path.join("/");
        let Some(at) = files.iter().position(|f| f.path == name) else {
            let folder = !name.is_empty() && files.iter().any(|f| f.path.starts_with(&format!("{name}/")));
            if folder && !self.request.path.ends_with('/') {
                let place = format!("{}artifact/{}/", self.build_path(index), artifact_path(&name));
                return self.to_path(&place);
            }
            let root = name.is_empty() && !files.is_empty();
            return if folder || root { self.page(200, "Artifacts - Jenkins", "Artifacts") } else { self.not_found() };
        };
        if self.j.config.artifact_redirect {
            let signature = crate::ids::opaque(&format!("{name} {index}"), 40);
            let place = format!("{STORAGE_MARK}{}/{}", run.id, artifact_path(&name));
            let location = format!("{}{place}?X-Amz-Expires=3600&X-Amz-Signature={signature}", self.storage);
            return Response::empty(302).with("Location", &location);
        }
        let mut response = file(run, at, self.request);
        for header in ["Content-Security-Policy", "X-WebKit-CSP", "X-Content-Security-Policy"] {
            response.set(header, SANDBOX);
        }
        response
    }
}

fn file(run: &Run, at: usize, request: &Request) -> Response {
    let artifact = &run.plan.artifacts[at];
    let kind = match artifact.path.rsplit('.').next().unwrap_or_default() {
        "txt" | "log" => "text/plain",
        "json" => "application/json",
        "xml" => "application/xml",
        "html" => "text/html",
        _ => "application/octet-stream",
    };
    let modified = run.ended.unwrap_or(run.time).http_date();
    let whole = Response::new(200, kind, artifact.content());
    let whole = whole.with("Last-Modified", &modified).with("Expires", &modified).with("Accept-Ranges", "bytes");
    let same = request.header("if-range").is_none_or(|v| v == modified);
    match request.header("range").filter(|_| same) {
        Some(range) => cut_range(whole, range),
        None => whole,
    }
}

/// The storage's side of a redirect; `None` for every other path.
pub(crate) fn stored(world: &World, request: &Request) -> Option<Response> {
    let (id, path) = request.path.strip_prefix(STORAGE_MARK)?.split_once('/')?;
    let jenkins: &Jenkins = world.jenkins.as_ref()?;
    let run = jenkins.runs.iter().find(|r| id.parse() == Ok(r.id));
    let at = run.and_then(|r| r.plan.artifacts.iter().position(|a| a.path == decode(path)));
    let refused = || storage_error(403, "SignatureDoesNotMatch", "Access denied.");
    Some(match (run, at) {
        _ if request.query_one("X-Amz-Signature").is_none() => refused(),
        (Some(run), Some(at)) => file(run, at, request),
        _ => storage_error(404, "NoSuchKey", "The specified key does not exist."),
    })
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0xedb8_8320 } else { c >> 1 })
    })
}

/// A zip file without compression.
fn zip(entries: &[(String, Content)]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let mut bytes = vec![0; content.len() as usize];
        content.read_at(0, &mut bytes);
        let mut common = Vec::new();
        // Version 2.0, names in UTF-8, stored, a fixed date.
        for word in [20u16, 0x0800, 0, 0, 0x5a21] {
            common.extend_from_slice(&word.to_le_bytes());
        }
        for word in [crc32(&bytes), bytes.len() as u32, bytes.len() as u32] {
            common.extend_from_slice(&word.to_le_bytes());
        }
        common.extend_from_slice(&(name.len() as u16).to_le_bytes());
        common.extend_from_slice(&0u16.to_le_bytes());
        let offset = out.len() as u32;
        out.extend_from_slice(b"PK\x03\x04");
        out.extend_from_slice(&common);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&bytes);
        directory.extend_from_slice(b"PK\x01\x02\x14\0");
        directory.extend_from_slice(&common);
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let start = out.len() as u32;
    out.extend_from_slice(&directory);
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    for _ in 0..2 {
        out.extend_from_slice(&(entries.len() as u16).to_le_bytes());
    }
    out.extend_from_slice(&(directory.len() as u32).to_le_bytes());
    out.extend_from_slice(&start.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zip_has_its_parts() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let bytes = zip(&[("a/b.txt".into(), Content::from_text("hello"))]);
        assert!(bytes.starts_with(b"PK\x03\x04"));
        assert_eq!(bytes.len(), 30 + 7 + 5 + 46 + 7 + 22);
    }
}
