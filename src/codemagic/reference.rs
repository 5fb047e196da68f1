//! How people name apps and builds: by id, or by the address of a page.

use std::fmt;

use crate::error::{Error, ExitCode};
use crate::http::Segment;
use crate::model::Build;

/// Where a person finds the two ids.
const BUILD_HINT: &str = "pass the build ID or the address of its page; with an app ID also a build number, `latest` or \
                          `latest-success`";

/// The id of an app, e.g. `60a0b1c2d3e4f56789abcdef`.
///
/// Ids look like 24 hexadecimal digits, but Codemagic's documentation promises only that the id is the part after
/// `/app/` in the address of the app's page (codemagic-docs, `rest-api/builds.md`). So any path segment is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AppId(String);

impl AppId {
    /// Reads an app id, or the address of one of the app's pages: `https://codemagic.io/app/<id>/settings`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let id = match text.split_once("://") {
            Some((_, address)) => after(address, "app").unwrap_or_default(),
            None => text,
        };
        let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && !"/?#".contains(c);
        if id.is_empty() || !id.chars().all(is_plain) || Segment::new(id).is_none() {
            return Err(Error::message(ExitCode::Usage, format!("invalid app ID {text:?}")).with_hint(
                "pass the part after /app/ in the address of the app's page; `cibridge codemagic apps` lists the IDs",
            ));
        }
        Ok(Self(id.to_owned()))
    }

    /// The id as the service writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as one segment of a path.
    pub(super) fn segment(&self) -> impl fmt::Display {
        Segment::new(&self.0).expect("it was checked when the id was parsed")
    }

    /// The address of the app's page.
    pub fn page(&self) -> String {
        format!("https://codemagic.io/app/{}", self.0)
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The longest id that is taken from an answer, so that no URL of ours is too long because of one; real ones have 24
/// characters.
pub(super) const LONGEST_ID: usize = 128;

/// The id of a build, e.g. `6a941a0014bf8ccd332f2844`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BuildId(String);

impl BuildId {
    /// An id that can be one path segment; `None` for anything else.
    pub fn new(text: &str) -> Option<Self> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        ((1..=LONGEST_ID).contains(&text.len()) && text.chars().all(is_plain)).then(|| Self(text.to_owned()))
    }

    /// The id as the service writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address of the build's page, as Codemagic's own GitHub action builds it
    /// (codemagic-ci-cd/trigger-codemagic-workflow-action, `index.js`).
    pub fn page(&self, app_id: &str) -> String {
        format!("https://codemagic.io/app/{app_id}/build/{}", self.0)
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A build as the command line names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildRef {
    /// By its id or its page.
    Id {
        id: BuildId,
        /// The app, if the page's address or the command line named it.
        app_id: Option<AppId>,
    },
    /// By its number within an app.
    Number { app_id: AppId, number: u64 },
    /// The newest build that matches.
    Latest {
        /// Which builds match; it names an app.
        filter: Filter,
        /// Only builds that succeeded.
        successful: bool,
    },
}

impl BuildRef {
    /// Reads a build's id, its page, a number (`12` or `#12`), `latest` or `latest-success`. The last three need the app
    /// of `scope`; its other parts narrow `latest`.
    pub fn parse(text: &str, scope: &Filter) -> Result<Self, Error> {
        let text = text.trim();
        let successful = text == "latest-success";
        if successful || text == "latest" {
            if scope.app_id.is_none() {
                return Err(needs_app(text));
            }
            return Ok(Self::Latest { filter: scope.clone(), successful });
        }
        let digits = text.strip_prefix('#').unwrap_or(text);
        // An id may consist of 24 decimal digits.
        if digits.len() < 19
            && let Ok(number) = digits.parse()
        {
            let app_id = scope.app_id.clone().ok_or_else(|| needs_app(text))?;
            return Ok(Self::Number { app_id, number });
        }
        let (id, app_id) = match text.split_once("://") {
            Some((_, address)) => {
                (after(address, "build"), after(address, "app").and_then(|app_id| AppId::parse(app_id).ok()))
            }
            None => (Some(text), scope.app_id.clone()),
        };
        match id.and_then(BuildId::new) {
            Some(id) => Ok(Self::Id { id, app_id }),
            None => Err(Error::message(ExitCode::Usage, format!("invalid build {text:?}")).with_hint(BUILD_HINT)),
        }
    }
}

impl fmt::Display for BuildRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id { id, .. } => id.fmt(f),
            Self::Number { number, .. } => write!(f, "#{number}"),
            Self::Latest { successful: false, .. } => f.write_str("latest"),
            Self::Latest { successful: true, .. } => f.write_str("latest-success"),
        }
    }
}

