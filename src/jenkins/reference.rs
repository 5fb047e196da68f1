//! Jobs, builds and queue items as people name them: by full name, by path, or by a pasted address.
//!
//! The controller's root and the path of a job are kept apart: `/queue` and `/whoAmI` are below the root, and every
//! address that Jenkins itself reports (`Location`, `url`) may name a scheme, host or context path that cannot be
//! reached from here. So only ids, numbers and names are taken from those, and put below the root that the user gave.
//! Pure: no request.

use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::error::Error;
use crate::http::{Segment, Url};

/// Permalinks of Jenkins (`hudson.model.PermalinkProjectAction`), which may stand for a build's number in an address.
const PERMALINKS: [&str; 7] = [
    "lastBuild",
    "lastCompletedBuild",
    "lastSuccessfulBuild",
    "lastStableBuild",
    "lastUnstableBuild",
    "lastFailedBuild",
    "lastUnsuccessfulBuild",
];

/// A job: the names of the items from the root to it, as Jenkins keeps them.
///
/// The name of a branch is encoded in there (`feature%2Fx`). Two references are equal when they name the same job of
/// one controller; the text from which one was read does not count.
#[derive(Debug, Clone, Default)]
pub struct JobRef {
    names: Vec<Name>,
    root: Option<String>,
    text: Option<String>,
}

/// One part of a job's path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    /// An item, below `/job/`.
    Item(String),
    /// A matrix configuration (`OS=linux,JDK=21`) or Maven module (`group$artifact`) of the item before it: a job with
    /// builds of its own, but without `/job/` in its address.
    Part(String),
}

impl PartialEq for JobRef {
    fn eq(&self, other: &Self) -> bool {
        self.names == other.names
    }
}

impl Eq for JobRef {}

/// A build: its job and its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildRef {
    pub job: JobRef,
    /// The build's number in this job.
    pub number: u64,
}

/// What may stand for a build's number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildName {
    /// The number itself.
    Number(u64),
    /// One of Jenkins' permalinks, e.g. `lastBuild`.
    Permalink(String),
}

/// What a text names on a controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The controller itself.
    Controller(String),
    /// A job, or a folder of jobs.
    Job(JobRef),
    Build(JobRef, BuildName),
    QueueItem(QueueItemRef),
}

/// A queue item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueItemRef {
    pub id: u64,
    /// The controller's root, where an address named it.
    root: Option<String>,
}

impl JobRef {
    /// Reads a full name such as `folder/sub/job`. A percent sign is kept: `repo/feature%2Fx` is how Jenkins itself
    /// writes the full name of a branch (`JOB_NAME`). A last name like `OS=linux` is a matrix configuration of the
    /// job before it, and one like `group$artifact` a Maven module.
    ///
    /// Fails with code 2 for what cannot be a job's name.
    pub fn from_full_name(text: &str) -> Result<Self, Error> {
        let shown = text.trim();
        let mut names: Vec<Name> = shown.trim_matches('/').split('/').map(|name| Name::Item(name.to_owned())).collect();
        if names.iter().any(|name| !is_name(name.text())) {
            return Err(Error::usage(format!("job {shown:?}"), "not a valid job name").with_hint(
                "use the full name, e.g. folder/sub/job, or the address of the job's page; a branch of a multibranch project goes into --branch",
            ));
        }
        if let [_, .., Name::Item(last)] = names.as_mut_slice()
            && is_part(last)
        {
            let part = Name::Part(std::mem::take(last));
            names.pop();
            names.push(part);
        }
        Ok(Self { names, root: None, text: Some(shown.to_owned()) })
    }

    /// The job of the branch `name` of this multibranch project.
    pub fn branch(mut self, name: &str) -> Self {
        self.names.push(Name::Item(encode_branch(name)));
        self
    }

    /// The matrix configuration or Maven module `name` of this job.
    pub(super) fn configuration(&self, name: &str) -> Self {
        let mut names = self.names.clone();
        names.push(Name::Part(name.to_owned()));
        Self { names, root: None, text: None }
    }

    /// The item `below` this folder.
    fn join(mut self, below: Self) -> Self {
        self.names.extend(below.names);
        Self { names: self.names, ..below }
    }

