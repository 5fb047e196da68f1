//! Answers that are not JSON: error pages of Jenkins itself and of the servlet container, redirects to the log-in.

use super::Call;
use super::log::escape;
use crate::content::Content;
use crate::http::{Response, encode};

const NO_STORE: &str = "no-cache,no-store,must-revalidate";
pub(crate) const LONG_AGO: &str = "Thu, 01 Jan 1970 00:00:00 GMT";
const VERSION: &str = "2.516.2";
/// Stands for the public key that every page carries.
const IDENTITY: &str = "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAc2ltdWxhdGVkIGplbmtpbnMgaWRlbnRpdHkQIDAQAB";

/// A page of the servlet container, which knows nothing of Jenkins.
pub(crate) fn container_page(path: &str, status: u16, message: &str) -> Response {
    let text = escape(message);
    let page = format!(
        "<html>\n<head>\n<meta http-equiv=\"Content-Type\" content=\"text/html;charset=ISO-8859-1\"/>\n\
         <title>Error {status} {text}</title>\n</head>\n<body><h2>HTTP ERROR {status} {text}</h2>\n<table>\n\
         <tr><th>URI:</th><td>{}</td></tr>\n<tr><th>STATUS:</th><td>{status}</td></tr>\n\
         <tr><th>MESSAGE:</th><td>{text}</td></tr>\n<tr><th>SERVLET:</th><td>Stapler</td></tr>\n</table>\n\
         <hr/><a href=\"https://jetty.org/\">Powered by Jetty:// 12.0.14</a><hr/>\n\n</body>\n</html>\n",
        escape(path)
    );
    Response::new(status, "text/html;charset=iso-8859-1", Content::from_text(&page))
        .with("Cache-Control", "must-revalidate,no-cache,no-store")
}

/// Wrong name, password or token.
pub(crate) fn unauthorized(path: &str) -> Response {
    container_page(path, 401, "Unauthorized")
        .with("Set-Cookie", &format!("remember-me=; Path=/; Expires={LONG_AGO}; Max-Age=0; SameSite=Lax"))
        .with("WWW-Authenticate", "Basic realm=\"Jenkins\"")
}

/// What every request gets while Jenkins starts. It has none of Jenkins' headers.
pub(crate) fn starting() -> Response {
    let page = "<!DOCTYPE html><html><head><title>Starting Jenkins</title></head><body>\
                <h1>Please wait while Jenkins is getting ready to work</h1>\
                <p>Your browser will reload automatically when Jenkins is ready.</p></body></html>";
    Response::html(503, page).with("Cache-Control", NO_STORE)
}

