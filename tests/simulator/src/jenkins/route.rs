//! The routes from the root to a job, and the queue.

use super::auth::authenticate;
use super::config::{JenkinsAccess as Access, JobKind};
use super::form::Form;
use super::pages::{self, CONFIGURE, EXTENDED_READ, OVERALL_READ};
use super::state::Jenkins;
use super::wire::default_config_xml;
use super::{Call, segment};
use crate::clock::Advance;
use crate::content::Content;
use crate::http::{Request, Response, decode};
use crate::world::World;
use serde_json::json;

/// Longest path and query that the servlet container takes.
const LONGEST_TARGET: usize = 8 << 10;

/// Answers a request to the Jenkins.
pub(crate) fn answer(world: &mut World, request: &Request) -> Response {
    let now = world.now();
    let poll = world.clock.mode == Advance::Poll;
    let World { jenkins: Some(j), ids, addresses, .. } = world else { return Response::empty(404) };
    let mut response = in_front(j, request).unwrap_or_else(|| {
        let caller = match authenticate(j, request, now) {
            Ok(caller) => caller,
            Err(response) => return *response,
        };
        let access = j.access(caller.name.as_deref());
        let method = if request.method == "HEAD" { "GET" } else { request.method.as_str() };
        let (form, storage) = (Form::read(request), &addresses.storage);
        let (polled, listed) = (None, false);
        let mut call = Call { j, ids, now, storage, request, method, caller, access, form, polled, listed };
        let response = call.route();
        if poll {
            call.move_polled();
        }
        response
    });
    if response.status != 503 {
        response.headers.insert(0, ("Server".to_owned(), "Jetty(12.0.14)".to_owned()));
        response.set("X-Content-Type-Options", "nosniff");
        // Pages of the container and the answer to unknown paths do not pass the filter that sets it.
        let unfiltered = |(name, value): &(String, String)| match name.as_str() {
            "Cache-Control" => value.starts_with("must-revalidate"),
            "Expires" => value == "0",
            _ => false,
        };
        if !response.headers.iter().any(unfiltered) {
            response.set("Vary", "Accept-Encoding");
        }
    }
    response
}

/// What answers before Jenkins itself does: its start, a proxy, a single sign-on.
fn in_front(j: &mut Jenkins, request: &Request) -> Option<Response> {
    if j.starting > 0 {
        j.starting -= 1;
        return Some(pages::starting());
    }
    if request.path.len() + request.query.len() > LONGEST_TARGET {
        return Some(pages::container_page(&request.path, 414, "URI Too Long"));
    }
    let to_sso = |location: &str| Response::empty(302).with("Location", location);
    if let Some((name, value)) = &j.config.proxy_header {
        if request.header(name) == Some(value) {
            return None;
        }
        let page = "<html><head><title>Forbidden</title></head><body>You are not allowed through here.</body></html>";
        return Some(j.config.sso.as_deref().map_or_else(|| Response::html(403, page), to_sso));
    }
    let nobody = request.header("authorization").is_none() && request.header("cookie").is_none();
    j.config.sso.as_deref().filter(|_| nobody).map(to_sso)
}

