//! The queue, and the way from a queue item to its build.
//!
//! An item is readable for five minutes after it left the queue (`hudson.model.Queue#leftItems`), and is forgotten when
//! Jenkins restarts. But every build keeps the id of its item (`hudson.model.Run#getQueueId`, since 1.601), so the
//! build is found even then. It is never guessed from `lastBuild`.

use super::client::{Client, tree};
use super::reference::{BuildName, BuildRef, JobRef, Target};
use super::wire::{self, MOST_BUILDS};
use crate::error::{Error, ExitCode, RequestError};

/// What is asked for about a queue item.
const ITEM_FIELDS: &str = "_class,id,why,blocked,stuck,cancelled,inQueueSince,task[url],executable[number,url]";

/// The state of a queue item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueState {
    /// It waits.
    Waiting,
    /// It has left the queue, and its build is being created.
    Leaving,
    /// It was canceled.
    Canceled,
    /// This is its build.
    Started(BuildRef),
}

/// A queue item as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueItem {
    pub id: u64,
    pub state: QueueState,
    /// Why it waits, in Jenkins' words.
    pub why: Option<String>,
    /// Whether Jenkins itself finds that it waits too long.
    pub stuck: bool,
    /// Since when, in milliseconds since 1970 on the controller's clock; 0 when that is not known.
    pub since: u64,
    /// The job that it is to start.
    pub job: Option<JobRef>,
    /// The running build that waits for an agent with this item, when it is that of a Pipeline's `node` step.
    pub waiting_build: Option<BuildRef>,
}

/// What became of an item that Jenkins no longer shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovery {
    Build(BuildRef),
    /// It waits after all.
    Queued,
    /// Neither.
    Gone,
}

/// Why a running Pipeline has no agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentWait {
    /// In Jenkins' words.
    pub why: String,
    /// How long it has waited, in milliseconds.
    pub waited: u64,
    /// Whether the build occupies no executor at all meanwhile; false as well where that is hidden.
    pub is_idle: bool,
}

