//! Test results as XML, in the shape that Jenkins' `junit` step reads, written as they come: there may be a hundred
//! thousand of them.

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write};
use std::time::Duration;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use crate::model::{TestCase, TestCounts, TestStatus, TestSuite};
use crate::sanitize::sanitize;
use crate::secret::Redactor;

/// The element around all suites.
const ROOT: &str = "testsuites";

/// A document that is being written. It begins with the counts of all tests, so the suites are in a file of their own
/// until the last one is there.
pub struct JunitWriter {
    suites: Writer<BufWriter<File>>,
    counts: TestCounts,
    redactor: Redactor,
}

impl JunitWriter {
    /// A document without suites, which will be in the empty file `scratch`.
    pub fn new(scratch: File, redactor: &Redactor) -> io::Result<Self> {
        let mut suites = Writer::new_with_indent(BufWriter::new(scratch), b' ', 1);
        // So that they are indented; `finish` writes the one that counts.
        suites.write_event(Event::Start(BytesStart::new(ROOT)))?;
        Ok(Self { suites, counts: TestCounts::default(), redactor: redactor.clone() })
    }

    /// Adds a suite.
    pub fn add(&mut self, suite: &TestSuite<'_>) -> io::Result<()> {
        let counts = TestCounts::of((suite.cases)());
        self.counts.add(counts);
        let redactor = &self.redactor;
        let mut attributes = vec![("name", printable(&suite.name, redactor))];
        attributes.extend(attributes_of(counts));
        attributes.extend(suite.at.as_deref().map(|at| ("timestamp", printable(at, redactor))));
        let class = class(suite, redactor);
        let element = self.suites.create_element("testsuite").with_attributes(pairs(&attributes));
        let cases = |writer: &mut _| (suite.cases)().try_for_each(|case| write_case(writer, &case, &class, redactor));
        element.write_inner_content(cases).map(drop)
    }

    /// Completes the document, and gives the counts of all tests and what writes it.
    pub fn finish(mut self) -> io::Result<(TestCounts, impl Fn(&mut dyn Write) -> io::Result<()>)> {
        self.suites.write_event(Event::End(BytesEnd::new(ROOT)))?;
        let mut suites = self.suites.into_inner();
        suites.write_all(b"\n")?;
        let suites = suites.into_inner()?;
        let attributes = attributes_of(self.counts);
        let write = move |out: &mut dyn Write| {
            let mut writer = Writer::new_with_indent(&mut *out, b' ', 1);
            writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
            writer.write_event(Event::Start(BytesStart::new(ROOT).with_attributes(pairs(&attributes))))?;
            // Behind `<testsuites>`.
            (&suites).seek(SeekFrom::Start(ROOT.len() as u64 + 2))?;
            io::copy(&mut &suites, out).map(drop)
        };
        Ok((self.counts, write))
    }
}