    /// The folder that holds this item; `None` for an item at the root.
    pub fn parent(&self) -> Option<Self> {
        let (_, parents) = self.names.split_last()?;
        (!parents.is_empty()).then(|| Self { names: parents.to_vec(), root: None, text: None })
    }

    /// The item's own name.
    pub fn name(&self) -> &str {
        self.names.last().map_or("", Name::text)
    }

    /// Whether this is no job, but the controller's root.
    fn is_root(&self) -> bool {
        self.names.is_empty()
    }

    /// The path below the controller's root: `/job/folder/job/name`, each name percent-encoded once.
    pub fn path(&self) -> String {
        self.names.iter().fold(String::new(), |path, name| {
            let Some(segment) = Segment::new(name.text()) else { return path };
            match name {
                Name::Item(_) => format!("{path}/job/{segment}"),
                Name::Part(_) => format!("{path}/{segment}"),
            }
        })
    }

    /// A build of this job.
    pub fn build(&self, number: u64) -> BuildRef {
        BuildRef { job: self.clone(), number }
    }
}

impl fmt::Display for JobRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.names.iter().enumerate() {
            if index > 0 {
                f.write_str("/")?;
            }
            f.write_str(name.text())?;
        }
        Ok(())
    }
}

impl Name {
    fn text(&self) -> &str {
        match self {
            Self::Item(text) | Self::Part(text) => text,
        }
    }
}

/// Whether a text can be the name of an item.
fn is_name(text: &str) -> bool {
    Segment::new(text).is_some() && !text.contains(char::is_control)
}

/// Whether a name is one of a matrix configuration (`hudson.matrix.Combination#toString`: `A=1,B=2`) or of a Maven module
/// (`hudson.maven.ModuleName#toFileSystemName`). `$` is not allowed in the name of an item (`Jenkins#checkGoodName`).
fn is_part(name: &str) -> bool {
    let is_axis = |axis: &str| axis.split_once('=').is_some_and(|(name, _)| !name.is_empty());
    name.contains('$') || name.split(',').all(is_axis)
}

impl BuildRef {
    /// The path below the controller's root.
    pub fn path(&self) -> String {
        format!("{}/{}", self.job.path(), self.number)
    }
}

impl fmt::Display for BuildRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.job, self.number)
    }
}

impl BuildName {
    fn parse(text: &str) -> Option<Self> {
        if PERMALINKS.contains(&text) {
            return Some(Self::Permalink(text.to_owned()));
        }
        text.parse().ok().map(Self::Number)
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

impl fmt::Display for QueueItemRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "queue/item/{}", self.id)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Controller(root) => f.write_str(root),
            Self::Job(job) => job.fmt(f),
            Self::Build(job, build) => write!(f, "{job}#{build}"),
            Self::QueueItem(item) => item.fmt(f),
        }
    }
}

impl From<JobRef> for Target {
    fn from(job: JobRef) -> Self {
        Self::Job(job)
    }
}

