//! From a queue item to its build.
//!
//! An item is readable for five minutes after it left the queue, and is forgotten when Jenkins restarts. But every
//! build keeps the id of its item, so the build is found even then. It is never guessed from `lastBuild`.

use serde_json::Value;

use super::client::Client;
use super::reference::{JobPath, parse};
use crate::error::{Error, ExitCode, RequestError};
use crate::json::{flag, number, objects, str, text};

/// What a queue item's answer is asked for.
const ITEM: &str = "_class,id,why,blocked,stuck,cancelled,inQueueSince,task[url],executable[number,url]";

/// How many of the newest builds are searched: more than a busy job starts in five minutes.
const SEARCHED: u32 = 100;

/// Where a queue item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It waits.
    Waiting,
    /// It has left the queue, and its build is being made.
    Leaving,
    /// Somebody canceled it.
    Canceled,
    /// Its build has this number.
    Started(u64),
}

/// A queue item as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where it stands.
    pub state: State,
    /// Why it waits, in Jenkins' words.
    pub why: Option<String>,
    /// Whether Jenkins itself finds that it waits too long.
    pub stuck: bool,
    /// Since when, in milliseconds since 1970 on the controller's clock.
    pub since: u64,
    /// The job that it is to start.
    pub job: Option<JobPath>,
}

/// What became of an item that Jenkins does not show any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// Its build has this number.
    Build(u64),
    /// It waits after all.
    Queued,
    /// Neither.
    Gone,
}

impl Client {
    /// A queue item; `None` when Jenkins does not know it (any more).
    pub fn item(&self, id: u64) -> Result<Option<Item>, RequestError> {
        let (what, subject) = (format!("reading queue item {id}"), format!("queue item {id}"));
        match self.json(&what, &subject, &format!("/queue/item/{id}/api/json?tree={}", brackets(ITEM))) {
            Ok(wire) => Ok(Some(read(&wire))),
            Err(miss) if miss.error.code() == ExitCode::NotFound => Ok(None),
            Err(miss) => Err(miss),
        }
    }

    /// Looks for the build, or the item, behind the id of an item that Jenkins does not show any more.
    ///
    /// A controller that was killed counts its items from the beginning: builds before number `oldest` may have the
    /// same id, and are older than the item. Without that knowledge (0) the newest build counts.
    pub fn recover(&self, job: &JobPath, id: u64, oldest: u64) -> Result<Recovery, RequestError> {
        let tree = brackets(&format!("builds[number,queueId]{{0,{SEARCHED}}}"));
        let path = format!("{}/api/json?tree={tree}", job.path());
        let found = self.json(&format!("looking for the build of queue item {id}"), &format!("job {job}"), &path)?;
        let own = objects(&found, "builds").filter(|build| number(build, "queueId") == Some(id));
        if let Some(build) = own.filter_map(|build| number(build, "number")).find(|build| *build >= oldest) {
            return Ok(Recovery::Build(build));
        }
        let path = format!("/queue/api/json?tree={}", brackets("items[id]"));
        let queue = self.json("reading the queue", "the queue", &path)?;
        let waits = objects(&queue, "items").any(|item| number(item, "id") == Some(id));
        Ok(if waits { Recovery::Queued } else { Recovery::Gone })
    }

    /// Cancels a queue item. Gives false when it is not in the queue any more: then its build is what to stop.
    pub fn cancel_item(&self, id: u64) -> Result<bool, RequestError> {
        let (what, subject) = (format!("canceling queue item {id}"), format!("queue item {id}"));
        let response =
            self.post(&format!("/queue/cancelItem?id={id}"), None).map_err(|error| error.into_miss(&what))?;
        match response.status {
            204 => Ok(true),
            // 404 and 500 tell of an item that left; versions before 2.235 answered 302 in any case. The item itself knows.
            302 | 404 | 500 => Ok(matches!(self.item(id)?, Some(Item { state: State::Canceled, .. }))),
            422 => Err(RequestError::permanent(
                Error::new(ExitCode::Denied, what, format!("{} may not cancel it (HTTP 422)", self.login()))
                    .with_hint("the permission Job/Cancel is missing"),
            )),
            _ => Err(self.miss(&what, &subject, &response)),
        }
    }
}

/// Brackets and braces percent-encoded, which strict proxies want.
pub(super) fn brackets(tree: &str) -> String {
    tree.replace('[', "%5B").replace(']', "%5D").replace('{', "%7B").replace('}', "%7D")
}

/// Reads what `GET /queue/item/N/api/json` answers.
fn read(wire: &Value) -> Item {
    let left = str(wire, "_class").is_some_and(|class| class.ends_with("LeftItem"));
    let state = match number(&wire["executable"], "number") {
        Some(number) => State::Started(number),
        None if flag(wire, "cancelled") == Some(true) => State::Canceled,
        None if left => State::Leaving,
        None => State::Waiting,
    };
    Item {
        state,
        why: text(wire, "why").filter(|why| !why.is_empty()),
        stuck: flag(wire, "stuck") == Some(true) && flag(wire, "blocked") != Some(true),
        since: number(wire, "inQueueSince").unwrap_or_default(),
        job: job(wire),
    }
}

/// The job that an item is to start.
pub(super) fn job(item: &Value) -> Option<JobPath> {
    Some(parse(str(&item["task"], "url")?).ok()?.job).filter(|job| !job.is_root())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_of_an_item_is_told_apart() {
        for (text, state, why) in [
            (
                r#"{"_class":"hudson.model.Queue$WaitingItem","id":9,"why":"In the quiet period. Expires in 4.9 sec"}"#,
                State::Waiting,
                Some("In the quiet period. Expires in 4.9 sec"),
            ),
            (
                r#"{"_class":"hudson.model.Queue$BuildableItem","buildable":true,"pending":true,"why":null,"executable":null}"#,
                State::Waiting,
                None,
            ),
            (
                r#"{"_class":"hudson.model.Queue$LeftItem","cancelled":false,"executable":null,"why":null}"#,
                State::Leaving,
                None,
            ),
            (r#"{"_class":"hudson.model.Queue$LeftItem","cancelled":true,"why":null}"#, State::Canceled, None),
            (
                r#"{"_class":"hudson.model.Queue$LeftItem","cancelled":false,"executable":{"number":7,"url":"http://inside/job/a/7/"}}"#,
                State::Started(7),
                None,
            ),
        ] {
            let item = read(&serde_json::from_str(text).unwrap());
            assert_eq!((item.state, item.why.as_deref()), (state, why), "{text}");
        }
    }
}