impl Call<'_> {
    /// Moves the runs that were asked for.
    fn move_polled(&mut self) {
        if let Some(index) = self.polled {
            self.j.move_on(index, None);
        }
        for index in 0..self.j.runs.len() {
            let run = &self.j.runs[index];
            if self.listed && run.item_gone && run.number.is_none() && run.active() {
                self.j.move_on(index, None);
            }
        }
    }

    fn route(&mut self) -> Response {
        let request = self.request;
        let context = self.j.config.context.clone();
        let Some(path) = request.path.strip_prefix(&context).filter(|p| p.is_empty() || p.starts_with('/')) else {
            return pages::container_page(&request.path, 404, "Not Found");
        };
        let decoded: Vec<String> = path.split('/').filter(|s| !s.is_empty()).map(decode).collect();
        let segments: Vec<&str> = decoded.iter().map(String::as_str).collect();
        if segments.first() != Some(&"buildByToken")
            && let Some(response) = self.missing_crumb()
        {
            return response;
        }
        match (self.method, &segments[..]) {
            ("GET", ["login"]) => self.login_page(),
            ("GET", ["whoAmI", "api", "json"]) => self.who_am_i(),
            (_, ["buildByToken", "build"]) => self.build_by_token(false),
            (_, ["buildByToken", "buildWithParameters"]) => self.build_by_token(true),
            _ if self.access == Access::None => self.forbidden(&OVERALL_READ),
            ("GET", []) => self.page(200, "Dashboard - Jenkins", "Welcome to Jenkins!"),
            // Whatever follows is ignored.
            ("GET", ["api", "json", ..]) => self.json(&self.j.root_json(self.caller.name.as_deref())),
            ("GET", ["me", "api", "json"]) => {
                let name = self.caller.name.clone();
                self.json(&json!({"_class": "hudson.model.User", "id": name, "fullName": name}))
            }
            ("GET", ["crumbIssuer", "api", "json"]) => self.crumb_issuer(),
            (_, ["queue", rest @ ..]) => self.queue(rest),
            (_, ["me", "descriptorByName", "jenkins.security.ApiTokenProperty", action]) => self.tokens(None, action),
            (_, ["user", name, "descriptorByName", "jenkins.security.ApiTokenProperty", action]) => {
                self.tokens(Some(name), action)
            }
            (_, ["job" | "view", ..]) => self.item("", &segments),
            _ => self.not_found(),
        }
    }

    fn who_am_i(&mut self) -> Response {
        let anonymous = self.caller.name.is_none();
        self.json(&json!({
            "_class": "hudson.security.WhoAmI", "anonymous": anonymous, "authenticated": true,
            "authorities": [if anonymous { "anonymous" } else { "authenticated" }],
            "name": self.caller.name.as_deref().unwrap_or("anonymous"),
        }))
    }

    fn queue(&mut self, rest: &[&str]) -> Response {
        match (self.method, rest) {
            ("GET", ["api", "json"]) => {
                self.listed = true;
                let items: Vec<_> = self.j.queued_items();
                self.json(&json!({"_class": "hudson.model.Queue", "discoverableItems": [], "items": items}))
            }
            ("GET", ["item", id, "api", "json"]) => {
                let id = id.parse().unwrap_or(0);
                if let Some(index) = self.j.item(id, self.now) {
                    self.polled = Some(index).filter(|i| self.j.runs[*i].number.is_none());
                    return self.json(&self.j.item_json(&self.j.runs[index]));
                }
                match self.j.node_item_json(id) {
                    Some(item) => self.json(&item),
                    None => self.not_found(),
                }
            }
            ("POST", ["cancelItem"]) => {
                let id = self.form.first("id").and_then(|id| id.parse().ok());
                let Some(index) = id.and_then(|id| self.j.item(id, self.now)) else { return self.oops(404) };
                if self.access < Access::Build || self.j.runs[index].plan.uncancellable {
                    return self.oops(422);
                }
                if self.j.cancel(index, self.now) { Response::empty(204) } else { self.oops(500) }
            }
            (_, ["cancelItem"]) => self.post_only(),
            _ => self.not_found(),
        }
    }

    /// Walks down from the item `parent` along `job/NAME` and `view/NAME`.
    fn item(&mut self, parent: &str, segments: &[&str]) -> Response {
        match segments {
            ["view", _, rest @ ..] => self.item(parent, rest),
            ["job", name, rest @ ..] => {
                let full = if parent.is_empty() { (*name).to_owned() } else { format!("{parent}/{name}") };
                let hidden = |h: &String| self.caller.name.as_deref() == Some(h.as_str());
                // A name with a slash in it is no name.
                if name.contains('/') || self.j.jobs.get(&full).is_none_or(|j| j.def.hidden_from.iter().any(hidden)) {
                    return self.not_found();
                }
                if self.access == Access::Discover {
                    return self.denied(&format!("Please log in to access job {name}"));
                }
                self.item(&full, rest)
            }
            _ if parent.is_empty() => self.not_found(),
            [name, rest @ ..] if self.is_configuration(parent, name) => self.job(&format!("{parent}/{name}"), rest),
            [number, name, rest @ ..] if self.is_configuration(parent, name) => {
                let rest: Vec<&str> = std::iter::once(*number).chain(rest.iter().copied()).collect();
                self.job(&format!("{parent}/{name}"), &rest)
            }
            rest => self.job(parent, rest),
        }
    }

    fn is_configuration(&self, matrix: &str, name: &str) -> bool {
        self.j.jobs.get(&format!("{matrix}/{name}")).is_some_and(|j| j.def.kind == JobKind::Configuration)
    }

    fn job(&mut self, full: &str, rest: &[&str]) -> Response {
        match (self.method, rest) {
            ("GET", []) => self.page(200, &format!("{full} - Jenkins"), full),
            ("GET", ["api", "json"]) => {
                self.listed = true;
                self.json(&self.j.job_json(full, self.caller.name.as_deref()))
            }
            (_, ["build"]) => self.build(full),
            (_, ["buildWithParameters"]) => self.build_with_parameters(full),
            (_, ["config.xml"]) => self.config_xml(full),
            (_, [number, rest @ ..]) => match self.number(full, number) {
                Some(index) => self.run(index, rest),
                None => self.not_found(),
            },
            _ => self.not_found(),
        }
    }

    /// A build's number, or one of the names that stand for one.
    fn number(&self, full: &str, text: &str) -> Option<usize> {
        if let Ok(number) = text.parse() {
            return self.j.build(full, number);
        }
        let named = text.starts_with("last") && text.ends_with("Build");
        let number = self.j.job_json(full, None)[text]["number"].as_u64().filter(|_| named)?;
        self.j.build(full, number as u32)
    }

    fn config_xml(&mut self, full: &str) -> Response {
        if self.access < Access::Admin {
            return self.forbidden(if self.method == "POST" { &CONFIGURE } else { &EXTENDED_READ });
        }
        let Some(job) = self.j.jobs.get_mut(full) else { return self.not_found() };
        if self.method == "POST" {
            let text = String::from_utf8_lossy(&self.request.body).into_owned();
            if !text.trim_start().starts_with('<') || !text.trim_end().ends_with('>') {
                return self.oops(500);
            }
            job.disabled = text.contains("<disabled>true</disabled>");
            job.config_xml = Some(text);
            return Response::empty(200);
        }
        let text = job.config_xml.clone().unwrap_or_else(|| default_config_xml(job));
        Response::new(200, "application/xml", Content::from_text(&text))
    }

    /// Path of a build below the context.
    pub(super) fn build_path(&self, index: usize) -> String {
        let run = &self.j.runs[index];
        format!("{}{}/", self.j.job_path(&run.job), segment(&run.number.unwrap_or_default().to_string()))
    }
}