impl Target {
    /// Reads what a user wrote: a full name, `NAME#NUMBER`, `queue/item/N`, a path that begins with `/`, or any address
    /// that a browser shows. Fails with code 2; the message shows no user, password or query of an address.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if text.contains("://") {
            // An address bar may show blanks and other letters as they are.
            let escaped = utf8_percent_encode(text, BLANKS).to_string();
            let url = Url::parse(&escaped).map_err(|why| Error::usage("address", why))?;
            let plain = url.without_query();
            let path_at = plain.find("://").map_or(0, |at| at + 3);
            let path_at = plain[path_at..].find('/').map_or(plain.len(), |at| at + path_at);
            let (origin, path) = plain.split_at(path_at);
            let walked = Walk::through(path.split('#').next().unwrap_or_default(), &plain)?;
            let root = format!("{origin}{}", walked.context);
            return Ok(walked.target(Some(root), &plain));
        }
        if text.starts_with('/') || text.starts_with("queue/item/") {
            let walked = Walk::through(text.split(['?', '#']).next().unwrap_or_default(), text)?;
            if walked.job.is_root() && walked.queue_item.is_none() {
                return Err(Error::usage(format!("{text:?}"), "not the path of a job, build or queue item"));
            }
            return Ok(walked.target(None, text));
        }
        if let Some((job, build)) = text.rsplit_once('#')
            && let Some(build) = BuildName::parse(build)
        {
            let job = JobRef { text: Some(text.to_owned()), ..JobRef::from_full_name(job)? };
            return Ok(Self::Build(job, build));
        }
        JobRef::from_full_name(text).map(Self::Job)
    }

    /// The controller's root, where an address named it.
    pub fn root(&self) -> Option<&str> {
        match self {
            Self::Controller(root) => Some(root),
            Self::Job(job) | Self::Build(job, _) => job.root.as_deref(),
            Self::QueueItem(item) => item.root.as_deref(),
        }
    }

    /// The same target below a folder, which the controller's address named: `https://ci.example/job/team`.
    pub(super) fn below(self, folder: &JobRef) -> Self {
        match self {
            Self::Job(job) if job.root.is_none() => Self::Job(folder.clone().join(job)),
            Self::Build(job, build) if job.root.is_none() => Self::Build(folder.clone().join(job), build),
            other => other,
        }
    }

    /// What a person wrote; the name where it was not written.
    fn written(&self) -> String {
        match self {
            Self::Job(job) | Self::Build(job, _) => job.text.clone().unwrap_or_else(|| self.to_string()),
            Self::Controller(_) | Self::QueueItem(_) => self.to_string(),
        }
    }

    /// The error for a target that is on another controller than the call.
    pub(super) fn on_other_controller(&self, own: &Url, other: &Url) -> Error {
        let reason = format!("on {}, but this call is about {}", own.origin(), other.origin());
        Error::usage(self.written(), reason)
            .with_hint("use the name without the address, or leave out --url and CIBRIDGE_JENKINS_URL")
    }

    /// The job that is named. Fails with code 2 for anything else but a job or a build of one.
    pub fn into_job(self) -> Result<JobRef, Error> {
        match self {
            Self::Job(job) | Self::Build(job, _) => Ok(job),
            other => Err(Error::usage(format!("{other}"), "not a job")
                .with_hint("use the job's full name, e.g. folder/sub/job, or the address of its page")),
        }
    }

    /// The error for a target that should be a build or a queue item.
    pub fn not_a_build(&self) -> Error {
        Error::usage(self.written(), "not a build").with_hint(
            "use the address of the build's page, folder/job#12 or folder/job#lastBuild; for a queue item its address or queue/item/N",
        )
    }
}

/// What an address bar may show unescaped; what is not ASCII is always escaped.
const BLANKS: &AsciiSet = &CONTROLS.add(b' ');

/// What branch-api escapes in an item's name (`jenkins.branch.NameEncoder`).
const RESERVED: [char; 7] = ['#', '%', '/', '?', '[', ']', '\\'];

/// The item's name that branch-api makes of a branch's name (`jenkins.branch.NameEncoder`).
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

/// What the segments of a path name: first the context path, then what Jenkins knows.
#[derive(Default)]
struct Walk {
    context: String,
    job: JobRef,
    build: Option<BuildName>,
    queue_item: Option<u64>,
}

