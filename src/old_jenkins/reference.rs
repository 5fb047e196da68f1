//! Job paths, and what a pasted address means.
//!
//! The controller's root and the job's path are kept apart: `/queue` and `/whoAmI` live below the root, and every
//! address that Jenkins itself gives (`Location`, `url`) may name a scheme, host or context path that leads nowhere
//! from here. So only ids, numbers and names are taken from those, and put below the root that the user gave.

use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::error::Error;
use crate::http::{Segment, Url};

/// Permalinks of Jenkins that stand in a build's place in an address.
const PERMALINKS: [&str; 7] = [
    "lastBuild",
    "lastCompletedBuild",
    "lastSuccessfulBuild",
    "lastStableBuild",
    "lastUnstableBuild",
    "lastFailedBuild",
    "lastUnsuccessfulBuild",
];

/// The names of the items from the root to a job, as Jenkins keeps them: a branch's name is encoded once already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobPath(Vec<String>);

/// What stands in a build's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildName {
    /// Its number.
    Number(u64),
    /// One of Jenkins' permalinks, e.g. `lastBuild`.
    Permalink(String),
}

/// A place on a controller, as far as its address tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The controller's root, if the address names one.
    pub root: Option<String>,
    /// The job; empty for the root itself.
    pub job: JobPath,
    /// The build of that job.
    pub build: Option<BuildName>,
    /// The queue item.
    pub queue_id: Option<u64>,
}

impl JobPath {
    /// Reads a full name such as `folder/sub/job`. A percent sign is one: `repo/feature%2Fx` is how Jenkins itself
    /// writes the full name of a branch (`JOB_NAME`).
    pub fn from_full_name(text: &str) -> Result<Self, Error> {
        let names: Vec<String> = text.trim().trim_matches('/').split('/').map(str::to_owned).collect();
        if names.iter().any(|name| Segment::new(name).is_none() || name.contains(char::is_control)) {
            return Err(Error::usage(format!("the job {text:?}"), "is no job's name").with_hint(
                "a job is named like folder/sub/job, or by the address of its page; a branch of a multibranch job with --branch",
            ));
        }
        Ok(Self(names))
    }

    /// The job of a branch below a multibranch project.
    pub fn branch(mut self, name: &str) -> Self {
        self.0.push(encode_branch(name));
        self
    }

    /// The item `below` this one.
    pub fn join(mut self, below: Self) -> Self {
        self.0.extend(below.0);
        self
    }

    /// The folder that holds this item; `None` for an item at the root.
    pub fn parent(&self) -> Option<Self> {
        let (_, parents) = self.0.split_last()?;
        (!parents.is_empty()).then(|| Self(parents.to_vec()))
    }

    /// The item's own name.
    pub fn name(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path below the controller's root: `/job/folder/job/name`, each name percent-encoded once.
    pub fn path(&self) -> String {
        let names = self.0.iter().filter_map(|name| Segment::new(name));
        names.fold(String::new(), |path, name| format!("{path}/job/{name}"))
    }
}

impl fmt::Display for JobPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("/"))
    }
}

impl fmt::Display for BuildName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Permalink(name) => f.write_str(name),
        }
    }
}

/// What an address bar may show unescaped; what is not ASCII is always escaped.
const BLANKS: &AsciiSet = &CONTROLS.add(b' ');

/// What branch-api escapes in an item's name.
const RESERVED: [char; 7] = ['#', '%', '/', '?', '[', ']', '\\'];

/// A branch's name as branch-api makes an item's name of it (its `NameEncoder`).
pub fn encode_branch(name: &str) -> String {
    match name {
        "" => "%00".to_owned(),
        "." => "%2E".to_owned(),
        ".." => "%2E.".to_owned(),
        name => {
            let mut out = String::new();
            for part in name.split_inclusive(RESERVED) {
                let plain = part.trim_end_matches(RESERVED);
                out.push_str(plain);
                out.extend(utf8_percent_encode(&part[plain.len()..], NON_ALPHANUMERIC));
            }
            out
        }
    }
}

/// The id in the address of a queue item, whatever host it names.
pub fn queue_id(address: &str) -> Option<u64> {
    let (_, rest) = address.split_once("queue/item/")?;
    rest.split(['/', '?', '#']).next()?.parse().ok()
}

