//! What holds for everything that Jenkins may send, and for every name of a job, build or queue item.

use super::console::NoteFilter;
use super::reference::{JobRef, Target, encode_branch, queue_id};
use super::{test_report, wire};
use crate::lenient;
use crate::lifecycle::TestReport;
use crate::random_tests::{choices, fuzz, pieces};

#[test]
fn every_answer_is_read_or_refused() {
    fuzz("jenkins", |body: &[u8]| {
        drop((wire::decode::<wire::WhoAmI>(body), wire::decode::<wire::Crumb>(body), wire::decode::<wire::Job>(body)));
        drop((wire::decode::<wire::QueueItem>(body), wire::decode::<wire::Queue>(body)));
        drop((wire::decode::<wire::Build>(body), wire::decode::<wire::Run>(body)));
        drop(wire::decode::<wire::NewToken>(body));
        if let Some(text) = lenient::text(&mut body.to_vec()) {
            let report = TestReport::new(None, text.to_owned(), test_report::suites);
            assert!(report.failures().count() as u64 <= report.counts.total());
        }
        drop((wire::decode::<wire::Computers>(body), wire::decode_list::<wire::PendingInput>(body)));
    });
}

#[test]
fn a_name_of_a_job_is_refused_or_keeps_its_place_in_the_path() {
    fuzz("text", |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(job) = JobRef::from_full_name(&text) {
            let path = job.path();
            assert!(path.starts_with("/job/") && !path.contains(['?', '#', ' ', '\n']), "{text:?} {path:?}");
            assert!(!path.split('/').any(|part| [".", ".."].contains(&part)), "{text:?} {path:?}");
            let shown = job.to_string();
            if shown.trim() == shown {
                assert_eq!(JobRef::from_full_name(&shown).ok().map(|job| job.path()), Some(path), "{text:?}");
            }
        }
        drop(Target::parse(&text));
        drop(Target::parse(&format!("https://a.example/{text}")));
        drop(Target::parse(&format!("/job/{text}/")));
        queue_id(&text);
        assert!(!encode_branch(&text).contains(['/', '?', '#', '\\']), "{text:?}");
    });
}

#[test]
fn a_log_is_the_same_however_it_is_cut() {
    fuzz("log", |log: &[u8]| {
        let read = |pieces: &[&[u8]]| {
            let (mut filter, mut out) = (NoteFilter::default(), Vec::new());
            for piece in pieces {
                filter.feed(piece, &mut out);
            }
            filter.end(&mut out);
            out
        };
        let cut = pieces(&mut choices(log), log);
        assert_eq!(read(&cut), read(&[log]));
    });
}