impl Walk {
    fn through(path: &str, shown: &str) -> Result<Self, Error> {
        let decoded = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
        // The address of the API is a page of the same thing.
        let path = path.trim_end_matches('/');
        let path =
            ["/api/json", "/api/xml", "/api/python"].iter().find_map(|api| path.strip_suffix(api)).unwrap_or(path);
        let mut segments = path.split('/').filter(|segment| !segment.is_empty()).peekable();
        let mut walk = Self::default();
        let mut inside = false;
        while let Some(segment) = segments.next() {
            match segment {
                "job" => {
                    let name = decoded(segments.next().unwrap_or_default());
                    if !is_name(&name) {
                        return Err(Error::usage(format!("address {shown}"), "no job name after /job/"));
                    }
                    // A browser that unescaped the address once too often.
                    let name = if name.contains('/') { encode_branch(&name) } else { name };
                    walk.job.names.push(Name::Item(name));
                }
                "view" => drop(segments.next()),
                "user" | "me" if segment == "me" || segments.clone().nth(1) == Some("my-views") => {
                    if segment == "user" {
                        segments.next();
                    }
                    segments.next();
                }
                "queue" if segments.peek() == Some(&"item") => {
                    walk.queue_item = segments.nth(1).and_then(|id| id.parse().ok());
                    break;
                }
                "blue" => {
                    walk.blue_ocean(&mut segments.by_ref().map(decoded))?;
                    break;
                }
                segment if inside => {
                    let name = decoded(segment);
                    if is_part(&name) && !walk.job.is_root() {
                        // `/job/M/label=x/12/`, and `/job/M/12/label=x/`: the same build.
                        walk.job.names.push(Name::Part(name));
                    } else if walk.build.is_none() && BuildName::parse(segment).is_some() {
                        walk.build = BuildName::parse(segment);
                    } else {
                        break;
                    }
                }
                other => {
                    walk.context.push('/');
                    walk.context.push_str(other);
                    continue;
                }
            }
            inside = true;
        }
        Ok(walk)
    }

    /// `organizations/jenkins/FULL%2FNAME/detail/BRANCH-OR-JOB/NUMBER/pipeline`
    fn blue_ocean(&mut self, segments: &mut dyn Iterator<Item = String>) -> Result<(), Error> {
        let Some(name) = segments.nth(2) else { return Ok(()) };
        self.job = JobRef::from_full_name(&name)?;
        if segments.next().as_deref() == Some("detail")
            && let Some(branch) = segments.next()
        {
            // The page of an ordinary pipeline repeats its own name in the branch's place.
            if branch != self.job.name() {
                self.job = std::mem::take(&mut self.job).branch(&branch);
            }
            self.build = segments.next().and_then(|number| BuildName::parse(&number));
        }
        Ok(())
    }

