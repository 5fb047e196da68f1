//! Test results as XML, in the shape that Jenkins' `junit` step reads. Pure: results in, bytes out.

use std::io;
use std::time::Duration;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use crate::model::{TestCase, TestCounts, TestStatus, TestSuite};
use crate::sanitize::sanitize;

fn counts<'a>(cases: impl IntoIterator<Item = &'a TestCase>) -> [(&'static str, String); 4] {
    let counts = TestCounts::of(cases);
    [
        ("tests", counts.total().to_string()),
        ("failures", counts.failed.to_string()),
        ("errors", counts.errored.to_string()),
        ("skipped", counts.skipped.to_string()),
    ]
}

/// The suites as one XML document.
pub fn xml(suites: &[TestSuite]) -> io::Result<Vec<u8>> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 1);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let attributes = counts(suites.iter().flat_map(|suite| &suite.cases));
    let root = writer.create_element("testsuites").with_attributes(pairs(&attributes));
    root.write_inner_content(|writer| suites.iter().try_for_each(|suite| write_suite(writer, suite)))?;
    let mut bytes = writer.into_inner();
    bytes.push(b'\n');
    Ok(bytes)
}

fn write_suite(writer: &mut Writer<Vec<u8>>, suite: &TestSuite) -> io::Result<()> {
    let mut attributes = vec![("name", printable(&suite.name))];
    attributes.extend(counts(&suite.cases));
    attributes.extend(suite.at.clone().map(|at| ("timestamp", at)));
    let took: Option<Duration> = suite.cases.iter().map(|case| case.took).sum();
    attributes.extend(took.filter(|_| !suite.cases.is_empty()).map(|took| ("time", seconds(took))));
    let class = class(suite);
    let element = writer.create_element("testsuite").with_attributes(pairs(&attributes));
    element.write_inner_content(|writer| suite.cases.iter().try_for_each(|case| write_case(writer, case, &class)))?;
    Ok(())
}

/// Seconds with three decimals.
fn seconds(took: Duration) -> String {
    format!("{}.{:03}", took.as_secs(), took.subsec_millis())
}

fn write_case(writer: &mut Writer<Vec<u8>>, case: &TestCase, class: &str) -> io::Result<()> {
    let mut attributes = vec![("classname", class.to_owned()), ("name", printable(&case.name))];
    attributes.extend(case.took.map(|took| ("time", seconds(took))));
    let element = writer.create_element("testcase").with_attributes(pairs(&attributes));
    let inner = match case.status {
        TestStatus::Passed => return element.write_empty().map(drop),
        TestStatus::Failed => "failure",
        TestStatus::Errored => "error",
        TestStatus::Skipped => "skipped",
    };
    let message = printable(case.message.as_deref().unwrap_or_default());
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
fn class(suite: &TestSuite) -> String {
    let plain = |text: &str| printable(text).replace('.', "_");
    match suite.group.as_str() {
        "" => plain(&suite.name),
        group => format!("{}.{}", plain(group), plain(&suite.name)),
    }
}

fn pairs<'a>(attributes: &'a [(&'static str, String)]) -> impl Iterator<Item = (&'a str, &'a str)> {
    attributes.iter().map(|(name, value)| (*name, value.as_str()))
}

/// Text without the characters that XML 1.0 cannot hold, not even escaped, and without those that steer a terminal or
/// hide text: test runners color their messages, and reports are printed as well.
fn printable(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(sanitize).collect();
    lines
        .join("\n")
        .chars()
        .filter(|c| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &str, status: TestStatus, message: Option<&str>, took: Option<Duration>) -> TestCase {
        TestCase { name: name.into(), status, message: message.map(str::to_owned), took }
    }

    #[test]
    fn everything_foreign_is_escaped() {
        let suite = TestSuite {
            name: "a_test.dart".into(),
            group: "Unit <tests>".into(),
            at: Some("2021-02-01T14:33:45".into()),
            cases: vec![
                case("says \"<&>'\" ]]>", TestStatus::Passed, None, Some(Duration::from_millis(250))),
                case(
                    "bro\u{1b}[31mken\u{0}\u{fffe}",
                    TestStatus::Failed,
                    Some("Expected: <3>\n  Actual: <4>"),
                    Some(Duration::from_secs(1)),
                ),
                case("crashed", TestStatus::Errored, Some("one line"), None),
                case("left out", TestStatus::Skipped, None, None),
            ],
        };
        let xml = String::from_utf8(xml(&[suite]).unwrap()).unwrap();
        assert_eq!(
            xml,
            r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="4" failures="1" errors="1" skipped="1">
 <testsuite name="a_test.dart" tests="4" failures="1" errors="1" skipped="1" timestamp="2021-02-01T14:33:45">
  <testcase classname="Unit &lt;tests&gt;.a_test_dart" name="says &quot;&lt;&amp;&gt;&apos;&quot; ]]&gt;" time="0.250"/>
  <testcase classname="Unit &lt;tests&gt;.a_test_dart" name="broken" time="1.000">
   <failure message="Expected: &lt;3&gt;">Expected: &lt;3&gt;
  Actual: &lt;4&gt;</failure>
  </testcase>
  <testcase classname="Unit &lt;tests&gt;.a_test_dart" name="crashed">
   <error message="one line"/>
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