impl Client {
    /// A queue item; `None` when Jenkins does not know it (any more).
    pub fn queue_item(&self, id: u64) -> Result<Option<QueueItem>, RequestError> {
        let path = format!("/queue/item/{id}/api/json?{}", tree(ITEM_FIELDS));
        match self.json(&format!("queue item {id}"), &path, |item: &wire::QueueItem| item.id.0 == Some(id)) {
            Ok(item) => Ok(Some(read(&item))),
            Err(error) if error.error.code() == ExitCode::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What waits in the queue and is visible to these credentials, in Jenkins' order.
    pub fn queue(&self) -> Result<Vec<QueueItem>, RequestError> {
        Ok(self.queue_items(ITEM_FIELDS)?.iter().filter(|item| item.id.0.is_some()).map(read).collect())
    }

    pub(super) fn queue_items(&self, fields: &str) -> Result<Vec<wire::QueueItem>, RequestError> {
        let path = format!("/queue/api/json?{}", tree(&format!("items[{fields}]")));
        let queue: wire::Queue = self.json("the queue", &path, |queue: &wire::Queue| queue.items.given)?;
        Ok(queue.items.entries)
    }

    /// Searches the build, or the item, with the id of an item that Jenkins no longer shows.
    ///
    /// A controller that was killed counts its items from the beginning: builds before number `oldest` may have the
    /// same id, and are older than the item. Without that knowledge (0) the newest build counts.
    pub fn recover(&self, job: &JobRef, id: u64, oldest: u64) -> Result<Recovery, RequestError> {
        let tree = tree(&format!("_class,name,builds[number,queueId]{{0,{MOST_BUILDS}}}"));
        let path = format!("{}/api/json?{tree}", job.path());
        let found: wire::Job = self.json(&format!("job {job}"), &path, wire::is_job)?;
        let own = found.builds.entries.into_iter().filter(|build| build.queue_id.0 == Some(id));
        if let Some(number) = own.filter_map(|build| build.number.0).find(|number| *number >= oldest) {
            return Ok(Recovery::Build(job.build(number)));
        }
        let waits = self.queue_items("id")?.iter().any(|item| item.id.0 == Some(id));
        Ok(if waits { Recovery::Queued } else { Recovery::Gone })
    }

    /// Cancels a queue item. Gives false when it is no longer in the queue: then its build is what to stop.
    pub fn cancel_queue_item(&self, id: u64) -> Result<bool, RequestError> {
        let subject = format!("queue item {id}");
        let path = format!("/queue/cancelItem?id={id}");
        let response = self.post(&path, None).map_err(|error| error.into_request_error(&subject))?;
        match response.status {
            204 => Ok(true),
            // An item that has left is answered with 404 or 500; versions before 2.235 answered 302 in any case
            // (JENKINS-21311). The item itself is exact.
            302 | 404 | 500 => Ok(matches!(self.queue_item(id)?, Some(QueueItem { state: QueueState::Canceled, .. }))),
            422 => Err(RequestError::permanent(
                Error::new(ExitCode::Denied, subject, format!("{} may not cancel it (HTTP 422)", self.identity()))
                    .with_hint("an administrator can grant the permission Job/Cancel"),
            )),
            _ => Err(self.refusal(&subject, &response)),
        }
    }

    /// Why a running Pipeline waits for an agent; `None` when it does not. Two small requests at most.
    ///
    /// A `node` step waits in the queue as an item of its own (`ExecutorStepExecution.PlaceholderTask`), long after the
    /// item of the build itself has left.
    pub fn agent_wait(&self, build: &BuildRef) -> Result<Option<AgentWait>, RequestError> {
        let items = self.queue_items(ITEM_FIELDS)?;
        let mut own = items.iter().map(read).filter(|item| item.waiting_build.as_ref() == Some(build));
        let Some(item) = own.next() else { return Ok(None) };
        Ok(Some(AgentWait {
            why: item.why.unwrap_or_default(),
            waited: if item.since > 0 { self.controller_time().saturating_sub(item.since) } else { 0 },
            is_idle: self.occupies_executor(build).is_ok_and(|occupies| !occupies),
        }))
    }

    fn occupies_executor(&self, build: &BuildRef) -> Result<bool, RequestError> {
        let path = format!("/computer/api/json?{}", tree("computer[executors[currentExecutable[url]]]"));
        let nodes: wire::Computers = self.json("the agents", &path, |nodes: &wire::Computers| nodes.computer.given)?;
        let mut urls = nodes
            .computer
            .entries
            .iter()
            .flat_map(|node| &node.executors.entries)
            .filter_map(|executor| executor.current_executable.0.as_ref()?.url.text());
        Ok(urls.any(|url| reported_build(url).as_ref() == Some(build)))
    }
}

/// The error about a queue item that Jenkins does not show, and whose job is not known.
pub(super) fn forgotten(id: u64) -> Error {
    Error::new(
        ExitCode::NotFound,
        format!("queue item {id}"),
        "not known to Jenkins: it left the queue more than five minutes ago, or never existed",
    )
    .with_hint("pass its job with --job: its build is found there by the ID of the item")
}

/// Reads what `GET /queue/item/N/api/json` answers.
fn read(item: &wire::QueueItem) -> QueueItem {
    let has_left = item.class.text_or_empty().ends_with("LeftItem");
    let waiting_build = task_url(item).and_then(reported_build);
    // The address of the executable is the truth: the number alone would be that of a matrix configuration's parent.
    let executable = item.executable.0.as_ref();
    let started = executable.and_then(|executable| {
        executable.url.text().and_then(reported_build).or_else(|| Some(job_of(item)?.build(executable.number.0?)))
    });
    let state = match started {
        Some(build) => QueueState::Started(build),
        None if item.cancelled.0 == Some(true) => QueueState::Canceled,
        None if has_left => QueueState::Leaving,
        None => QueueState::Waiting,
    };
    QueueItem {
        id: item.id.0.unwrap_or_default(),
        state,
        why: item.why.0.clone().filter(|why| !why.is_empty()),
        stuck: item.stuck.0 == Some(true) && item.blocked.0 != Some(true),
        since: item.in_queue_since.0.unwrap_or_default(),
        job: job_of(item),
        waiting_build,
    }
}

/// The job that an item is to start.
pub(super) fn job_of(item: &wire::QueueItem) -> Option<JobRef> {
    reported(task_url(item)?)?.into_job().ok()
}

fn task_url(item: &wire::QueueItem) -> Option<&str> {
    item.task.0.as_ref()?.url.text()
}

/// What an address names that Jenkins itself reports: absolute, or relative to its root.
fn reported(url: &str) -> Option<Target> {
    let relative = !url.contains("://");
    Target::parse(&if relative { format!("/{}", url.trim_start_matches('/')) } else { url.to_owned() }).ok()
}

/// The build that an address names which Jenkins itself reports.
pub(super) fn reported_build(url: &str) -> Option<BuildRef> {
    match reported(url)? {
        Target::Build(job, BuildName::Number(number)) => Some(BuildRef { job, number }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(text: &str) -> QueueItem {
        read(&wire::decode(text.as_bytes()).unwrap())
    }

    fn build(job: &str, number: u64) -> BuildRef {
        JobRef::from_full_name(job).unwrap().build(number)
    }

    #[test]
    fn every_state_of_an_item_is_told_apart() {
        for (text, state, why) in [
            (
                r#"{"_class":"hudson.model.Queue$WaitingItem","id":9,"why":"In the quiet period. Expires in 4.9 sec"}"#,
                QueueState::Waiting,
                Some("In the quiet period. Expires in 4.9 sec"),
            ),
            (
                r#"{"_class":"hudson.model.Queue$BuildableItem","buildable":true,"pending":true,"why":null,"executable":null}"#,
                QueueState::Waiting,
                None,
            ),
            (
                r#"{"_class":"hudson.model.Queue$LeftItem","cancelled":false,"executable":null,"why":null}"#,
                QueueState::Leaving,
                None,
            ),
            (r#"{"_class":"hudson.model.Queue$LeftItem","cancelled":true,"why":null}"#, QueueState::Canceled, None),
            (
                r#"{"_class":"hudson.model.Queue$LeftItem","cancelled":false,"executable":{"number":7,"url":"http://inside/job/a/7/"}}"#,
                QueueState::Started(build("a", 7)),
                None,
            ),
            (
                r#"{"_class":"hudson.model.Queue$LeftItem","task":{"url":"http://inside/job/a/"},"executable":{"number":7}}"#,
                QueueState::Started(build("a", 7)),
                None,
            ),
        ] {
            let item = item(text);
            assert_eq!((item.state, item.why.as_deref()), (state, why), "{text}");
        }
    }

    #[test]
    fn the_address_of_the_executable_decides_which_build_an_item_became() {
        let configuration = item(
            r#"{"_class":"hudson.model.Queue$LeftItem","id":17,"task":{"_class":"hudson.matrix.MatrixConfiguration",
                "name":"A=1","url":"http://127.0.0.1:1/job/mx/A=1/"},"cancelled":false,
                "executable":{"_class":"hudson.matrix.MatrixRun","number":1,"url":"http://127.0.0.1:1/job/mx/A=1/1/"}}"#,
        );
        assert_eq!(configuration.state, QueueState::Started(build("mx/A=1", 1)));
        assert_eq!((configuration.job.unwrap().to_string(), configuration.waiting_build), ("mx/A=1".to_owned(), None));
        let node_step = item(
            r#"{"_class":"hudson.model.Queue$LeftItem","id":3,"cancelled":false,
                "task":{"_class":"org.jenkinsci.plugins.workflow.support.steps.ExecutorStepExecution$PlaceholderTask","url":"job/ts-pipe/1/"},
                "executable":{"number":1,"url":"http://127.0.0.1:1/job/ts-pipe/1/"}}"#,
        );
        assert_eq!(node_step.state, QueueState::Started(build("ts-pipe", 1)));
        let waiting_step = item(
            r#"{"_class":"hudson.model.Queue$BuildableItem","id":32,"why":"There are no nodes with the label",
                "task":{"url":"job/f/job/stuck/4/"}}"#,
        );
        assert_eq!(waiting_step.state, QueueState::Waiting);
        assert_eq!(waiting_step.waiting_build, Some(build("f/stuck", 4)));
        assert_eq!(waiting_step.job.unwrap().to_string(), "f/stuck");
    }
}