fn attributes_of(counts: TestCounts) -> [(&'static str, String); 4] {
    [
        ("tests", counts.total().to_string()),
        ("failures", counts.failed.to_string()),
        ("errors", counts.errored.to_string()),
        ("skipped", counts.skipped.to_string()),
    ]
}

/// Seconds with three decimals.
fn seconds(took: Duration) -> String {
    format!("{}.{:03}", took.as_secs(), took.subsec_millis())
}

fn write_case(writer: &mut Writer<impl Write>, case: &TestCase, class: &str, redactor: &Redactor) -> io::Result<()> {
    let mut attributes = vec![("classname", class.to_owned()), ("name", printable(&case.name, redactor))];
    attributes.extend(case.took.map(|took| ("time", seconds(took))));
    let element = writer.create_element("testcase").with_attributes(pairs(&attributes));
    let inner = match case.status {
        TestStatus::Passed => return element.write_empty().map(drop),
        TestStatus::Failed => "failure",
        TestStatus::Errored => "error",
        TestStatus::Skipped => "skipped",
    };
    let message = printable(case.message.as_deref().unwrap_or_default(), redactor);
    let first = message.lines().next().unwrap_or_default().to_owned();
    element.write_inner_content(|writer| {
        let inner = writer.create_element(inner);
        match (first.is_empty(), first == message) {
            (true, true) => inner.write_empty().map(drop),
            (_, true) => inner.with_attribute(("message", first.as_str())).write_empty().map(drop),
            _ => {
                let inner = inner.with_attribute(("message", first.as_str()));
                inner.write_text_content(BytesText::new(&message)).map(drop)
            }
        }
    })?;
    Ok(())
}

/// Group and suite as a Java class, because Jenkins shows what stands before the last dot as a package. Dots within
/// the two would make packages of file names.
fn class(suite: &TestSuite<'_>, redactor: &Redactor) -> String {
    let plain = |text: &str| printable(text, redactor).replace('.', "_");
    match suite.group.as_str() {
        "" => plain(&suite.name),
        group => format!("{}.{}", plain(group), plain(&suite.name)),
    }
}

fn pairs<'a>(attributes: &'a [(&'static str, String)]) -> impl Iterator<Item = (&'a str, &'a str)> {
    attributes.iter().map(|(name, value)| (*name, value.as_str()))
}

/// Text without the characters that XML 1.0 cannot hold, not even escaped, and without those that steer a terminal or
/// hide text: test runners color their messages, and reports are printed as well. Every known secret is masked.
fn printable(text: &str, redactor: &Redactor) -> String {
    let lines: Vec<String> = text.split('\n').map(sanitize).collect();
    redactor
        .redact(&lines.join("\n"))
        .chars()
        .filter(|c| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn case(name: &str, status: TestStatus, message: Option<&str>, took: Option<Duration>) -> TestCase {
        TestCase { name: name.into(), status, message: message.map(str::to_owned), took }
    }

    #[test]
    fn everything_foreign_is_escaped_and_secrets_are_masked() {
        let cases = [
            case("says \"<&>'\" ]]>", TestStatus::Passed, None, Some(Duration::from_millis(250))),
            case(
                "bro\u{1b}[31mken\u{0}\u{fffe}",
                TestStatus::Failed,
                Some("Expected: <3>\n  Actual: <4>"),
                Some(Duration::from_secs(1)),
            ),
            case("crashed", TestStatus::Errored, Some("no s3\u{1b}[31mcr3t"), None),
            case("left out", TestStatus::Skipped, None, None),
        ];
        let suite = TestSuite {
            name: "a_test.dart".into(),
            group: "Unit <tests>".into(),
            at: Some("2021-02-01T14:33:45".into()),
            cases: Box::new(|| Box::new(cases.iter().cloned())),
        };
        let redactor = Redactor::default();
        redactor.add_secret(&Secret::new("s3cr3t"));
        let mut writer = JunitWriter::new(tempfile::tempfile().unwrap(), &redactor).unwrap();
        writer.add(&suite).unwrap();
        let (counts, write) = writer.finish().unwrap();
        assert_eq!(counts, TestCounts { passed: 1, failed: 1, errored: 1, skipped: 1 });
        // A file that cannot be replaced is written a second time.
        let mut xml = Vec::new();
        write(&mut io::sink()).unwrap();
        write(&mut xml).unwrap();
        assert_eq!(
            String::from_utf8(xml).unwrap(),
            r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="4" failures="1" errors="1" skipped="1">
 <testsuite name="a_test.dart" tests="4" failures="1" errors="1" skipped="1" timestamp="2021-02-01T14:33:45">
  <testcase classname="Unit &lt;tests&gt;.a_test_dart" name="says &quot;&lt;&amp;&gt;&apos;&quot; ]]&gt;" time="0.250"/>
  <testcase classname="Unit &lt;tests&gt;.a_test_dart" name="broken" time="1.000">
   <failure message="Expected: &lt;3&gt;">Expected: &lt;3&gt;
  Actual: &lt;4&gt;</failure>
  </testcase>
  <testcase classname="Unit &lt;tests&gt;.a_test_dart" name="crashed">
   <error message="no ********"/>
  </testcase>
  <testcase classname="Unit &lt;tests&gt;.a_test_dart" name="left out">
   <skipped/>
  </testcase>
 </testsuite>
</testsuites>
"#
        );
    }
}