impl Call<'_> {
    /// Headers that identify Jenkins.
    pub(crate) fn advertise(&self, response: &mut Response) {
        response.set("X-Jenkins", VERSION);
        response.set("X-Jenkins-Session", &self.j.session_id);
    }

    /// A page in Jenkins' own layout.
    pub(crate) fn page(&mut self, status: u16, title: &str, panel: &str) -> Response {
        let base = self.j.config.context.clone();
        let session = self.j.session_id.clone();
        let page = format!(
            "\n  \n  <!DOCTYPE html><html><head resURL=\"{base}/static/{session}\" data-rooturl=\"{base}\">\n    \n    \n\n    \
             <title>{title}</title></head><body id=\"jenkins\" data-model-type=\"hudson.model.Hudson\">\
             <div id=\"main-panel\">{panel}</div><footer><a href=\"https://www.jenkins.io/\">Jenkins {VERSION}</a></footer>\
             </body></html>"
        );
        let mut response = Response::new(status, "text/html;charset=utf-8", Content::from_text(&page));
        for (name, value) in [
            ("Expires", LONG_AGO),
            ("Cache-Control", NO_STORE),
            ("X-Hudson-Theme", "default"),
            ("Referrer-Policy", "same-origin"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
        ] {
            response.set(name, value);
        }
        self.open_session(&mut response);
        response.set("X-Hudson", "1.395");
        self.advertise(&mut response);
        response.set("X-Frame-Options", "sameorigin");
        response.set("X-Instance-Identity", IDENTITY);
        response.with("Transfer-Encoding", "chunked")
    }

    /// "Not Found", also for things that one may not see.
    pub(crate) fn not_found(&mut self) -> Response {
        let panel = "<h1>Oops!</h1><h2>Not Found</h2><p>This page may not exist, or you may not have permission to see \
                     it.</p>";
        self.page(404, "Not Found - Jenkins", panel).with("Expires", "0")
    }

    /// A problem whose reason only the server's log has.
    pub(crate) fn oops(&mut self, status: u16) -> Response {
        let id = self.ids.uuid();
        let panel =
            format!("<h1>Oops!</h1><h2>A problem occurred while processing the request</h2><p>Logging ID={id}</p>");
        self.page(status, "Jenkins - Jenkins", &panel)
    }

    /// A `Failure`: its reason stands in a header.
    pub(crate) fn failure(&mut self, reason: &str) -> Response {
        let panel = format!("<h1>Error</h1><p>{}</p>", escape(reason));
        self.page(400, "Error - Jenkins", &panel).with("X-Error", reason)
    }

    /// This URL wants POST.
    pub(crate) fn post_only(&mut self) -> Response {
        let panel = "<h1>This URL requires POST</h1><p>The URL you're trying to access requires that requests be sent \
                     using POST (like a form submission).</p>";
        self.page(405, "Method Not Allowed - Jenkins", panel)
    }

    /// A trigger wants POST.
    pub(crate) fn post_to_build(&mut self) -> Response {
        let panel = "You must use POST method to trigger builds. (From scripts you may instead pass a per-project \
                     authentication token, or authenticate with your API token.)";
        self.page(405, "Form post required - Jenkins", panel).with("Allow", "POST")
    }

    /// A permission is missing, or the caller is anonymous.
    pub(crate) fn forbidden(&mut self, permission: &Permission) -> Response {
        let Some(name) = self.caller.name.clone() else { return self.log_in() };
        let panel = format!(
            "<h1>Access Denied</h1><p class=\"error\">{} is missing the {} permission</p>",
            escape(&name),
            permission.shown
        );
        let mut response = self.page(403, "Jenkins", &panel);
        response.set("X-You-Are-Authenticated-As", &name);
        let groups = "JENKINS-39402: use -Dhudson.security.AccessDeniedException2.REPORT_GROUP_HEADERS=true or use \
                      /whoAmI to diagnose";
        response.set("X-You-Are-In-Group-Disabled", groups);
        response.set("X-Required-Permission", permission.id);
        for implied in permission.implied {
            response.headers.push(("X-Permission-Implied-By".to_owned(), (*implied).to_owned()));
        }
        response
    }

    /// Access denied for a reason that is no permission.
    pub(crate) fn denied(&mut self, reason: &str) -> Response {
        if self.caller.name.is_none() {
            return self.log_in();
        }
        self.page(403, "Jenkins", &format!("<h1>Access Denied</h1><p class=\"error\">{}</p>", escape(reason)))
    }

    /// Sends anonymous to the log-in: 403 with a page that refreshes to it, no `Location`.
    pub(crate) fn log_in(&mut self) -> Response {
        if self.request.header("x-requested-with") == Some("XMLHttpRequest") {
            return Response::empty(403);
        }
        let mark = if self.request.query.is_empty() { "" } else { "?" };
        let from = encode(&format!("{}{mark}{}", self.request.path, self.request.query));
        let to = format!("{}/login?from={from}", self.j.config.context);
        let page = format!(
            "<html><head><meta http-equiv='refresh' content='1;url={to}'/><script id='redirect' \
             data-redirect-url='{to}' src='{}/static/{}/scripts/redirect.js'></script></head>\
             <body style='background-color:white; color:white;'>\nAuthentication required\n<!--\n-->\n\n</body></html>",
            self.j.config.context, self.j.session_id
        );
        let mut response = Response::new(403, "text/html;charset=utf-8", Content::from_text(&page));
        self.open_session(&mut response);
        response.set("Expires", LONG_AGO);
        response.set("X-Hudson", "1.395");
        self.advertise(&mut response);
        response.with("Transfer-Encoding", "chunked")
    }

    /// The log-in page.
    pub(crate) fn login_page(&mut self) -> Response {
        let panel = "<h1>Sign in to Jenkins</h1><form method=\"post\" name=\"login\" action=\"j_spring_security_check\">\
                     </form>";
        let mut response = self.page(200, "Sign in - Jenkins", panel);
        let absent = ["X-Hudson-Theme", "Referrer-Policy", "Cross-Origin-Opener-Policy"];
        response.remove_all(&absent);
        response
    }

    /// A redirect to a place of this Jenkins, as a path.
    pub(crate) fn to_path(&self, path: &str) -> Response {
        Response::empty(302).with("Location", &format!("{}{path}", self.j.config.context))
    }
}

/// A permission as error pages and headers name it.
pub(crate) struct Permission {
    pub(crate) id: &'static str,
    pub(crate) shown: &'static str,
    pub(crate) implied: &'static [&'static str],
}

const WRITE: &[&str] = &[
    "hudson.security.Permission.GenericUpdate",
    "hudson.security.Permission.GenericWrite",
    "hudson.model.Hudson.Administer",
];
const READ: &[&str] = &["hudson.security.Permission.GenericRead", "hudson.model.Hudson.Administer"];

pub(crate) const OVERALL_READ: Permission =
    Permission { id: "hudson.model.Hudson.Read", shown: "Overall/Read", implied: READ };
pub(crate) const BUILD: Permission = Permission { id: "hudson.model.Item.Build", shown: "Job/Build", implied: WRITE };
pub(crate) const CANCEL: Permission =
    Permission { id: "hudson.model.Item.Cancel", shown: "Job/Cancel", implied: WRITE };
pub(crate) const UPDATE: Permission = Permission { id: "hudson.model.Run.Update", shown: "Run/Update", implied: WRITE };
pub(crate) const EXTENDED_READ: Permission =
    Permission { id: "hudson.model.Item.ExtendedRead", shown: "Job/ExtendedRead", implied: READ };
pub(crate) const CONFIGURE: Permission =
    Permission { id: "hudson.model.Item.Configure", shown: "Job/Configure", implied: WRITE };