/// Reads what a user wrote: a full name, `NAME#NUMBER`, `queue/item/N`, a path that begins with `/`, or any pasted address.
pub fn parse(text: &str) -> Result<Place, Error> {
    let text = text.trim();
    if text.contains("://") {
        // An address bar may show blanks and other letters as they are.
        let escaped = utf8_percent_encode(text, BLANKS).to_string();
        let url = Url::parse(&escaped).map_err(|why| Error::usage(format!("the address {text:?}"), why))?;
        let plain = url.without_query();
        let path_at = plain.find("://").map_or(0, |at| at + 3);
        let path_at = plain[path_at..].find('/').map_or(plain.len(), |at| at + path_at);
        let (origin, path) = plain.split_at(path_at);
        let (context, mut place) = walk(path.split('#').next().unwrap_or_default(), text)?;
        place.root = Some(format!("{origin}{context}"));
        return Ok(place);
    }
    if text.starts_with('/') || text.starts_with("queue/item/") {
        let (_, place) = walk(text.split(['?', '#']).next().unwrap_or_default(), text)?;
        if place.job.is_root() && place.queue_id.is_none() {
            return Err(Error::usage(format!("{text:?}"), "names no job"));
        }
        return Ok(place);
    }
    if let Some((job, build)) = text.rsplit_once('#')
        && let Some(build) = build_name(build)
    {
        return Ok(Place { job: JobPath::from_full_name(job)?, build: Some(build), ..Place::default() });
    }
    Ok(Place { job: JobPath::from_full_name(text)?, ..Place::default() })
}

fn build_name(text: &str) -> Option<BuildName> {
    if PERMALINKS.contains(&text) {
        return Some(BuildName::Permalink(text.to_owned()));
    }
    text.parse().ok().map(BuildName::Number)
}

/// Goes through the segments of a path: first the context path, then what Jenkins knows.
fn walk(path: &str, shown: &str) -> Result<(String, Place), Error> {
    let decoded = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
    let mut segments = path.split('/').filter(|segment| !segment.is_empty()).peekable();
    let (mut context, mut place, mut inside) = (String::new(), Place::default(), false);
    while let Some(segment) = segments.next() {
        match segment {
            "job" => {
                let name = decoded(segments.next().unwrap_or_default());
                if Segment::new(&name).is_none() || name.contains(char::is_control) {
                    return Err(Error::usage(format!("the address {shown:?}"), "names no job after /job/"));
                }
                // A browser that unescaped the address once too often.
                place.job.0.push(if name.contains('/') { encode_branch(&name) } else { name });
            }
            "view" => drop(segments.next()),
            "user" | "me" if segment == "me" || segments.clone().nth(1) == Some("my-views") => {
                if segment == "user" {
                    segments.next();
                }
                segments.next();
            }
            "queue" if segments.peek() == Some(&"item") => {
                place.queue_id = segments.nth(1).and_then(|id| id.parse().ok());
                break;
            }
            "blue" => {
                blue_ocean(&mut segments.by_ref().map(decoded), &mut place)?;
                break;
            }
            _ if inside => {
                place.build = build_name(segment);
                break;
            }
            other => {
                context.push('/');
                context.push_str(other);
                continue;
            }
        }
        inside = true;
    }
    Ok((context, place))
}