    fn target(self, root: Option<String>, text: &str) -> Target {
        if let Some(id) = self.queue_item {
            return Target::QueueItem(QueueItemRef { id, root });
        }
        if self.job.is_root() {
            return Target::Controller(root.unwrap_or_default());
        }
        let job = JobRef { names: self.job.names, root, text: Some(text.to_owned()) };
        match self.build {
            Some(build) => Target::Build(job, build),
            None => Target::Job(job),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(name: &str) -> JobRef {
        JobRef::from_full_name(name).unwrap()
    }

    /// A job or build and the root that the address named.
    fn at(root: &str, name: &str, build: &str) -> (Option<String>, Target) {
        let root = (!root.is_empty()).then(|| root.to_owned());
        let target = match BuildName::parse(build) {
            Some(build) => Target::Build(job(name), build),
            None => Target::Job(job(name)),
        };
        (root, target)
    }

    #[test]
    fn every_form_of_an_address_is_understood() {
        let host = "https://ci.example";
        for (text, expected) in [
            ("folder/sub/job", at("", "folder/sub/job", "")),
            ("repo/feature%2Fx", at("", "repo/feature%2Fx", "")),
            ("folder/job#12", at("", "folder/job", "12")),
            ("folder/job#lastBuild", at("", "folder/job", "lastBuild")),
            ("c#", at("", "c#", "")),
            ("/job/folder/job/with%20space/7/console", at("", "folder/with space", "7")),
            ("https://ci.example/job/a/", at(host, "a", "")),
            ("https://ci.example/job/a/api/json?tree=name", at(host, "a", "")),
            ("https://ci.example/jenkins/job/a/job/b%25c/12/console", at("https://ci.example/jenkins", "a/b%c", "12")),
            ("https://ci.example/view/My%20View/job/a/build?delay=0sec", at(host, "a", "")),
            ("https://ci.example/job/f/view/all/job/a/lastSuccessfulBuild/", at(host, "f/a", "lastSuccessfulBuild")),
            ("https://ci.example/user/me/my-views/view/all/job/a/3/", at(host, "a", "3")),
            ("https://ci.example/me/my-views/view/all/job/a/", at(host, "a", "")),
            ("https://ci.example/job/repo/job/feature%252Fx/4/", at(host, "repo/feature%2Fx", "4")),
            ("https://ci.example/job/repo/job/feature%2Fx/4/", at(host, "repo/feature%2Fx", "4")),
            (
                "https://ci.example/blue/organizations/jenkins/f%2Frepo/detail/feature%2Fx/9/pipeline/21",
                at(host, "f/repo/feature%2Fx", "9"),
            ),
            ("https://ci.example/blue/organizations/jenkins/f%2Fjob/detail/job/9/pipeline", at(host, "f/job", "9")),
            ("https://ci.example/blue/organizations/jenkins/f%2Fjob/activity", at(host, "f/job", "")),
            ("https://ci.example/job/with space/job/ü/3", at(host, "with space/ü", "3")),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!((target.root().map(str::to_owned), target), expected, "{text}");
        }
        for (text, root) in [
            ("https://ci.example/jenkins/", "https://ci.example/jenkins"),
            ("https://ci.example", host),
            ("https://ci.example/api/json", host),
            ("https://ci.example/jenkins/api/xml/", "https://ci.example/jenkins"),
        ] {
            assert_eq!(Target::parse(text).unwrap(), Target::Controller(root.to_owned()), "{text}");
        }
        for (text, root) in
            [("queue/item/45", None), ("https://ci.example/jenkins/queue/item/45/", Some("https://ci.example/jenkins"))]
        {
            let item = QueueItemRef { id: 45, root: root.map(str::to_owned) };
            assert_eq!(Target::parse(text).unwrap(), Target::QueueItem(item), "{text}");
        }
        for wrong in ["", "a//b", "../x", "/folder job/", "https://ci.example/job/", "ftp://ci.example/job/a"] {
            assert!(Target::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn matrix_configurations_and_maven_modules_are_jobs_of_their_own() {
        for (text, name, path, build) in [
            ("https://ci.example/job/mx/A=1/7/", "mx/A=1", "/job/mx/A=1", Some(7)),
            ("https://ci.example/job/mx/7/A=1/console", "mx/A=1", "/job/mx/A=1", Some(7)),
            (
                "https://ci.example/job/f/job/mx/OS=linux,JDK=21/",
                "f/mx/OS=linux,JDK=21",
                "/job/f/job/mx/OS=linux,JDK=21",
                None,
            ),
            ("https://ci.example/job/mx/A=a%20b/1/", "mx/A=a b", "/job/mx/A=a%20b", Some(1)),
            ("https://ci.example/job/p/org.x$core/3/", "p/org.x$core", "/job/p/org.x$core", Some(3)),
            ("mx/A=1#7", "mx/A=1", "/job/mx/A=1", Some(7)),
        ] {
            let (job, number) = match Target::parse(text).unwrap() {
                Target::Build(job, BuildName::Number(number)) => (job, Some(number)),
                Target::Job(job) => (job, None),
                other => panic!("{other:?}"),
            };
            assert_eq!((job.to_string().as_str(), job.path().as_str(), number), (name, path, build), "{text}");
            assert_eq!(JobRef::from_full_name(&job.to_string()).unwrap(), job);
        }
        // An item may have such a name: its own address says so.
        let Target::Job(item) = Target::parse("https://ci.example/job/f/job/a=b/").unwrap() else { panic!() };
        assert_eq!(item.path(), "/job/f/job/a=b");
        assert_eq!(job("a=b").path(), "/job/a=b");
    }

    #[test]
    fn paths_are_encoded_once_and_branches_twice() {
        for (name, path) in [
            ("folder/with space/ü", "/job/folder/job/with%20space/job/%C3%BC"),
            ("a%b", "/job/a%25b"),
            ("repo/feature%2Fx", "/job/repo/job/feature%252Fx"),
        ] {
            assert_eq!(job(name).path(), path);
        }
        assert_eq!(job("repo").branch("feature/x").path(), "/job/repo/job/feature%252Fx");
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
                let job = job("folder/repo").branch(&branch);
                let text = format!("https://ci.example/ctx{}/7/", job.path());
                assert_eq!(Target::parse(&text).unwrap(), Target::Build(job, BuildName::Number(7)), "{branch:?}");
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
