//! What holds for everything that Codemagic may send, and for every name of an app or a build.

use std::time::SystemTime;

use super::reference::{AppId, BuildId, BuildRef, Filter};
use super::{errors, test_results, wire};
use crate::lenient;
use crate::lifecycle::TestReport;
use crate::random_tests::fuzz;

#[test]
fn every_answer_is_read_or_refused_and_no_time_is_too_far_away() {
    let now = SystemTime::now();
    fuzz("codemagic", move |body: &[u8]| {
        if let Some(data) = lenient::parse::<wire::Data<wire::Build>>(body)
            && let Some(snapshot) = data.data.0.and_then(|build| build.snapshot(now))
        {
            assert_ne!(snapshot.build.id, "");
        }
        if let Some(page) = lenient::parse::<wire::Page<wire::Build>>(body) {
            page.is_last(1);
        }
        drop(lenient::parse::<wire::Data<wire::Action>>(body).and_then(|data| Some(data.data.0?.into_step(now))));
        drop(lenient::parse::<wire::StartAnswer>(body).and_then(wire::StartAnswer::id));
        drop(lenient::parse::<wire::PublicLinkAnswer>(body));
        drop(lenient::parse::<wire::UserAnswer>(body).and_then(wire::UserAnswer::personal_team));
        assert!(errors::words(body).chars().count() < 400);
        if let Some(build) = lenient::parse::<wire::LegacyAnswer>(body).and_then(|answer| answer.build.0) {
            for action in &build.build_actions.entries {
                drop((action.telling_log(), action.all_logs()));
            }
        }
        if let Some(text) = lenient::text(&mut body.to_vec()) {
            let report = TestReport::new(None, text.to_owned(), test_results::suites);
            assert!(report.failures().count() as u64 <= report.counts.total());
        }
        crate::clock::parse_time(&String::from_utf8_lossy(body));
    });
}

#[test]
fn a_name_of_an_app_or_a_build_is_refused_or_keeps_its_place_in_the_address() {
    let scope = Filter::app(&AppId::parse("60a0b1c2d3e4f56789abcdef").unwrap());
    fuzz("text", move |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        if let Ok(app) = AppId::parse(&text) {
            assert!(!app.as_str().is_empty() && !app.as_str().contains(['/', '?', '#', ' ']), "{text:?}");
            assert_eq!(AppId::parse(&app.page()).ok().as_ref(), Some(&app), "{text:?}");
        }
        if let Some(build) = BuildId::new(&text) {
            let named = BuildRef::parse(&build.page("60a0b1c2d3e4f56789abcdef"), &Filter::default());
            assert!(matches!(named, Ok(BuildRef::Id { id, .. }) if id == build), "{text:?}");
        }
        drop(BuildRef::parse(&text, &scope));
        drop(BuildRef::parse(&format!("https://codemagic.io/app/{text}"), &scope));
    });
}