/// `organizations/jenkins/FULL%2FNAME/detail/BRANCH-OR-JOB/NUMBER/pipeline`
fn blue_ocean(segments: &mut dyn Iterator<Item = String>, place: &mut Place) -> Result<(), Error> {
    let Some(name) = segments.nth(2) else { return Ok(()) };
    place.job = JobPath::from_full_name(&name)?;
    if segments.next().as_deref() == Some("detail")
        && let Some(branch) = segments.next()
    {
        // The page of an ordinary pipeline repeats its own name in the branch's place.
        if branch != place.job.name() {
            place.job.0.push(encode_branch(&branch));
        }
        place.build = segments.next().and_then(|number| build_name(&number));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(root: &str, job: &str, build: &str, queue_id: Option<u64>) -> Place {
        let job = if job.is_empty() { JobPath::default() } else { JobPath::from_full_name(job).unwrap() };
        Place { root: (!root.is_empty()).then(|| root.to_owned()), job, build: build_name(build), queue_id }
    }

    #[test]
    fn every_form_of_an_address_is_understood() {
        let host = "https://ci.example";
        for (text, expected) in [
            ("folder/sub/job", place("", "folder/sub/job", "", None)),
            ("/folder job/", place("", "", "", None)),
            ("repo/feature%2Fx", place("", "repo/feature%2Fx", "", None)),
            ("folder/job#12", place("", "folder/job", "12", None)),
            ("folder/job#lastBuild", place("", "folder/job", "lastBuild", None)),
            ("c#", place("", "c#", "", None)),
            ("/job/folder/job/with%20space/7/console", place("", "folder/with space", "7", None)),
            ("queue/item/45", place("", "", "", Some(45))),
            ("https://ci.example/job/a/", place(host, "a", "", None)),
            (
                "https://ci.example/jenkins/job/a/job/b%25c/12/console",
                place("https://ci.example/jenkins", "a/b%c", "12", None),
            ),
            ("https://ci.example/view/My%20View/job/a/build?delay=0sec", place(host, "a", "", None)),
            (
                "https://ci.example/job/f/view/all/job/a/lastSuccessfulBuild/",
                place(host, "f/a", "lastSuccessfulBuild", None),
            ),
            ("https://ci.example/user/me/my-views/view/all/job/a/3/", place(host, "a", "3", None)),
            ("https://ci.example/me/my-views/view/all/job/a/", place(host, "a", "", None)),
            ("https://ci.example/job/repo/job/feature%252Fx/4/", place(host, "repo/feature%2Fx", "4", None)),
            ("https://ci.example/job/repo/job/feature%2Fx/4/", place(host, "repo/feature%2Fx", "4", None)),
            (
                "https://ci.example/blue/organizations/jenkins/f%2Frepo/detail/feature%2Fx/9/pipeline/21",
                place(host, "f/repo/feature%2Fx", "9", None),
            ),
            (
                "https://ci.example/blue/organizations/jenkins/f%2Fjob/detail/job/9/pipeline",
                place(host, "f/job", "9", None),
            ),
            ("https://ci.example/blue/organizations/jenkins/f%2Fjob/activity", place(host, "f/job", "", None)),
            ("https://ci.example/jenkins/queue/item/45/", place("https://ci.example/jenkins", "", "", Some(45))),
            ("https://ci.example/job/with space/job/ü/3", place(host, "with space/ü", "3", None)),
            ("https://ci.example/jenkins/", place("https://ci.example/jenkins", "", "", None)),
            ("https://ci.example", place(host, "", "", None)),
        ] {
            if text.starts_with("/folder") {
                assert!(parse(text).is_err());
                continue;
            }
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
        for wrong in ["", "a//b", "../x", "https://ci.example/job/", "ftp://ci.example/job/a"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn paths_are_encoded_once_and_branches_twice() {
        for (job, path) in [
            ("folder/with space/ü", "/job/folder/job/with%20space/job/%C3%BC"),
            ("a%b", "/job/a%25b"),
            ("repo/feature%2Fx", "/job/repo/job/feature%252Fx"),
        ] {
            assert_eq!(JobPath::from_full_name(job).unwrap().path(), path);
        }
        let repo = || JobPath::from_full_name("repo").unwrap();
        assert_eq!(repo().branch("feature/x").path(), "/job/repo/job/feature%252Fx");
        for (branch, name) in
            [("100%", "100%25"), ("a#[b]?\\", "a%23%5Bb%5D%3F%5C"), ("..", "%2E."), (".", "%2E"), ("ä b", "ä b")]
        {
            assert_eq!(encode_branch(branch), name);
        }
    }

    #[test]
    fn a_path_read_back_is_the_same_job() {
        // Every printable ASCII character in a branch's name, alone and between others.
        for c in ' '..='~' {
            for branch in [format!("{c}"), format!("a{c}b"), format!("{c}{c}")] {
                let job = JobPath::from_full_name("folder/repo").unwrap().branch(&branch);
                let text = format!("https://ci.example/ctx{}/7/", job.path());
                let read = parse(&text).unwrap();
                assert_eq!((read.job, read.build), (job, Some(BuildName::Number(7))), "{branch:?}");
            }
        }
    }

    #[test]
    fn only_the_id_is_taken_from_a_location() {
        for location in [
            "http://inside:8080/queue/item/7/",
            "/queue/item/7/",
            "https://x/ctx/queue/item/7",
            "queue/item/7/api/json",
        ] {
            assert_eq!(queue_id(location), Some(7));
        }
        assert_eq!(queue_id("http://x/job/a/"), None);
        assert_eq!(queue_id("/login?from=/queue/item/x"), None);
    }
}