fn needs_app(text: &str) -> Error {
    Error::usage(format!("build {text}"), "missing app ID").with_hint(
        "pass --app-id or set CODEMAGIC_APP_ID (in a Jenkinsfile: appId), or pass the build's ID or page instead",
    )
}

/// The path segment after the segment `name` of an address without its scheme.
fn after<'a>(address: &'a str, name: &str) -> Option<&'a str> {
    let path = address.split(['?', '#']).next()?;
    let mut segments = path.split('/').skip(1);
    segments.find(|segment| *segment == name)?;
    segments.next().filter(|segment| !segment.is_empty())
}

/// Which builds to list. An empty filter lists all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub app_id: Option<AppId>,
    pub workflow_id: Option<String>,
    pub branch: Option<String>,
    pub tag: Option<String>,
    /// With all of these labels.
    pub labels: Vec<String>,
    /// In this state, one of v3's `queued building finished failed canceled timeout skipped`.
    pub status: Option<String>,
}

impl Filter {
    /// All builds of an app.
    pub fn app(app_id: &AppId) -> Self {
        Self { app_id: Some(app_id.clone()), ..Self::default() }
    }

    /// Whether workflow, branch, tag and state of a build are those that are wanted.
    pub(super) fn fits_without_labels(&self, build: &Build) -> bool {
        let fits = |wanted: &Option<String>, own: Option<&String>| wanted.is_none() || wanted.as_ref() == own;
        fits(&self.workflow_id, build.workflow_id.as_ref())
            && fits(&self.branch, build.branch.as_ref())
            && fits(&self.tag, build.tag.as_ref())
            && fits(&self.status, Some(&build.status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "60a0b1c2d3e4f56789abcdef";
    const BUILD: &str = "6a941a0014bf8ccd332f2844";

    #[test]
    fn an_app_is_named_by_its_id_or_by_a_page() {
        for text in [
            APP,
            " 60a0b1c2d3e4f56789abcdef\n",
            "https://codemagic.io/app/60a0b1c2d3e4f56789abcdef",
            "https://codemagic.io/app/60a0b1c2d3e4f56789abcdef/settings?x=1#y",
            "https://codemagic.io/app/60a0b1c2d3e4f56789abcdef/build/6a941a0014bf8ccd332f2844",
        ] {
            assert_eq!(AppId::parse(text).map(|id| id.0), Ok(APP.to_owned()), "{text}");
        }
        for text in
            ["", " ", "a b", "a/b", "a?b", "a\nb", "..", "https://codemagic.io/apps", "https://codemagic.io/app/"]
        {
            let error = AppId::parse(text).unwrap_err();
            assert_eq!(error.to_string(), format!("invalid app ID {:?}", text.trim()), "{text}");
        }
    }

    #[test]
    fn a_build_is_named_by_its_id_its_page_its_number_or_as_the_latest() {
        let app_id = AppId::parse(APP).unwrap();
        let scope = Filter { app_id: Some(app_id.clone()), ..Filter::default() };
        let id = BuildId::new(BUILD).unwrap();
        let parsed = |text: &str, scope: &Filter| BuildRef::parse(text, scope);
        assert_eq!(parsed(BUILD, &Filter::default()), Ok(BuildRef::Id { id: id.clone(), app_id: None }));
        let page = format!("https://codemagic.io/app/{APP}/build/{BUILD}/?step=2");
        assert_eq!(parsed(&page, &Filter::default()), Ok(BuildRef::Id { id, app_id: Some(app_id.clone()) }));
        for text in ["12", "#12"] {
            assert_eq!(parsed(text, &scope), Ok(BuildRef::Number { app_id: app_id.clone(), number: 12 }));
        }
        assert_eq!(parsed("latest", &scope), Ok(BuildRef::Latest { filter: scope.clone(), successful: false }));
        assert_eq!(parsed("latest-success", &scope), Ok(BuildRef::Latest { filter: scope.clone(), successful: true }));
        let all_digits = "123456789012345678901234";
        assert!(matches!(parsed(all_digits, &scope), Ok(BuildRef::Id { id, .. }) if id.0 == all_digits));
        for text in ["12", "latest", "latest-success"] {
            assert_eq!(parsed(text, &Filter::default()).unwrap_err().reason(), "missing app ID");
        }
        for text in
            ["", "a/b", "a b", "https://codemagic.io/app/60a0b1c2d3e4f56789abcdef", "https://codemagic.io/build/"]
        {
            assert!(parsed(text, &scope).is_err(), "{text}");
        }
    }
}
